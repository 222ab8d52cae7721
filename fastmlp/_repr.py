"""A base class that gives specs and callbacks a short repr."""
from __future__ import annotations

import inspect


class Shown:
    """Has a short repr: the class, with the constructor's arguments that differ from the defaults."""

    def __repr__(self) -> str:
        given = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            value = vars(self).get(name, parameter.default)
            if value is not parameter.default and repr(value) != repr(parameter.default):
                given.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(given)})"
