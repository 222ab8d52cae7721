"""Epochs: the loop around the core's one call an epoch, and what must survive when it goes wrong."""
import contextlib
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _check, _core, _robust, optim
from .callbacks import ProgressBar, as_callback, overrides
from .metrics import check_targets, named_metrics

__all__ = ["History", "DivergenceWarning"]


class DivergenceWarning(RuntimeWarning):
    """A loss became infinite or NaN, and the fit stopped."""


class History(dict):
    """Lists by name, an entry an epoch: "loss", "lr", "val_loss" and the metrics. Of a fit that diverges in its first epoch "loss"
    and "lr" are empty."""

    def log(self, logs):
        """One more epoch; NaN where a name was not logged in some."""
        epochs = len(next(iter(self.values()), []))
        for name in {**self, **logs}:
            if name not in self:
                self[name] = [math.nan] * epochs
            self[name].append(logs.get(name, math.nan))

    def to_frame(self):
        """A pandas DataFrame, a row an epoch."""
        import pandas

        return pandas.DataFrame(self, index=pandas.RangeIndex(1, 1 + len(next(iter(self.values()), [])), name="epoch"))

    def plot(self, ax=None):
        """The losses and metrics by epoch, on matplotlib axes, which are returned."""
        from .plot import plot_history

        return plot_history(self, ax)


@dataclass
class Options:
    """What fit and partial_fit were called with."""

    optimizer: Any
    epochs: int
    batch_size: int | None
    sample_weight: Any
    validation_data: Any
    callbacks: Any
    shuffle: bool
    n_threads: int | None
    verbose: int
    validation_fraction: float
    metrics: Any
    input_noise: float
    gradient_penalty: float
    jacobian_penalty: float
    adversarial: Any

    def check(self, default_optimizer):
        self.optimizer = default_optimizer if self.optimizer is None else self.optimizer
        if not isinstance(self.optimizer, (optim.SGD, optim.Adam)):
            raise TypeError(f"optimizer must be SGD(..), Adam(..) or AdamW(..), got {self.optimizer!r}")
        _check.integer("epochs", self.epochs, 1)
        if self.batch_size is not None:
            _check.integer("batch_size", self.batch_size, 1)
        _check.boolean("shuffle", self.shuffle)
        check_threads(self.n_threads)
        if not isinstance(self.callbacks, (list, tuple)):
            raise TypeError(f"callbacks must be a list of Callback objects or functions, got {self.callbacks!r}")
        self.callbacks = [as_callback(c) for c in self.callbacks] + [ProgressBar()] * bool(self.verbose)
        self.metrics = named_metrics(self.metrics)
        _check.number("input_noise", self.input_noise, least=0)
        _check.number("validation_fraction", self.validation_fraction, least=0, below=1)
        if self.validation_data is not None:
            if self.validation_fraction:
                raise ValueError("validation_data and validation_fraction must not both be given")
            if not (isinstance(self.validation_data, tuple) and len(self.validation_data) in (2, 3)):
                raise ValueError("validation_data must be (X, y) or (X, y, sample_weight), got " + kind(self.validation_data))


def kind(given):
    return f"a tuple of {len(given)}" if isinstance(given, tuple) else type(given).__name__


class State:
    """What a fit leaves for the next partial_fit: the optimiser, its state, and how many epochs it has seen."""

    def __init__(self, net, optimizer):
        self.optimizer = optimizer
        self.slots = [net._core.like_params() for _ in range(_core.STEPS[optimizer.step][1])]
        self.powers = np.ones(2)
        self.epoch = 0

    def adopt(self, net, optimizer):
        """Go on with an optimiser's numbers: with the state if it is of the same kind, else anew."""
        if optimizer.step != self.optimizer.step:
            self.__init__(net, optimizer)
        self.optimizer = optimizer

    def export(self, net):
        slots = [net._taken(s) for s in self.slots]
        return {"optimizer": self.optimizer, "slots": slots, "powers": self.powers.copy(), "epoch": self.epoch}

    @classmethod
    def restore(cls, net, exported):
        self = cls(net, exported["optimizer"])
        for s, flat in zip(self.slots, exported["slots"]):
            net._put(flat, s)
        self.powers, self.epoch = exported["powers"].copy(), exported["epoch"]
        return self


def check_threads(n_threads):
    if n_threads is not None:
        _check.integer("n_threads", n_threads, 1, _core.MOST_THREADS)


def team_for(net, rows, sweeps, n_threads=None, batch=None):
    """The threads for work on some rows: the caller alone where it is too little to start others for, or they did not
    pay a moment ago.

    sweeps: passes over the weights a row takes, 1 forward, 3 with the gradients, times the epochs. n_threads: None for what the
    network says, and where that says nothing for as many as pay off."""
    n_threads = net._n_threads if n_threads is None else n_threads
    if n_threads is not None:
        return _core.borrow_team(n_threads)
    if batch is not None and net._core.one_thread_pays(batch):
        return _core.borrow_team(1)
    work = 2.0 * net._core.work * rows * sweeps
    return _core.borrow_team(_core.cores(), True) if work > PAYS_OFF else _core.borrow_team(1)


VERY_LARGE = 1e4  # a weight that makes one look whether the loss still is finite
PAYS_OFF = 2e7  # floating point operations; as long as threads take to start, or a little more


def fit(net, X, y, options, fresh):
    """What MLP.fit and MLP.partial_fit do."""
    previous = None if fresh or net._state is None else net._state
    options.check(optim.SGD() if previous is None else previous.optimizer)
    data = net._data(X, y, options.sample_weight)
    rows, held_out = _split(net, data, options.validation_fraction)
    watched = _Watched(net, data, held_out, y, options)
    penalty = _robust.penalty(net, gradient_penalty=options.gradient_penalty, jacobian_penalty=options.jacobian_penalty)
    attack = _robust.attack(options.adversarial, X)
    net._finite_weights()
    rates = [optim.rate(options.optimizer, (previous.epoch if previous else 0) + e) for e in range(options.epochs)]
    n = data.n if rows is None else len(rows)
    batch = min(n, options.batch_size or n)
    with team_for(net, n, 3 * options.epochs, options.n_threads, batch) as team:
        if previous is None:
            net._state, net.history = State(net, options.optimizer), History(loss=[], lr=[])
        else:
            previous.adopt(net, options.optimizer)
        run = Epochs(net, data, rows, batch, team, options.callbacks, None if options.shuffle else InOrder(rows),
                     noise=options.input_noise, penalty=penalty, attack=attack)
        _loop(net, run, watched, rates, options.callbacks)
    return net.history


def _loop(net, run, watched, rates, callbacks):
    """The epochs, and what looks on."""
    with watched_by(callbacks, net, len(rates)) as end_epoch:
        for lr in rates:
            loss = run.epoch(lr)
            if loss is None:
                warnings.warn(f"the loss was not finite in epoch {net._state.epoch + 1}: training stopped, the network "
                              "holds the weights before the step that made it so; try a smaller learning rate",
                              DivergenceWarning, stacklevel=4)
                break
            logs = {"loss": loss, "lr": lr, **run.penalty_log(), **watched.measure(run.team)}
            net.history.log(logs)
            if end_epoch(net._state.epoch, logs) or run.stopped:
                break


@contextlib.contextmanager
def watched_by(callbacks, net, epochs):
    """on_fit_begin of all, then on_fit_end of those that had it, however it ends. Gives a function of (epoch, logs), for
    on_epoch_end, that says whether one of them wants to stop."""
    last, begun = {}, []

    def end_epoch(epoch, logs):
        last.clear()
        last.update(logs)
        return any([callback.on_epoch_end(net, epoch, logs) for callback in callbacks])

    def end():
        with contextlib.ExitStack() as each:  # all of them, in their order, even where one fails
            for callback in reversed(begun):
                each.callback(callback.on_fit_end, net, last)

    with contextlib.ExitStack() as at_end:
        at_end.callback(end)
        for callback in callbacks:
            callback.on_fit_begin(net, {"epochs": epochs})
            begun.append(callback)
        yield end_epoch


def _split(net, data, fraction):
    """Numbers of the rows to train on (None: all), and of those held out (or None): a part that the seed draws."""
    if not fraction:
        return None, None
    order = np.empty(data.n, np.int64)
    _core.shuffle(order, net._seed, 2**40)  # an epoch that no fit reaches
    held = round(data.n * fraction)
    if not 0 < held < data.n:
        raise ValueError(f"validation_fraction must leave rows on both sides, got {fraction:g} of {data.n} rows")
    rows, held_out = np.sort(order[held:]), np.sort(order[:held])
    if not data.weight_of(rows) > 0 or not data.weight_of(held_out) > 0:
        raise ValueError("sample_weight must not be all 0 on either side of validation_fraction")
    return rows, held_out


class _Watched:
    """The numbers that are logged besides the training loss: of the validation rows, or without any of the training rows."""

    def __init__(self, net, data, held_out, y, options):
        self.net, self.metrics, self.prefix = net, options.metrics, "val_"
        self.data, self.rows, weight = data, held_out, options.sample_weight
        if options.validation_data is not None:
            _, y, weight = (*options.validation_data, None)[:3]
            self.data = _validation(net, options.validation_data)
        elif held_out is None:
            self.prefix = ""
        if self.metrics:
            y = np.asarray(_check.dense(y))
            labels = y.ndim == 1 and net.loss.name == "cross_entropy"
            y = y[:, None] if y.ndim == 1 and not labels else y
            check_targets(self.metrics, y, labels)
            pick = slice(None) if self.rows is None else self.rows
            self.y, self.weight = y[pick], None if weight is None else np.asarray(weight)[pick]

    def measure(self, team):
        """One forward pass, for the loss and the metrics alike."""
        core, logs = self.net._core, {}
        if self.metrics:
            total, prediction = core.evaluate_and_predict(self.data, team, self.rows)
            logs = {self.prefix + name: float(f(self.y, prediction, self.weight)) for name, f in self.metrics.items()}
        elif self.prefix:
            total = core.evaluate(self.data, team, self.rows)
        if self.prefix:
            logs = {"val_loss": total / self.data.weight_of(self.rows), **logs}
        return logs


def _validation(net, given):
    try:
        return net._data(*given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from error


class InOrder:
    """The rows to train on (None: all) as they come. An order's call gives the numbers of the rows at places lo .. hi of an
    epoch; the same when asked for the same again, as for the present epoch and the one before it may be."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, epoch, lo, hi):
        return np.arange(lo, hi) if self.rows is None else self.rows[lo:hi]


class Shuffled:
    """The rows to train on (None: all) as a seed shuffles them for each epoch."""

    def __init__(self, rows, n, seed):
        self.rows, self.n, self.seed = rows, n, seed

    def __call__(self, epoch, lo, hi):
        order = np.empty(hi - lo, np.int64)
        _core.shuffle(order, self.seed, epoch, lo, self.n)
        return order if self.rows is None else self.rows[order]


class Epochs:
    """Runs epochs, and undoes steps that led nowhere.

    rows: the numbers of those to train on, None for all. draw: their order, as InOrder and others know it, by default as the
    network's seed shuffles them. It is asked for a window at a time: the numbers of ten million rows would take 80 MB.
    row_penalties, noise, penalty, attack: see Core.train."""

    def __init__(self, net, data, rows, batch, team, callbacks=(), draw=None, row_penalties=(0.0, 0.0), noise=0.0,
                 penalty=(0, 0.0), attack=None):
        self.net, self.data, self.rows, self.batch, self.team = net, data, rows, batch, team
        self.n = data.n if rows is None else len(rows)
        self.draw = draw or Shuffled(rows, self.n, net._seed)
        self.extras = row_penalties, noise, penalty, attack
        self.each_batch = [c.on_batch_end for c in callbacks if overrides(c, "on_batch_end")]
        self.batches = -(-self.n // batch)
        self.span = self.batches if self.n <= _core.WHOLE else max(1, _core.WHOLE // batch)  # batches of a window
        self.window = self.order = None  # (epoch, number of the window), and the rows in it
        self.weight = data.weight_of(rows)
        self.saved = []  # states at the start of the epochs before and now, newest last
        self.stopped = False
        self.penalty = self.sensitivity = 0.0  # of the last epoch by rows: row_penalties, and those of the sensitivity by weight

    def epoch(self, lr):
        """One epoch; its mean loss, or None where a loss was not finite."""
        net, state = self.net, self.net._state
        self.penalty = self.sensitivity = 0.0
        self.saved = [*self.saved[-1:], self._snapshot(lr, self.saved[0] if len(self.saved) > 1 else None)]
        if self.each_batch:
            total, weight, done, wanted = self._watched_batches()
        else:
            weight, wanted = self.weight, self.batches
            total, done = self._train(self.saved[-1], 0, wanted)
        if done < wanted or not self._sound(done):
            self._undo()
            return None
        state.epoch += 1
        net._epochs_ever += 1
        return total / weight if weight else 0.0

    def penalty_log(self):
        """The mean penalty on the sensitivity, by its name, where there is one."""
        number, _ = self.extras[2]
        return {name: self.sensitivity for name, n in _core.PENALTIES.items() if n == number}

    def _sound(self, done):
        """Whether the weights are finite and, should they be very large, the loss of the last batch is."""
        core = self.net._core
        top = _core.largest(core.P)
        if top < VERY_LARGE:
            return True
        return np.isfinite(top) and np.isfinite(core.evaluate(self.data, self.team, self._batch(done - 1)))

    def _batch(self, b):
        """Rows of a batch that was trained a moment ago."""
        at = b % self.span * self.batch
        return self.order[at:at + self.batch]

    def _watched_batches(self):
        """Batch by batch for those who watch; (sum of losses, of weights, batches done, batches wanted)."""
        total = weight = 0.0
        for b in range(self.batches):
            loss, done = self._train(self.saved[-1], b, b + 1)
            if done == b:
                return total, weight, b, self.batches
            of_batch = self.data.weight_of(self._batch(b))
            total, weight = total + loss, weight + of_batch
            logs = {"loss": loss / of_batch if of_batch else 0.0}
            if any([watch(self.net, b, logs) for watch in self.each_batch]):
                self.stopped = True
                return total, weight, b + 1, b + 1
        return total, weight, self.batches, self.batches

    def _snapshot(self, lr, into):
        live = [self.net._core.P, *self.net._state.slots, self.net._state.powers]
        if into is None:
            return lr, self.net._epochs_ever, [a.copy() for a in live]
        for kept, a in zip(into[2], live):
            np.copyto(kept, a)
        return lr, self.net._epochs_ever, into[2]

    def _restore(self, snapshot):
        state = self.net._state
        for a, kept in zip([self.net._core.P, *state.slots, state.powers], snapshot[2]):
            np.copyto(a, kept)

    def _train(self, snapshot, first, last):
        """Batches first .. last, a window at a time; (sum of the losses, the first batch not done)."""
        lr, epoch, _ = snapshot
        net, state, optimizer = self.net, self.net._state, self.net._state.optimizer
        step = (_core.STEPS[optimizer.step][0], *optimizer.numbers(lr))
        s1, s2 = (*state.slots, None, None)[:2]
        key, total, b = (net._seed << 20) + epoch & 2**64 - 1, 0.0, first
        while b < last:
            begin = self._open(epoch, b // self.span)
            end = min(last, begin + self.span)
            loss, done, penalty, sensitivity = net._core.train(
                self.data, self.order, self.n / self.weight, self.batch, b - begin, end - begin, step, s1, s2, state.powers,
                optimizer.clip_norm or 0.0, key, self.team, *self.extras)
            total += loss
            self.penalty += penalty / self.n
            self.sensitivity += sensitivity / self.weight
            b = begin + done
            if b < end:
                break
        return total, b

    def _open(self, epoch, window):
        """Have the order of a window; its first batch."""
        begin = window * self.span
        if self.window != (epoch, window):
            self.order = None  # before there is another
            self.order = self.draw(epoch, begin * self.batch, min((begin + self.span) * self.batch, self.n))
            self.window = epoch, window
        return begin

    def _undo(self):
        """Back to before the step after which a loss or a weight was not finite: the epoch once more, batch by batch."""
        now = self.saved[-1]
        self._restore(now)
        before = None
        for b in range(self.batches):
            start = self._snapshot(0.0, None)
            if self._train(now, b, b + 1)[1] == b:
                break
            before = start
            if not self._sound(b + 1):
                break
        if before is not None:
            self._restore(before)
        elif len(self.saved) > 1:  # it was the last step of the epoch before
            self._restore(self.saved[0])
            self._train(self.saved[0], 0, self.batches - 1)
