"""The arguments and results of the engine's training calls, as named tuples."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Exchange = Callable[[Floats, NDArray[np.float64], BaseException | None], None]  # see Call.exchange
Settle = Callable[[NDArray[np.float64], bool], None]  # see Call.exchange


class Batches(NamedTuple):
    """The batches to train on.

    order: row numbers, int64, divided into batches of `size` rows; batches first .. last - 1 are trained on.
    weight_scale: the number of rows of the whole fit over the sum of their weights. key: 64 random bits that determine
    dropout and noise. rates: (l, rate) of the dropout layers with a schedule. mixed: if each row is mixed with another
    one, (numbers of the other rows, shares of the network's dtype), both as long as the order: see Call.mix.
    """

    order: NDArray[np.int64]
    size: int
    first: int
    last: int
    weight_scale: float = 1.0
    key: int = 0
    rates: Sequence[tuple[int, float]] = ()
    mixed: tuple[NDArray[np.int64], Floats] | None = None


class Step(NamedTuple):
    """The numbers of an optimiser's step: its row in STEPS, the learning rate, and the parameters of its formula.

    beta1: also the momentum of SGD and RMSprop. fade: the factor per step in NAdam's momentum, beta1 (1 - fade^t / 2).
    decay: learning rate times weight decay, of AdamW and Lion. clip_norm: largest norm of the gradient, 0: no limit.
    """

    kind: int
    lr: float
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0
    fade: float = 0.0
    decay: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float = 0.0


class Division(NamedTuple):
    """A step divided among ranks that share memory.

    own: receives this rank's gradient, laid out as P. gradients: addresses of the gradients of all ranks, intp
    (ranks,). parameters: shared by all ranks, laid out as P. forms: uint8, Core.forms_size bytes, for the forms of W,
    also shared. begin: None if parameters and forms are in use already; otherwise they are made from P, and begin()
    then returns once all ranks have called it. meeting: the engine's Meeting, at which the ranks meet before each
    step and wait for each other's layers. gives: whether this rank has rows in the batches. If not, its whole gradient
    is set to zero before any layer is counted.
    """

    rank: int
    own: Floats
    gradients: NDArray[np.intp]
    parameters: Floats
    forms: NDArray[np.uint8]
    begin: Callable[[], None] | None
    meeting: Any
    gives: bool = True


class Average(NamedTuple):
    """A moving average of the weights: weights <- weights + (1 - decay) / (1 - decay^t) (P - weights) after step t.

    weights: laid out as P. power: decay^t, float64 (1,), updated by the engine.
    """

    weights: Floats
    decay: float
    power: NDArray[np.float64]


class State(NamedTuple):
    """What a step changes besides the weights: slots, arrays laid out as P; the running powers of beta1, beta2 and, for
    NAdam, fade, float64 (2,) or (3,); and an Average, or None."""

    slots: list[Floats]
    powers: NDArray[np.float64]
    average: Average | None = None


class Penalty(NamedTuple):
    """A penalty on the sensitivity to the input: kind, its number in PENALTIES or 0 for none, and its factor lam."""

    kind: int = 0
    lam: float = 0.0


class AttackNumbers(NamedTuple):
    """The numbers of an attack, which moves inputs to increase their loss: `steps` steps of size `step` in a norm (2,
    or 0 for the maximum norm), no further than eps, within low .. high; from a random point or from the input."""

    norm: int
    eps: float
    step: float
    low: float
    high: float
    steps: int
    from_random: bool


class Objective(NamedTuple):
    """What is minimised besides the mean loss, and how rows are changed before they are trained on.

    row_l2, row_l1: row_l2/2 ||W||^2 + row_l1 ||W||_1 is added to the *sum* of a batch's losses, like scikit-learn's
    alpha. input_noise: the standard deviation of normal noise added to x(0). penalty: on the sensitivity to the input.
    attack: applied to the rows of each batch first. smoothing: label smoothing of cross entropies; targets become
    (1 - smoothing) y + smoothing / classes. mixup: 0, or the parameter of the Beta distribution from which the shares
    in Batches.mixed are drawn.
    """

    row_l2: float = 0.0
    row_l1: float = 0.0
    input_noise: float = 0.0
    penalty: Penalty = Penalty()
    attack: AttackNumbers | None = None
    smoothing: float = 0.0
    mixup: float = 0.0


PLAIN = Objective()  # nothing but the mean loss


class Repeats(NamedTuple):
    """Consecutive epochs of the same batches, up to the first that fails: in which a loss is not finite, or after which
    a weight is not below `largest`.

    losses: float64, one element per epoch, receives the sum of losses of each epoch that succeeds. epoch: the number of
    the first; with `seed` it determines the order of each epoch. seed: None to keep the order of Batches. Dropout uses
    Batches.key in the first epoch, key + 1 in the second, and so on.
    """

    losses: NDArray[np.float64]
    epoch: int
    seed: int | None
    largest: float


class Sums(NamedTuple):
    """The results of training on some batches: the sum of their losses; the number of the first batch not trained on;
    the sum over the batches of the penalties on W, and of the weighted sensitivity penalties of the rows."""

    loss: float
    done: int
    weight_penalty: float
    sensitivity_penalty: float
