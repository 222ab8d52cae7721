"""The implementation of MLP.fit and MLP.partial_fit."""
from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from .. import _checks, _core, _robustness, _running_fits
from .._engine.requests import PLAIN, Objective
from .._network import Network
from .._parameters import OptimizerState
from .._types import Integers
from . import classes, loop, mixup
from .epochs import EpochResult
from .history import History
from .measures import Measures
from .options import Options, local_steps, validation_sets
from .orders import InOrder, Order, Shuffled, hold_out
from .ranks import ALONE, Ranks, stand_in
from .rates import dropout_rates, learning_rates
from .resuming import WindowEpochs
from .stream import StreamEpochs, stream_of
from .unscaled import warn_of_scales
from .weight_average import RunningMean
from .windows import windows_of

if TYPE_CHECKING:
    from ..model import MLP
    from .groups import Group, Groups


# options without which the mean loss alone is minimised
PLAIN_WITHOUT = {"input_noise", "gradient_penalty", "jacobian_penalty", "adversarial", "label_smoothing", "mixup"}


def fit(net: MLP, X: Any, y: Any, options: Options, fresh: bool) -> History:
    """Train a network; returns its History.

    options: not yet checked. fresh: whether to start with a new optimiser state and History. The network is unchanged
    until all arguments are checked, and also if the fit fails before its first epoch. RuntimeError if the network is
    already being fitted.
    """
    ranks = ALONE
    if options.comm is not None:
        from .collective import ranks_of
        from .groups import groups_of  # here: few fits have a communicator

        groups = groups_of(options.comm)
        if groups is not None:
            return _fit_in_groups(net, X, y, options, fresh, groups)
        ranks = ranks_of(options.comm)
    with ranks, _running_fits.Fit(net) as running:
        network, progress = net._network, net._network.progress
        before = net.history, progress.optimizer_state, progress.unfinished
        found = options.comm is None and classes.find(network, y, options)
        try:
            return _fit(net, X, y, options, fresh, running, ranks)
        except BaseException:
            if not running.training:
                net.history, progress.optimizer_state, progress.unfinished = before
                if found:
                    network.classes = None
            raise


def _fit_in_groups(net: MLP, X: Any, y: Any, options: Options, fresh: bool, groups: Groups) -> History:
    """fit with one rank for each group of rows; rank 0 trains net itself, the others copies of it."""
    from .groups import cut, run

    if options.window is not None:
        raise ValueError("window must be None where comm has groups, whose rows are in memory, got "
                         + _checks.described(options.window))
    sets = options.validation_data
    parts = cut(groups, {"X": X, "y": y, "sample_weight": options.sample_weight},
                {"validation_data": None if sets is None else validation_sets(sets)})

    nets = [net, *(copy.copy(net) for _ in parts[1:])]

    def fit_group(comm: Group) -> History:
        rows = parts[comm.rank]
        own = replace(options, comm=comm, sample_weight=rows["sample_weight"], validation_data=rows["validation_data"])
        if comm.rank:
            own = replace(own, callbacks=(), verbose=0)
        return fit(nets[comm.rank], rows["X"], rows["y"], own, fresh)

    return run(fit_group, len(parts))


def _fit(net: MLP, X: Any, y: Any, options: Options, fresh: bool, running: _running_fits.Fit, ranks: Ranks) -> History:
    network, progress = net._network, net._network.progress
    previous = None if fresh else progress.optimizer_state
    options.check(None if previous is None else previous.optimizer, network.loss)
    seed, first = progress.seed, 0 if previous is None else previous.epoch
    if ranks.several:
        ranks.local_steps = local_steps(options.sync)
        ranks.require_same({"the network": net, "its classes": net.classes,
                            "its optimizer so far": previous and previous.optimizer, **options.of_all()})
        ranks.require_possible(network, options)
        seed, first = ranks.integers(seed, first)
    if options.label_smoothing:
        classes.check_smoothing(network, options.label_smoothing)
    if options.mixup:
        mixup.check(network, options)
    rows = _rows_of(network, X, y, options, seed, ranks)
    data, order = rows.data, rows.order
    measures = Measures(network, data, order.rows if rows.held_out is None else rows.held_out, y, options, ranks)
    objective = _objective_of(network, X if rows.in_memory else np.empty((0, network.d[0])), options)
    network.parameters.require_finite()
    if rows.arrays is not None:
        warn_of_scales(network, *rows.arrays, options.epochs, stacklevel=4)
    rates = learning_rates(options.optimizer, first, options.epochs)
    dropped = dropout_rates(network, first, options.epochs)
    if options.class_weight is not None:  # for training only: the rows to measure are bound already, without it
        n = data.n if rows.numbers is None else len(rows.numbers)
        weights = classes.weights(network, y, n, options.sample_weight, options.class_weight, ranks)
        data, _ = ranks.bind(network, X, y, weights)
    mean = None if options.ema is None else RunningMean(network.parameters, options.ema)
    plan = NetworkPlan(net, X, y, options, previous is not None, rates, measures)
    running.directions = options.directions
    ending = loop.train(net, running, plan, data, order, options.epochs, options.batch_size, objective,
                        options.callbacks, options.n_threads, ranks, mean, dropped)
    if ending is loop.Ending.DIVERGED:
        warnings.warn(f"the loss was not finite in epoch {plan.epochs.state.epoch + 1}: training stopped, the network "
                      "holds the weights before the step that made it so; try a smaller learning rate",
                      loop.DivergenceWarning, stacklevel=4)
    return net.history


class Rows(NamedTuple):
    """The rows to train on.

    data: bound for the engine; a placeholder row if the order brings its own data. order: of the rows. in_memory:
    whether X and y are in memory as a whole. held_out: numbers of the rows held out for validation, or None. numbers:
    of this rank's rows, None for all. arrays: the checked (X, y), if there is only one rank.
    """

    data: _core.Data
    order: Order
    in_memory: bool = False
    held_out: Integers | None = None
    numbers: Integers | None = None
    arrays: tuple[Any, Any] | None = None


def _rows_of(network: Network, X: Any, y: Any, options: Options, seed: int, ranks: Ranks) -> Rows:
    """The Rows from arrays, windows or batches. TypeError or ValueError names the wrong argument."""
    if options.batches is not None:
        return Rows(stand_in(network), stream_of(X, y, options))
    if options.window is not None:
        return Rows(stand_in(network), windows_of(network, X, y, options, seed + ranks.rank, ranks))
    arrays, numbers = None, None
    if ranks.several:
        data, numbers = ranks.bind(network, X, y, options.sample_weight)
    else:
        X, y, weights = network.checked(X, y, options.sample_weight)
        data, arrays = network.bind_checked(X, y, weights), (X, y)
    trained, held_out = hold_out(data, numbers, options.validation_fraction, seed, ranks)
    order = Shuffled(data.n, trained, seed + ranks.rank) if options.shuffle else InOrder(data.n, trained)
    return Rows(data, order, True, held_out, numbers, arrays)


def _objective_of(network: Network, X: Any, options: Options) -> Objective:
    """What is minimised besides the mean loss. X: for the checks of an attack; without rows if these are read later."""
    if PLAIN_WITHOUT.isdisjoint(options.given):
        return PLAIN
    penalty = _robustness.penalty(network, gradient_penalty=options.gradient_penalty,
                              jacobian_penalty=options.jacobian_penalty)
    attack = _robustness.attack(options.adversarial, network.numbers(X))
    return Objective(input_noise=options.input_noise, penalty=penalty, attack=attack,
                     smoothing=options.label_smoothing, mixup=options.mixup)


def bound_alone(network: Network, X: Any, y: Any, data: _core.Data, rows: Integers | None) -> _core.Data:
    """Data with only some rows of X and y (None for all): the other rows get weight 0. data: X and y, bound."""
    if rows is None:
        return data
    weight = np.zeros(data.n, network.dtype)
    weight[rows] = 1 if data.sample_weight is None else data.sample_weight[rows]
    return network.bind_checked(network.features(X), network.targets(y, data.n), weight)


class NetworkPlan(loop.Plan):
    """The plan of MLP.fit and partial_fit: a learning rate for each epoch, logs to the network's History, and stopping
    left to the callbacks.

    goes_on: whether to continue with the previous optimiser state and History.
    """

    def __init__(self, net: MLP, X: Any, y: Any, options: Options, goes_on: bool, rates: Iterator[float],
                 measures: Measures) -> None:
        self.net, self.X, self.y, self.options, self.goes_on = net, X, y, options, goes_on
        self.rates, self.measures = rates, measures
        self.watches = bool(measures.sets or callable(options.optimizer.lr) or net._network.scheduled)

    def state(self) -> OptimizerState:
        network = self.net._network
        return OptimizerState.following(network.progress.optimizer_state, network.parameters, self.options.optimizer,
                                        not self.goes_on)

    def __enter__(self) -> Self:
        progress = self.net._network.progress
        progress.optimizer_state = self.epochs.state
        unfinished, progress.unfinished = progress.unfinished, None
        if isinstance(self.epochs, WindowEpochs):
            self.epochs.goes_on_from(unfinished if self.goes_on else None)
        if not self.goes_on:
            self.net.history = History(loss=[], lr=[])
        return self

    def present(self) -> loop.Present:
        epochs = self.epochs
        if isinstance(epochs, StreamEpochs) and self.options.epochs == 1:
            return {}  # the batches may not be iterable again, and one epoch leaves no choice of the best
        found = {"loss": epochs.loss}
        if epochs.objective.penalty.kind:
            name = _robustness.PENALTY_NAMES[epochs.objective.penalty.kind]
            found[name] = lambda: epochs.penalty(lambda piece: bound_alone(epochs.network, self.X, self.y, *piece))
        return found

    def begin_epoch(self) -> float:
        return next(self.rates)

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        logs = {"loss": result.loss, "lr": result.rate}
        penalty = self.epochs.objective.penalty
        if penalty.kind:
            logs[_robustness.PENALTY_NAMES[penalty.kind]] = result.sensitivity
        if self.measures.sets:
            logs |= self.measures(self.epochs.team)
        self.net.history.log(logs)
        return self.epochs.state.epoch, logs

    def lists(self) -> contextlib.AbstractContextManager[list[list[float]]]:
        return self.net.history.lists("loss", "lr")
