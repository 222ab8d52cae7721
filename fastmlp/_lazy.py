"""Import modules on first use, because they are slow to import or need optional packages.

The model also uses this table to reach modules that import the model, which it must not import itself.
"""
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ._optional import needing

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
    """Import a name of the table or one of the modules. If a package is missing, the error says how to install it."""
    if name in MODULES:
        return importlib.import_module(f"{__package__}.{name}")
    with needing(name):
        return getattr(importlib.import_module(f"{__package__}.{NAMES[name]}"), name)


def attached(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module-level `__getattr__` for a package, which imports its names on first use. names: name -> module."""

    def attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{names[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return attribute
