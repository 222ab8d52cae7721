"""Optional packages, and the error message if one is missing."""
from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

# module -> (name of the package, extra that installs it)
PACKAGES = {
    "art": ("the Adversarial Robustness Toolbox", "art"),
    "dask": ("dask", "dask"),
    "distributed": ("distributed", "dask"),
    "matplotlib": ("matplotlib", "plot"),
    "mpi4py": ("mpi4py", "mpi"),
    "narwhals": ("narwhals", "tabular"),
    "onnx": ("onnx", "onnx"),
    "pyarrow": ("pyarrow", "parquet"),
    "skl2onnx": ("skl2onnx", "skl2onnx"),
    "sklearn": ("scikit-learn", "sklearn"),
    "torch": ("torch", "torch"),
}


@contextlib.contextmanager
def needing(what: str, verb: str = "needs") -> Iterator[None]:
    """A context for imports of optional packages: if one is missing, the ImportError says what needs it, and which
    extra installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        name, extra = PACKAGES[package]
        raise ImportError(f'{what} {verb} {name}: pip install "fastmlp[{extra}]"') from error


def needs(module: str, what: str) -> Any:
    """Import a module of an optional package. ImportError as in `needing`."""
    with needing(what):
        return importlib.import_module(module)
