"""Text labels: the class names of a network, and the conversion of labels to class indices.

Numbers in y are always class indices, never names of classes, so that no number has two meanings.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _checks

Classes = NDArray[np.str_]


def text(y: Any, argument: str = "y") -> Classes | None:
    """y as an array of str, or None if its elements are something else."""
    if type(y) is np.ndarray and y.dtype.kind not in "OUT":  # the most common case first
        return None
    if isinstance(y, (list, tuple)):
        if not y or not isinstance(y[0], str):
            return None
        y = np.array(y, object)  # which does not convert other values, such as NaN, to text
    if _arrays.is_sparse(y):
        return None
    array = _arrays.as_array(argument, y)
    if array.dtype.kind in "UT" or array.dtype.kind == "O" and array.size and _all_str(array):
        return np.array(array.tolist(), str)
    return None


def _all_str(array: NDArray[Any]) -> bool:
    return all(issubclass(kind, str) for kind in set(map(type, array.flat)))


def checked(classes: Any, n: int | None) -> Classes | None:
    """Class names for a network of n classes (None: it does not classify) as a read-only array (n,); None for None."""
    if classes is None:
        return None
    if n is None:
        raise ValueError("classes must be None unless the loss is cross_entropy, or binary_cross_entropy of one "
                         f"output, got {_checks.described(classes)}")
    names = text(classes, "classes")
    if names is None:
        raise TypeError(f"classes must be a list of text, got {_checks.described(classes)}")
    if names.shape != (n,) or len(np.unique(names)) < n:
        raise ValueError(f"classes must be {n} different names, got {_checks.described(classes)}")
    names.flags.writeable = False
    return names


def of(y: Classes, n: int) -> Classes:
    """The n classes in y, in alphabetical order. ValueError if it has more or fewer."""
    found: Classes = np.unique(y)
    found.flags.writeable = False
    if y.ndim != 1 or len(found) != n:
        raise ValueError(f"y must have shape (rows,) and {n} classes where they are text, as many as the network "
                         f"tells apart, got shape {y.shape} and {_listed(found)}; set net.classes where rows of some "
                         "are yet to come")
    return found


def numbered(y: Any, classes: Classes) -> Any:
    """Text labels y (n,) as class indices; any other y unchanged. ValueError names an unknown label."""
    labels = text(y)
    if labels is None:
        return y
    if labels.ndim != 1:
        raise ValueError(f"y must have shape (rows,) where labels are text, got {labels.shape}")
    order = np.argsort(classes)
    places = order[np.searchsorted(classes, labels, sorter=order).clip(max=len(classes) - 1)]
    strange = classes[places] != labels
    if strange.any():
        raise ValueError(f"y must be labels of net.classes, {_listed(classes)}, got {str(labels[strange][0])!r}")
    return places


def _listed(names: Classes) -> str:
    """The first few names, for an error message."""
    shown = ", ".join(repr(name) for name in names[:5].tolist())
    return shown if len(names) <= 5 else f"{shown}, .. ({len(names)})"
