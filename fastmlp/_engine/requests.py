"""What the engine is asked for in training, and what it gives, by name."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Exchange = Callable[[Floats, NDArray[np.float64], BaseException | None], None]  # see Call.exchange
Settle = Callable[[NDArray[np.float64], bool], None]  # see there


class Batches(NamedTuple):
    """Which batches are trained on.

    order: numbers of the rows, int64, cut into batches of `size` rows; those first .. last are trained on.
    weight_scale: rows of the whole fit over the sum of their weights. key: what dropout drops and what noise is, 64
    bits. rates: (l, rate) of the dropout layers whose rate is not always the same. mixed: as long as the order, numbers
    of rows and shares of the network's dtype, where each row is mixed with another one: see Call.mix.
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
    """The numbers of an optimiser's step: its row in STEPS, the rate, and what its formula has; beta1 is the momentum
    of SGD and RMSprop. fade: by how much the distance of NAdam's momentum from beta1 falls each step. decay: the rate
    times the weight decay of AdamW and Lion. clip_norm: the largest norm of the gradient, 0 for any."""

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
    """A step that ranks divide, which have memory in common.

    own: where this rank's gradient goes, laid out as P. gradients: addresses of those of all ranks, intp (ranks,).
    parameters: which all work on, laid out as P, and forms: Core.forms_size bytes, uint8, for what is made of these.
    begin: None where both are there and in use; else they are made from P, and then begin() returns once all ranks have
    called it. meeting: of the engine, where ranks meet before each step, and wait for each other's layers. gives:
    whether this rank has rows in the batches. If it has none all of its gradient, which is zeros then, is there before
    any layer is counted, of its own part too.
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
    """A running mean of the weights: weights <- weights + (1 - decay) / (1 - decay^t) (P - weights) after step t.

    weights: laid out as P. power: decay^t, float64 (1,), which goes on.
    """

    weights: Floats
    decay: float
    power: NDArray[np.float64]


class State(NamedTuple):
    """What a step changes besides the weights: arrays laid out as they are; the running powers of beta1, beta2 and,
    where it has one, fade, float64 (2,) or (3,); and an Average, or None."""

    slots: list[Floats]
    powers: NDArray[np.float64]
    average: Average | None = None


class Penalty(NamedTuple):
    """A penalty on the sensitivity to the input: its number in PENALTIES, 0 for none, and lam."""

    kind: int = 0
    lam: float = 0.0


class AttackNumbers(NamedTuple):
    """How inputs are moved to where their loss is larger: by steps in a norm (2, or 0 for the largest of all elements),
    no further than eps, and within low .. high; from a random place or from where they are."""

    norm: int
    eps: float
    step: float
    low: float
    high: float
    steps: int
    from_random: bool


class Objective(NamedTuple):
    """What is minimised besides the mean loss, and how rows are changed before they are trained on.

    row_l2, row_l1: row_l2/2 ||W||^2 + row_l1 ||W||_1 is added to the *sum* of a batch's losses: scikit-learn's alpha.
    input_noise: the standard deviation of the normal noise that is added to x(0). penalty: on the sensitivity to the
    input. attack: moves the rows of each batch first. smoothing: of cross entropies, whose targets y are taken for
    (1 - smoothing) y + smoothing / classes. mixup: 0, or the parameter of the distribution by which rows are mixed:
    Batches.mixed, which is drawn by it, has how.
    """

    row_l2: float = 0.0
    row_l1: float = 0.0
    input_noise: float = 0.0
    penalty: Penalty = Penalty()
    attack: AttackNumbers | None = None
    smoothing: float = 0.0
    mixup: float = 0.0


class Repeats(NamedTuple):
    """Epochs of the same batches that follow each other, up to one that does not go well: a loss is not finite, or a
    weight after it is not below `largest`.

    losses: float64, an element an epoch, each of which gets the sum of the losses of one that went well. epoch: the
    number of the first, by which `seed` shuffles the order and, from Batches.key on, rows drop units. seed: None where
    the rows stay in the order that Batches has.
    """

    losses: NDArray[np.float64]
    epoch: int
    seed: int | None
    largest: float


class Sums(NamedTuple):
    """What training some batches gave: the sum of their losses, the number of the first batch that was not done, the
    sum over batches of the penalties on W, and of the weighted penalties of the rows' sensitivity."""

    loss: float
    done: int
    weight_penalty: float
    sensitivity_penalty: float
