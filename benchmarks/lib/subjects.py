"""What is asked of a contestant, in its process: Subject(name, dtype, threads).open(workload), then timings and
results."""
import threading
import time
from dataclasses import replace

import numpy as np

from . import timing
from .contestants import contestant
from .workloads import WORKLOADS

PIECES = (None, 4096)  # rows predicted at once


class Subject:
    def __init__(self, name, dtype, threads):
        self.kind, self.dtype, self.threads = contestant(name), dtype, threads

    def open(self, workload, changes=(), options=()):
        """Build for a workload, some of its fields changed."""
        self.contestant = None  # before the next takes its memory
        self.contestant = self.kind(replace(WORKLOADS[workload], **dict(changes)), self.dtype, self.threads,
                                    **dict(options))

    def settle(self):
        """Warm up and take the contestant's fastest way, choice by choice; its name is returned."""
        self.choose(self.contestant.ways, self.warm_seconds)
        return named(self.contestant.way)

    def take(self, way):
        """A way by its name."""
        self.contestant.way = [next(option for option in options if named([option]) == name)
                               for options, name in zip(self.contestant.ways, way.split(", "))]
        self.contestant.use()

    def ways_with_all_options(self):
        """Names of as many ways as it takes to have each option in one of them."""
        ways = self.contestant.ways
        return [named([options[min(k, len(options) - 1)] for options in ways])
                for k in range(max(map(len, ways), default=1))]

    def choose(self, ways, measure):
        """The best of each choice, given the best of those before it; returns the seconds."""
        way = self.contestant.way = [options[0] for options in ways]
        self.contestant.use()
        best = measure()
        for i, options in enumerate(ways):
            for option in options[1:]:
                before, way[i] = way[i], option
                self.contestant.use()
                taken = measure()
                if taken < best:
                    best = taken
                else:
                    way[i] = before
        self.contestant.use()
        return best

    def warm_seconds(self):
        """Of an epoch after the first, which may compile; one of seconds needs no warming up."""
        first = self.epoch_seconds(0)
        return first if first > 3 else self.epoch_seconds()

    def epoch_seconds(self, least=0.2):
        own = getattr(self.contestant, "seconds", None)
        return own() if own else timing.seconds(self.contestant.epoch, least)

    def gradient_seconds(self, least=0.2):
        return timing.seconds(self.contestant.gradient, least)

    def train(self, epochs):
        """The loss and [(W, b), ..] that so many epochs lead to."""
        own = getattr(self.contestant, "train", None)
        if own:
            own(epochs)
        else:
            for _ in range(epochs):
                self.contestant.epoch()
        return float(self.contestant.loss()), [(np.array(W), np.array(b)) for W, b in self.contestant.weights()]

    def train_to(self, loss, every, most):
        return self.contestant.train_to(loss, every, most)

    # ---- predicting

    def rows(self, n):
        """Rows to predict; settles the way, and whether they are taken whole or in pieces. Returns it and a few
        predictions."""
        w, c = self.contestant.w, self.contestant
        X = np.random.default_rng(2).standard_normal((n, w.sizes[0]), np.float32).astype(self.dtype, copy=False)
        self.X, self.out = c.settle(X), np.empty((n, w.sizes[-1]), self.dtype)
        self.piece = None
        taken = {piece: self.best_with(piece) for piece in PIECES if not piece or piece < n}
        self.best_with(min(taken, key=taken.get))
        whole = [] if self.piece is None else [f"pieces of {self.piece}"]
        return named([*whole, *c.way]), np.array(self.predict()[:100])

    def best_with(self, piece):
        """Seconds, of the contestant's fastest way with pieces of so many rows."""
        self.piece = piece
        return self.choose(self.contestant.ways_to_predict, self.predict_seconds)

    def predict(self):
        if self.piece is None:
            return self.contestant.predict(self.X)
        for i in range(0, len(self.X), self.piece):
            self.out[i:i + self.piece] = self.contestant.predict(self.X[i:i + self.piece])
        return self.out

    def predict_seconds(self):
        own = getattr(self.contestant, "predict_seconds", None)
        if own and not self.piece:
            return own(self.X)
        return timing.seconds(self.predict if self.piece else lambda: self.contestant.predict(self.X))

    def rate_together(self, n, workers, seconds=0.5):
        """Calls a second of so many Python threads at once, each of which predicts n rows of its own."""
        w, rng = self.contestant.w, np.random.default_rng(2)
        rows = [self.contestant.settle(rng.standard_normal((n, w.sizes[0]), np.float32).astype(self.dtype))
                for _ in range(workers)]
        done, begin, end = [], threading.Barrier(workers), []

        def work(X):
            self.contestant.predict(X)
            if begin.wait() == 0:
                end.append(time.perf_counter() + seconds)
            begin.wait()
            calls = 0
            while time.perf_counter() < end[0]:
                for _ in range(20):
                    self.contestant.predict(X)
                calls += 20
            done.append(calls)

        threads = [threading.Thread(target=work, args=(X,)) for X in rows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done) / seconds


def named(way):
    """A way in words."""
    return ", ".join(f"threads: {option}" if isinstance(option, int) else option for option in way)
