"""Class names, class weights and the check for label smoothing, as MLP.fit needs them."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _arrays, _checks, _labels
from .._network import Network
from .._types import Floats
from .options import ClassWeight, Options
from .ranks import Ranks


def find(network: Network, y: Any, options: Options) -> bool:
    """Set the class names of a network that has none yet, if y holds text labels and is in memory as a whole; return
    whether they were set. ValueError if y has more or fewer classes than the network."""
    if network.n_classes is None or network.classes is not None:
        return False
    labels = _labels.text(y) if options.window is None and options.batches is None else None
    if labels is None:
        return False
    network.classes = _labels.of(labels, network.n_classes)
    return True


def weights(network: Network, y: Any, n: int, sample_weight: Any, class_weight: ClassWeight, ranks: Ranks) -> Floats:
    """Return the weights of this rank's n rows, sample_weight times class weight, float64 (n,). ValueError or TypeError
    if class_weight is wrong or the targets are not labels."""
    labels = _numbers(network, y, n) if n else np.empty(0, np.int64)
    counts = ranks.sum_(np.bincount(labels, minlength=max(network.d[-1], 2)))
    present = np.flatnonzero(counts)
    factors: Floats = np.zeros(len(counts))
    if isinstance(class_weight, str):
        _checks.one_of("class_weight", class_weight, ["balanced"])
        factors[present] = counts.sum() / (len(present) * counts[present])
    elif isinstance(class_weight, Mapping):
        factors[present] = _factors(present.tolist(), class_weight, network.classes, len(counts))
    else:
        raise TypeError(f'class_weight must be a dict or "balanced", got {_checks.described(class_weight)}')
    if not factors.any():
        raise ValueError("class_weight must be above 0 for a class that y has, got 0 for all")
    of_rows = factors[labels]
    if sample_weight is None:
        return of_rows
    return of_rows * _arrays.shaped("sample_weight", sample_weight, (n,), np.float64)


def _numbers(network: Network, y: Any, n: int) -> Any:
    """The labels y as class indices (n,)."""
    loss, targets = network.loss.name, network.targets(y, n)
    if loss == "cross_entropy" and targets.ndim == 1:
        return targets
    if loss == "binary_cross_entropy" and network.d[-1] == 1:
        labels = _arrays.dense(targets, "y").reshape(n)
        if np.isin(labels, (0, 1)).all():
            return labels.astype(np.int64)
    raise ValueError("class_weight must be left out unless y are labels: integers for cross_entropy, or 0 and 1 for "
                     "one output with binary_cross_entropy")


def _factors(present: list[int], class_weight: Mapping[Any, float], names: _labels.Classes | None, n: int) -> Floats:
    """The weight of each class in `present`, given by index. names: those of all n classes, or None."""
    numbers = {} if names is None else {name: k for k, name in enumerate(names.tolist())}
    given = {}
    for label, factor in class_weight.items():
        if isinstance(label, str) and numbers:
            _checks.one_of("a label of class_weight", label, numbers)
        number = numbers.get(label, label)
        given[_checks.integer("a label of class_weight", number, 0, n - 1)] = _checks.number(
            f"class_weight[{label!r}]", factor, least=0, dtype=np.float32)
    return np.array([given.get(number, 1.0) for number in present])


def check_smoothing(network: Network, amount: float) -> None:
    """ValueError if the loss is not one of classification, where labels can be smoothed."""
    if network.loss.name not in ("cross_entropy", "binary_cross_entropy"):
        raise ValueError("label_smoothing must be 0 unless the loss is cross_entropy or binary_cross_entropy, "
                         f"got {amount:g}")
