"""Check numbers, names and flags that users pass; `_arrays.py` checks their arrays.

Each error names the argument, what came and what was wanted.
"""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import numbers
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

# the most common type first: isinstance with an abstract class takes a microsecond
INTEGRAL, REAL = (int, numbers.Integral), (float, int, numbers.Real)
NO_NUMBERS = (bool, np.timedelta64)
MOST = 2**63 - 1  # default upper limit of integers: the engine counts in int64
LONG = 200  # longest text of a value in an error message
PRECISIONS = ("full", "bfloat16")  # of products

Limits = Mapping[str, float]  # limits by the names of `number`'s parameters
NO_LIMITS: Mapping[str, Limits] = {}


def is_integer(value: Any) -> bool:
    """Whether value is an integer. bool and timedelta64 do not count, although they are registered as integers."""
    return isinstance(value, INTEGRAL) and not isinstance(value, NO_NUMBERS)


def is_number(value: Any) -> bool:
    """Whether value is a real number."""
    return isinstance(value, REAL) and not isinstance(value, NO_NUMBERS)


def one_of(argument: str, value: Any, known: Collection[str]) -> Any:
    """Return value, which must be one of the known names."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(sorted(known))}, got {described(value)}")
    return value


def integer(argument: str, value: Any, least: float, most: float = MOST) -> int:
    """value as an int, which must be in least .. most."""
    if not is_integer(value):
        raise TypeError(f"{argument} must be an integer, got {described(value)}")
    value = int(value)
    if value < least:
        raise ValueError(f"{argument} must be at least {least}, got {described(value)}")
    if value > most:
        raise ValueError(f"{argument} must be at most {most}, got {described(value)}")
    return value


def number(argument: str, value: Any, least: float | None = None, below: float | None = None,
           above: float | None = None, most: float | None = None, dtype: DTypeLike = np.float64) -> float:
    """value as a float. Converted to dtype as the engine does, it must be finite, least <= value <= most and
    above < value < below."""
    if type(value) is float:
        x = value
    elif is_number(value):
        x = rounded(value)
    else:
        raise TypeError(f"{argument} must be a number, got {described(value)}")
    held = _held(x, dtype) if x else x
    if not (math.isfinite(held) and (least is None or held >= least) and (above is None or held > above)
            and (below is None or held < below) and (most is None or held <= most)):
        limits = {"at least": least, "above": above, "below": below, "at most": most}
        if above is not None and below is not None:
            wanted = f", between {above:g} and {below:g}"
        else:
            wanted = "".join(f", {word} {limit:g}" for word, limit in limits.items() if limit is not None)
        where = "" if dtype is np.float64 else f" in {np.dtype(dtype).name}"
        raise ValueError(f"{argument} must be finite{where}{wanted}, got {x:g}")
    return x


def rounded(value: Any) -> float:
    """A number as a float; infinite if it is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _held(x: float, dtype: Any) -> float:
    """A number as the engine uses it: rounded to dtype, and 0 if it is subnormal."""
    rounded, largest, tiny = _range(dtype)
    if -largest <= x <= largest:
        held = rounded(x)
        return held if held >= tiny or held <= -tiny else 0.0
    return math.copysign(math.inf, x) if x == x else x


@functools.cache
def _range(dtype: Any) -> tuple[Callable[[float], float], float, float]:
    """For a dtype: (function that rounds a float to it, its largest number, its smallest normal number)."""
    bounds = np.finfo(dtype)
    scalar = np.dtype(dtype).type
    return (float if scalar is np.float64 else lambda x: float(scalar(x))), float(bounds.max), float(bounds.tiny)


def builtin_fields(spec: Any) -> None:
    """Convert NumPy numbers in a frozen dataclass to Python's, whose arithmetic neither wraps around nor rounds early.
    """
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if isinstance(value, np.generic) and is_number(value):
            object.__setattr__(spec, field.name, int(value) if is_integer(value) else float(value))


def described(value: Any) -> str:
    """A value for an error message: its repr, shortened if it is long."""
    try:
        text = repr(value)
    except Exception:  # a user's object may raise anything, and an int of thousands of digits has no repr
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def canonical(value: Any, aliases: Mapping[str, str]) -> Any:
    """value, a name or a pair (name, number), with an alias replaced by the engine's name."""
    if isinstance(value, str):
        return aliases.get(value, value)
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return aliases.get(value[0], value[0]), value[1]
    return value


def named(argument: str, value: Any, table: Mapping[str, Any], limits: Mapping[str, Limits] = NO_LIMITS,
          dtype: DTypeLike = np.float64) -> tuple[str, float]:
    """(name, number) from a name in one of the engine's tables, or from a pair (name, number) if it takes a number.

    table: name -> row, whose last entry is the default number, 0 if the name takes none. limits: name -> limits of its
    number, which are checked in dtype.
    """
    name, *extra = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a name or a pair (name, number), got {described(value)}")
    default = table[one_of(argument, name, table)][-1]
    if extra and not default:
        raise ValueError(f"{argument} {name!r} takes no number, got {described(value)}")
    if not extra:
        return name, default
    wanted: dict[str, Any] = {**limits.get(name, {}), "dtype": dtype}
    return name, number(f"the number of {argument} {name!r}", extra[0], **wanted)


@contextlib.contextmanager
def within_memory(argument: str) -> Iterator[None]:
    """Turn a MemoryError into a ValueError that names the argument."""
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{argument} must fit into memory: {error}") from error


def bounded(argument: str, value: Any, dtype: DTypeLike = np.float64) -> None:
    """ValueError if value is a number that the engine can never use: an integer that is too large, or a number that is
    not finite in dtype."""
    if is_integer(value):
        integer(argument, value, -MOST)
    elif is_number(value):
        number(argument, value, dtype=dtype)


def boolean(argument: str, value: Any) -> Any:
    """Return value, which must be a bool, Python's or NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} must be True or False, got {described(value)}")
    return value


def function(argument: str, value: Any) -> Any:
    """Return value, which must be a function."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{argument} must be a function, got {described(value)}")
    return value


def text(argument: str, value: Any) -> str:
    """Return value, which must be a string."""
    if not isinstance(value, str):
        raise TypeError(f"{argument} must be a string, got {described(value)}")
    return value


def name(argument: str, value: Any) -> str:
    """Return value, which must be a non-empty string."""
    if not text(argument, value):
        raise ValueError(f"{argument} must be a name, got an empty one")
    return str(value)


def path(argument: str, value: Any) -> str:
    """A path as a string."""
    try:
        text = os.fspath(value)
    except Exception:  # a user's object may raise anything
        text = None
    if not isinstance(text, str):
        raise TypeError(f"{argument} must be a string or an os.PathLike of one, got {described(value)}")
    if not text:
        raise ValueError(f"{argument} must name a file, got an empty one")
    try:
        good = b"\0" not in os.fsencode(text)
    except UnicodeError:
        good = False
    if not good:
        raise ValueError(f"{argument} must have no null characters or halves of others, got {described(value)}")
    return text


@contextlib.contextmanager
def asking(arguments: str) -> Iterator[None]:
    """Turn unexpected exceptions of users' objects into a TypeError or ValueError that names the arguments."""
    try:
        yield
    except (ValueError, TypeError, MemoryError, ImportError, Warning):
        raise
    except OverflowError as error:
        raise ValueError(f"{arguments} must be finite in float64, got a larger number: {error}") from error
    except Exception as error:
        raise TypeError(f"{arguments} must be data that can be read: {error!r}") from error


@contextlib.contextmanager
def under(argument: str) -> Iterator[None]:
    """Let errors begin with the name of the argument, unless they name it already."""
    try:
        with asking(argument):
            yield
    except (ValueError, TypeError) as error:
        if re.search(rf"\b{re.escape(argument)}\b", str(error)):
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{argument}: {error}") from error


def result(function: str, value: Any) -> float:
    """The value that a user's function returned, as a float, which may be NaN or infinite."""
    value = value[()] if isinstance(value, np.ndarray) and not value.ndim else value
    if not (is_number(value) or isinstance(value, (bool, np.bool_))):
        raise TypeError(f"{function} must return a number, got {described(value)}")
    return rounded(value)


def verdict(function: str, value: Any) -> bool:
    """The value that a user's function returned, as a bool."""
    try:
        return bool(value)
    except Exception:  # arrays, tables and missing values have no truth value
        raise TypeError(f"{function} must return True or False, got {described(value)}") from None


def floating(dtype: Any) -> np.dtype[Any]:
    """dtype as NumPy's float32 or float64."""
    known: np.dtype[Any] | None
    try:
        known = None if dtype is None else np.dtype(dtype)  # None means float64 to NumPy
    except Exception:  # a foreign object may raise anything
        known = None
    if known is None or known not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {described(dtype)}")
    return known


def precision(value: Any, dtype: np.dtype[Any]) -> str:
    """value, a precision of products, which must be possible with the dtype."""
    if one_of("precision", value, PRECISIONS) == "bfloat16" and dtype != np.float32:
        raise ValueError(f"precision must be 'full' where dtype is {dtype.name!r}, got 'bfloat16', which goes with "
                         "float32 alone")
    return str(value)


def generator(random_state: Any) -> np.random.Generator:
    """A numpy Generator from a random_state: None, an int, or a numpy Generator or RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    if is_integer(random_state):
        return np.random.default_rng(integer("random_state", random_state, 0, math.inf))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    raise TypeError("random_state must be None, an int, or a numpy Generator or RandomState, "
                    f"got {described(random_state)}")
