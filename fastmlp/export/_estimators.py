"""Find which of fastmlp's estimators a model is, also if the user derived a class from it."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _checks


def own_names(cls: Any) -> list[str]:
    """The names of fastmlp's classes among a class and its bases, the nearest first."""
    return [base.__name__ for base in getattr(cls, "__mro__", ()) if base.__module__.startswith("fastmlp.")]


def row(table: Mapping[str, Any], model: Any, also: str) -> Any:
    """The entry for a model in a table of estimators by name. TypeError if there is none; also: other possible types,
    for the message."""
    for name in own_names(type(model)):
        if name in table:
            return table[name]
    raise TypeError(f"model must be {also}, {', '.join(table)}, got {_checks.described(model)}")
