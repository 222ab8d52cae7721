"""What is imported only when it is first asked for, since it takes long or needs an optional package.

Modules that the model must not know, as they know it, are reached through this table as well.
"""
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ._needs import needing

# name -> the module that has it
NAMES = {
    **dict.fromkeys(("MLPClassifier", "MLPRegressor", "MLPAutoencoder"), "estimators"),
    "communicator_of": "distributed",
    **dict.fromkeys(("TabularClassifier", "TabularRegressor"), "tabular"),
    **dict.fromkeys(("SensitivityDisplay", "NoiseCurveDisplay", "LossCurveDisplay", "plot_history",
                     "history_as_png"), "plot"),
}
MODULES = ("data", "distributed", "estimators", "export", "io", "plot", "schedules", "sensitivity", "tabular",
           "training")


def load(name: str) -> Any:
    """A name of the table or one of the modules. ImportError that names the remedy where a package is missing."""
    if name in MODULES:
        return importlib.import_module(f"{__package__}.{name}")
    with needing(name):
        return getattr(importlib.import_module(f"{__package__}.{NAMES[name]}"), name)


def attached(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names are in modules of it: name -> module. They are imported when they are
    first asked for."""

    def attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return attribute
