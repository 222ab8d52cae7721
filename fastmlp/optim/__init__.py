"""Specs of optimisers, which are immutable. The steps themselves are implemented in C.

lr is a number, or a callable of the epoch such as those of `fastmlp.schedules`.
l2 adds l2/2 ||W||^2 and l1 adds l1 ||W||_1 to the minimised function, for weights, not for biases; reported losses do
not include them. clip_norm scales the gradient of all parameters down to this Euclidean norm if it is larger, before
penalties are added. The keyword learning_rate is an alias of lr: Adam(learning_rate=0.01) is Adam(lr=0.01).
"""
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _lazy
from .._checks import described, number, one_of
from ._base import Optimizer as Optimizer

if TYPE_CHECKING:
    from ._common import *
    from ._others import *

# name -> the module that has it, which is imported when a name of it is first asked for
NAMES = {
    **dict.fromkeys(("SGD", "Adam", "AdamW"), "_common"),
    **dict.fromkeys(("NAdam", "RMSprop", "Adagrad", "Lion"), "_others"),
}
BY_LOWER_NAME = {name.lower(): name for name in NAMES}

_attribute = _lazy.attached(__name__, NAMES)

if not TYPE_CHECKING:
    __all__ = list(NAMES)
    __getattr__ = _attribute


def named(given: Any) -> Optimizer:
    """An optimiser's spec; a name becomes the spec with default values."""
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str):
        raise TypeError(f"optimizer must be SGD(..), Adam(..) or one of the other optimisers, or a name of one of "
                        f"{', '.join(BY_LOWER_NAME)}, got {described(given)}")
    return _with_defaults(BY_LOWER_NAME[one_of("optimizer", given, BY_LOWER_NAME)])


@functools.cache
def _with_defaults(name: str) -> Optimizer:
    """The one spec of a name with all defaults: to make and to check one takes as long as a small fit."""
    spec: type[Optimizer] = _attribute(name)
    return spec()


def rate(optimizer: Optimizer, epoch: int, dtype: DTypeLike = np.float64) -> float:
    """The learning rate of an epoch. ValueError if a schedule returns a number that is not valid in the dtype."""
    lr = optimizer.lr(epoch) if callable(optimizer.lr) else optimizer.lr
    return number(f"the learning rate of epoch {epoch}", lr, least=0, dtype=dtype)
