"""What MLP.fit and MLP.partial_fit do."""
from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _robust, _running, optim
from .._engine.requests import Objective, Penalty
from .._network import Network
from .._parameters import OptimizerState
from . import classes, loop
from .average import RunningMean
from .epochs import EpochResult, Epochs
from .history import History
from .measures import Measures
from .options import Options
from .orders import InOrder, Shuffled, hold_out
from .rates import dropout_rates, learning_rates
from .scales import warn_of_scales

if TYPE_CHECKING:
    from ..model import MLP



def fit(net: MLP, X: Any, y: Any, options: Options, fresh: bool) -> History:
    """Train a network; its History.

    options: not yet checked. fresh: whether the optimiser's state and the History begin anew. Nothing of the network is
    changed before all that was given is checked. RuntimeError where the network is being fitted already.
    """
    with _running.Fit(net) as running:
        return _fit(net, X, y, options, fresh, running)


def _fit(net: MLP, X: Any, y: Any, options: Options, fresh: bool, running: _running.Fit) -> History:
    network, progress = net._network, net._network.progress
    previous = None if fresh else progress.optimizer_state
    options.check(optim.SGD() if previous is None else previous.optimizer, network.loss.name)
    arrays = network.checked(X, y, options.sample_weight)
    data = network.bind_checked(*arrays)
    if options.label_smoothing:
        classes.check_smoothing(network, options.label_smoothing)
    rows, held_out = hold_out(data, options.validation_fraction, progress.seed)
    measures = Measures(network, data, held_out, y, options)
    penalty = _robust.penalty(network, gradient_penalty=options.gradient_penalty,
                              jacobian_penalty=options.jacobian_penalty)
    attack = _robust.attack(options.adversarial, X)
    if network.core.settles and (penalty.kind or attack):
        raise ValueError("gradient_penalty, jacobian_penalty and adversarial must be left out for a network with "
                         "BatchNorm, whose rows depend on each other in training")
    network.parameters.require_finite()
    warn_of_scales(network, *arrays[:2], options.epochs, stacklevel=4)
    first = 0 if previous is None else previous.epoch
    rates = learning_rates(options.optimizer, first, options.epochs)
    dropped = dropout_rates(network, first, options.epochs)
    if options.class_weight is not None:  # of the rows that are trained on; what was measured is bound already
        weights = classes.weights(network, y, data.n, options.sample_weight, options.class_weight)
        data = network.bind(X, y, weights)
    order = Shuffled(data.n, rows, progress.seed) if options.shuffle else InOrder(data.n, rows)
    batch = min(order.n, options.batch_size or order.n)
    with network.team(order.n, 3 * options.epochs, options.n_threads, batch) as team:
        state = OptimizerState.following(previous, network.parameters, options.optimizer)
        progress.optimizer_state = state
        if previous is None:
            net.history = History(loss=[], lr=[])
        objective = Objective(input_noise=options.input_noise, penalty=penalty, attack=attack,
                              smoothing=options.label_smoothing)
        mean = None if options.ema is None else RunningMean(network.parameters, options.ema)
        on_batch_end = loop.batch_notifier(options.callbacks, net)
        epochs = Epochs(network, state, data, order, batch, team, objective, on_batch_end, mean, dropped)
        running.present["loss"] = epochs.loss
        if penalty.kind:
            name = _robust.PENALTY_NAMES[penalty.kind]
            running.present[name] = lambda: present_penalty(network, epochs, X, y, options.sample_weight)
        plan = NetworkPlan(net, rates, epochs, measures)
        ending = loop.train(net, epochs, options.epochs, plan, options.callbacks)
    if ending is loop.Ending.DIVERGED:
        warnings.warn(f"the loss was not finite in epoch {state.epoch + 1}: training stopped, the network "
                      "holds the weights before the step that made it so; try a smaller learning rate",
                      loop.DivergenceWarning, stacklevel=4)
    return net.history


def present_penalty(network: Network, epochs: Epochs, X: Any, y: Any, sample_weight: Any) -> float:
    """The mean of the penalty over the training rows at the present weights, with the same projections each time."""
    weight = np.ones(epochs.data.n) if sample_weight is None else np.array(sample_weight, float)
    if epochs.order.rows is not None:
        weight[np.setdiff1d(np.arange(epochs.data.n), epochs.order.rows)] = 0  # held out
    data, penalty, key = network.bind(X, y, weight), epochs.objective.penalty, network.progress.seed
    with_it, without = (network.core.gradient(data, epochs.team, p, key)[0] for p in (penalty, Penalty()))
    return (with_it - without) / data.weight_sum


class NetworkPlan(loop.Plan):
    """Rates by the epoch; each epoch's numbers go to the network's History. When to stop is the callbacks' to say."""

    def __init__(self, net: MLP, rates: Iterator[float], epochs: Epochs, measures: Measures) -> None:
        self.net, self.rates, self.epochs, self.measures = net, rates, epochs, measures

    def begin_epoch(self) -> float:
        return next(self.rates)

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        logs = {"loss": result.loss, "lr": result.rate}
        penalty = self.epochs.objective.penalty
        if penalty.kind:
            logs[_robust.PENALTY_NAMES[penalty.kind]] = result.sensitivity
        logs |= self.measures(self.epochs.team)
        self.net.history.log(logs)
        return self.epochs.state.epoch, logs
