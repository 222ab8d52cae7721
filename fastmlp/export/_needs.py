"""Packages that only some of the formats need."""
from __future__ import annotations

import importlib
from typing import Any


def needs(module: str, what: str) -> Any:
    """A module of an optional package; ImportError that names the remedy where it is missing."""
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise ImportError(f"{what} needs {package}: pip install {package}") from error
