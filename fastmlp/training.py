"""Epochs: the loop around the core's one call an epoch, and what must survive when it goes wrong."""
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _check, _core, optim

__all__ = ["History", "DivergenceWarning"]


class DivergenceWarning(RuntimeWarning):
    """A loss became infinite or NaN, and the fit stopped."""


class History(dict):
    """Lists by name, an entry an epoch: "loss", "lr", "val_loss"."""

    def log(self, logs):
        for name, value in logs.items():
            self.setdefault(name, []).append(value)


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

    def check(self, default_optimizer):
        self.optimizer = default_optimizer if self.optimizer is None else self.optimizer
        if not isinstance(self.optimizer, (optim.SGD, optim.Adam)):
            raise TypeError(f"optimizer must be SGD(..), Adam(..) or AdamW(..), got {self.optimizer!r}")
        _check.integer("epochs", self.epochs, 1)
        if self.batch_size is not None:
            _check.integer("batch_size", self.batch_size, 1)
        check_threads(self.n_threads)
        for callback in self.callbacks:
            if not callable(callback):
                raise TypeError(f"callbacks must be callables callback(net, epoch, logs), got {callback!r}")
        if self.validation_data is not None and not (isinstance(self.validation_data, tuple) and len(self.validation_data) in (2, 3)):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight)")


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
        slots = [net._flat(*net._unflatten(s)) for s in self.slots]
        return {"optimizer": self.optimizer, "slots": slots, "powers": self.powers.copy(), "epoch": self.epoch}

    @classmethod
    def restore(cls, net, exported):
        self = cls(net, exported["optimizer"])
        for s, flat in zip(self.slots, exported["slots"]):
            for a in net._arrays(*net._unflatten(s)):
                a[...] = flat[:a.size].reshape(a.shape)
                flat = flat[a.size:]
        self.powers, self.epoch = exported["powers"].copy(), exported["epoch"]
        return self


def check_threads(n_threads):
    if n_threads is not None and _check.integer("n_threads", n_threads, 1) > _core.MOST_THREADS:
        raise ValueError(f"n_threads must be at most {_core.MOST_THREADS}, got {n_threads}")


def team_for(net, rows, sweeps, n_threads=None, batch=None):
    """The threads for work on some rows: the caller alone where it is too little to start others for, or they did not
    pay a moment ago.

    sweeps: passes over the weights a row takes, 1 forward, 3 with the gradients, times the epochs."""
    if n_threads is not None:
        return _core.Team(n_threads)
    if batch is not None and net._core.one_thread_pays(batch):
        return _core.Team(1)
    work = 2.0 * net._core.P.size * rows * sweeps
    return _core.Team(_core.cores(), True) if work > PAYS_OFF else _core.Team(1)


PAYS_OFF = 5e7  # floating point operations; a millisecond or so


def fit(net, X, y, options, fresh):
    """What MLP.fit and MLP.partial_fit do."""
    previous = None if fresh or net._state is None else net._state
    options.check(optim.SGD() if previous is None else previous.optimizer)
    data = net._data(X, y, options.sample_weight)
    validation = None if options.validation_data is None else _validation(net, options.validation_data)
    net._finite_weights()
    rates = [optim.rate(options.optimizer, (previous.epoch if previous else 0) + e) for e in range(options.epochs)]
    if previous is None:
        net._state, net.history = State(net, options.optimizer), History()
    else:
        previous.adopt(net, options.optimizer)
    with team_for(net, data.n, 3 * options.epochs, options.n_threads, min(data.n, options.batch_size or data.n)) as team:
        run = _Epochs(net, data, options, team)
        for lr in rates:
            began = time.perf_counter()
            loss = run.epoch(lr)
            if loss is None:
                warnings.warn(f"the loss was not finite in epoch {net._state.epoch + 1}: training stopped, the network "
                              "holds the weights before the step that made it so; try a smaller learning rate",
                              DivergenceWarning, stacklevel=3)
                break
            logs = {"loss": loss, "lr": lr}
            if validation is not None:
                logs["val_loss"] = net._core.evaluate(validation, team) / validation.weight_sum
            net.history.log(logs)
            if options.verbose:
                print(f"epoch {net._state.epoch}: " + ", ".join(f"{k} {v:.6g}" for k, v in logs.items())
                      + f", {time.perf_counter() - began:.3g} s", flush=True)
            if any([callback(net, net._state.epoch, logs) for callback in options.callbacks]):
                break
    return net.history


def _validation(net, given):
    try:
        return net._data(*given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from error


class _Epochs:
    """Runs epochs, and undoes steps that led nowhere."""

    def __init__(self, net, data, options, team):
        self.net, self.data, self.team, self.shuffle = net, data, team, options.shuffle
        self.batch = min(data.n, options.batch_size or data.n)
        self.batches = -(-data.n // self.batch)
        self.order = np.arange(data.n)
        self.saved = []  # states at the start of the epochs before and now, newest last

    def epoch(self, lr):
        """One epoch; its mean loss, or None where a loss was not finite."""
        net, state = self.net, self.net._state
        self.saved = [*self.saved[-1:], self._snapshot(lr, self.saved[0] if len(self.saved) > 1 else None)]
        total, done = self._train(self.saved[-1], 0, self.batches)
        if done < self.batches or not _core.all_finite(net._core.P):
            self._undo()
            return None
        state.epoch += 1
        net._epochs_ever += 1
        return total / self.data.weight_sum

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
        lr, epoch, _ = snapshot
        net, state = self.net, self.net._state
        if self.shuffle and first == 0:
            _core.shuffle(self.order, net._seed, epoch)
        optimizer = state.optimizer
        step = (_core.STEPS[optimizer.step][0], *optimizer.numbers(lr))
        s1, s2 = (*state.slots, None, None)[:2]
        return net._core.train(self.data, self.order, self.batch, first, last, step, s1, s2, state.powers,
                               optimizer.clip_norm or 0.0, (net._seed << 20) + epoch & 2**64 - 1, self.team)

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
            if not _core.all_finite(self.net._core.P):
                break
        if before is not None:
            self._restore(before)
        elif len(self.saved) > 1:  # it was the last step of the epoch before
            self._restore(self.saved[0])
            self._train(self.saved[0], 0, self.batches - 1)
