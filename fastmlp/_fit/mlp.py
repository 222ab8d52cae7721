"""What MLP.fit and MLP.partial_fit do."""
import warnings

from .. import _robust, optim
from .._threads import team_for
from . import loop
from .epochs import Epochs, Objective
from .history import History
from .measures import Measures
from .orders import InOrder, Shuffled, hold_out
from .state import State


def fit(net, X, y, options, fresh):
    """Train a network; its History.

    options : Options, not yet checked. fresh : whether the optimiser's state and the History begin anew. Nothing of the
    network is changed before all that was given is checked.
    """
    previous = None if fresh else net._state
    options.check(optim.SGD() if previous is None else previous.optimizer)
    data = net._data(X, y, options.sample_weight)
    rows, held_out = hold_out(data, options.validation_fraction, net._seed)
    measures = Measures(net, data, held_out, y, options)
    objective = Objective(input_noise=options.input_noise, penalty=_robust.penalty(
        net, gradient_penalty=options.gradient_penalty, jacobian_penalty=options.jacobian_penalty),
        attack=_robust.attack(options.adversarial, X))
    net._finite_weights()
    first = 0 if previous is None else previous.epoch
    rates = [optim.rate(options.optimizer, first + e) for e in range(options.epochs)]
    order = Shuffled(data.n, rows, net._seed) if options.shuffle else InOrder(data.n, rows)
    batch = min(order.n, options.batch_size or order.n)
    with team_for(net, order.n, 3 * options.epochs, options.n_threads, batch) as team:
        net._state = State.following(previous, net, options.optimizer)
        if previous is None:
            net.history = History(loss=[], lr=[])
        epochs = Epochs(net, data, order, batch, team, objective, options.callbacks)
        ending = loop.train(net, epochs, options.epochs, NetworkPlan(net, rates, epochs, measures), options.callbacks)
    if ending is loop.Ending.DIVERGED:
        warnings.warn(f"the loss was not finite in epoch {net._state.epoch + 1}: training stopped, the network "
                      "holds the weights before the step that made it so; try a smaller learning rate",
                      loop.DivergenceWarning, stacklevel=3)
    return net.history


class NetworkPlan(loop.Plan):
    """Rates that are known beforehand; each epoch's numbers go to the network's History. When to stop is the callbacks'
    to say."""

    def __init__(self, net, rates, epochs, measures):
        self.net, self.rates, self.epochs, self.measures = net, iter(rates), epochs, measures

    def begin_epoch(self):
        return next(self.rates)

    def end_epoch(self, result):
        logs = {"loss": result.loss, "lr": result.rate}
        penalty = self.epochs.objective.penalty
        if penalty.kind:
            logs[penalty.name] = result.sensitivity
        logs |= self.measures(self.epochs.team)
        self.net.history.log(logs)
        return self.net._state.epoch, logs
