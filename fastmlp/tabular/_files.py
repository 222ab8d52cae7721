"""Save estimators of tables to files and load them.

Encodings, targets and networks are converted to plain values and arrays, which is all that a file may contain; loading
checks everything that could be wrong in a file.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks
from .._files import document
from .._types import Floats
from ..estimators import _files
from ..model import MLP
from .columns import CATEGORY, NUMBER, TIME, Column
from .encode import CategoryBlock, Encoder, NumberBlock
from .presets import PRESETS
from .targets import TargetScale

BLOCKS: dict[str, type[Any]] = {NUMBER: NumberBlock, CATEGORY: CategoryBlock}


def save(est: Any, path: str | os.PathLike[str]) -> None:
    """Implements save of these estimators."""
    state = {name: value for name, value in est.__getstate__().items() if name != "_held"}  # its rows are users' data
    change: dict[str, Callable[[Any], Any]] = {
        "_encoder": _of_encoder, "_nets": lambda nets: [list(document.of(net)) for net in nets], "_scale": _of_scale}
    _files.save(est, path, {name: change[name](value) if name in change else value for name, value in state.items()})


def load(cls: type[Any], path: str | os.PathLike[str]) -> Any:
    """Implements load of these estimators. cls: the estimator's class."""
    return _files.load(cls, path, _restored)


def _of_encoder(encoder: Encoder) -> list[Any]:
    names = {kind: name for name, kind in BLOCKS.items()}
    return [[column, part, names[type(block)], {name: v for name, v in vars(block).items() if name != "width"}]
            for column, part, block in encoder.blocks]


def _of_scale(scale: TargetScale) -> dict[str, Any]:
    return {name: getattr(scale, name) for name in SCALE}


# ---- and back

def _restored(cls: type[Any], state: dict[str, Any]) -> Any:
    """An estimator from the state in a file, ready to predict if it is fitted."""
    fitted = "n_iter_by_member_" in state
    if not fitted:
        return _files.with_state(cls, state)
    encoder = Encoder(PRESETS["default"]).with_blocks([_block(*row) for row in state["_encoder"]])
    nets = [_network(*parts) for parts in state["_nets"]]
    state = state | {"_encoder": encoder, "_nets": nets}
    if "_scale" in state:
        state["_scale"] = _scale(state["_scale"])
        state["_residuals"] = _numbers("_residuals", state["_residuals"])
    est = _files.with_state(cls, state)
    _files.check_attributes(est)
    wanted = max(1, encoder.n_features), est._n_outputs(), cls._loss
    for net in nets:
        if (net.d[0], net.d[-1], net.loss.name) != wanted:
            raise ValueError(f"(features, outputs, loss) of its networks should be {wanted}, got "
                             f"{net.d[0], net.d[-1], net.loss.name}")
    _checks.integer("n_features_in_", est.n_features_in_, len(est.kinds_), len(est.kinds_))
    if not nets or not (est._names is None or len(est._names) == len(est.kinds_)):
        raise ValueError(f"it has {len(nets)} networks, and not a name for each of {len(est.kinds_)} columns")
    est._outputs_of(_two_rows(est.kinds_))
    return est


def _network(found: dict[str, Any], tensors: dict[str, Floats]) -> MLP:
    described = document.Document(found)
    described.check_tensors({name: (a.dtype, a.shape) for name, a in tensors.items()})
    return described.network(MLP, tensors)


def _two_rows(kinds: list[str]) -> list[Column]:
    """Columns of these kinds with two rows: one of arbitrary values and one of missing values."""
    values = {NUMBER: np.array([0.0, np.nan]), TIME: np.array([0.0, np.nan]), CATEGORY: np.array(["", None], object)}
    return [Column(j, kind, values[kind]) for j, kind in enumerate(kinds)]


def _block(column: Any, part: Any, kind: str, found: dict[str, Any]) -> tuple[int, str, Any]:
    """(column, part, encoding) from a file, checked to have at least one feature."""
    column = _checks.integer("the column of an encoding", column, 0)
    block = BLOCKS[kind](**{name: check(name, found[name]) for name, check in OF_BLOCK[kind].items()})
    if not block.width or not set(found) == set(OF_BLOCK[kind]):
        raise ValueError(f"its encoding of column {column} has {block.width} features, of {sorted(found)}")
    return column, _checks.text("the part of a column", part), block


def _scale(found: dict[str, Any]) -> TargetScale:
    scale = TargetScale()
    vars(scale).update({name: check(name, found[name]) for name, check in SCALE.items()})
    scale._tabulate()
    return scale


def _boolean(name: str, value: Any) -> bool:
    _checks.boolean(name, value)
    return bool(value)


def _number(name: str, value: Any) -> float:
    return _checks.number(name, value)


def _between(least: float, most: float) -> Callable[[str, Any], float]:
    return lambda name, value: _checks.number(name, value, least=least, most=most)


def _numbers(name: str, value: Any) -> Floats:
    """Check for finite numbers (m,); returned as float64."""
    if not (isinstance(value, np.ndarray) and value.ndim == 1 and np.isfinite(value).all()):
        raise ValueError(f"its {name} should be finite numbers in a row, got {_checks.described(value)}")
    return value.astype(np.float64, copy=False)


def _rising(name: str, value: Any) -> Floats:
    if not (np.diff(_numbers(name, value)) > 0).all():
        raise ValueError(f"its {name} should be in rising order")
    return value


def _counts(least: int) -> Callable[[str, Any], dict[str, int]]:
    """A check for a dict from labels to integers of at least `least`."""
    def check(name: str, value: Any) -> dict[str, int]:
        return {_checks.text(f"a label of {name}", label): _checks.integer(name, n, least)
                for label, n in value.items()}

    return check


def _places(name: str, value: Any) -> dict[str, int]:
    """Check for a dict from labels to places 0, 1, .."""
    if sorted(_counts(0)(name, value).values()) != list(range(len(value))):
        raise ValueError(f"its {name} should have places one after the other")
    return value


SMALLEST, LARGEST = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)
# name -> check, of what a file has of each
OF_BLOCK: dict[str, dict[str, Callable[[str, Any], Any]]] = {
    NUMBER: {"centre": _number, "scale": _between(0.0, LARGEST), "edges": _rising, "values": _rising,
             "part_scale": _number, "misses": _boolean},
    CATEGORY: {"levels": _places, "counts": _counts(1), "misses": _boolean, "many": _boolean},
}
SCALE: dict[str, Callable[[str, Any], Any]] = {
    "transforms": _boolean, "least": _number, "most": _number, "centre": _number,
    "unit": _between(SMALLEST, LARGEST), "power": _between(0.0, 2.0), "mean": _number,
    "scale": _between(SMALLEST, LARGEST), "residuals": _numbers}
