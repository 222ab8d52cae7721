"""The training rounds of DaskMLPClassifier and DaskMLPRegressor."""
from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .._fit.loop import Notifying
from .._running_fits import Fit
from ..estimators._solvers import callbacks_of
from ..estimators._watched import Patience
from . import rounds
from .collections import ShardFuture
from .dask_base import of_all, of_each, sent, surviving


class Training:
    """The rounds of a fit.

    owner: the estimator that is fitted. est: the plain one, after the last round. shards: the rows to train on.
    watched: the shards of each eval_set.
    """

    def __init__(self, owner: Any, client: Any, est: Any, shards: list[ShardFuture],
                 watched: list[list[ShardFuture]]) -> None:
        self.owner, self.client, self.est, self.shards, self.watched = owner, client, est, shards, watched
        self.by_score = bool(watched) and owner.monitor != "loss"
        self.patience = Patience("", self.by_score, owner.tol)
        self.curve: list[float] = []
        self.epochs = 0
        self.logs: dict[str, dict[str, list[float]]] = {
            f"validation_{i}": {"loss": [], "score": []} for i in range(len(watched))}
        self.seeds = np.random.SeedSequence(int(est._random_state.randint(2**31 - 1)))

    def __call__(self) -> bool:
        """Train; returns whether it ended before max_iter."""
        owner, net = self.owner, self.est._mlp()
        self._require_scores()
        try:
            with Fit(net) as running, Notifying(callbacks_of(owner), net, owner.max_iter) as notify:
                running.present["loss"] = self._training_loss
                while self.epochs < owner.max_iter:
                    logs = self._round(min(owner.local_epochs, owner.max_iter - self.epochs))
                    if notify(self.epochs, logs) or self.patience.waited > owner.n_iter_no_change:
                        return True
        except KeyboardInterrupt:
            if not self.curve:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=3)
            return True
        finally:
            self.patience.restore(net)
        return False

    def _require_scores(self) -> None:
        """ValueError if loss and score of an eval_set cannot be computed, before anything is trained."""
        before, client = rounds.Trained(self.est, 0.0, 0.0), self.client
        tallies = lambda: [of_all(client, rounds.tally, sent(client, before), shards) for shards in self.watched]
        for i, found in enumerate(surviving(client, tallies)):
            if not found.n:
                raise ValueError(f"eval_sample_weight must be above 0 for some row, got 0 for all of eval_set[{i}]")
            if i == 0 and self.by_score and math.isnan(found.score(hasattr(self.est, "classes_"))):
                raise ValueError("monitor 'score' must be a finite number for the rows that are watched, which R^2 is "
                                 f"for two rows at least, got {found.n} in eval_set[0]")

    def _round(self, epochs: int) -> dict[str, float]:
        """Run a round; returns its logs."""
        seeds = [int(seed.generate_state(1)[0]) for seed in self.seeds.spawn(len(self.shards))]
        result, tallies = surviving(self.client, lambda: self._once(epochs, seeds))
        est, net = result.est, self.est._mlp()
        net._network.learned = est._mlp()._network.learned
        vars(self.est).update({k: v for k, v in vars(est).items() if k not in ("_net", "coefs_", "intercepts_")})
        net._network.progress = est._mlp()._network.progress
        self.epochs += epochs
        self.curve.append(result.loss)
        logs = {"loss": result.loss}
        for (name, of), one in zip(self.logs.items(), tallies):
            numbers = {"loss": one.loss / one.weight, "score": one.score(hasattr(est, "classes_"))}
            for what, number in numbers.items():
                of[what].append(number)
                logs[f"{name}_{what}"] = number
        watched = "validation_0_score" if self.by_score else "validation_0_loss" if self.watched else "loss"
        self.patience.look(logs[watched], (lambda: net._network.learned) if self.watched else None)
        if self.owner.verbose:
            print(f"Iteration {self.epochs}, " + ", ".join(f"{name} = {number:.8f}" for name, number in logs.items()))
        aliases = {f"val_{what}": logs[f"validation_0_{what}"] for what in (("loss", "score") if tallies else ())}
        return logs | aliases  # by which callbacks call them

    def _training_loss(self) -> float:
        """The loss of the training rows with the present weights."""
        now, client = rounds.Trained(self.est, 0.0, 0.0), self.client
        found = surviving(client, lambda: of_all(client, rounds.training_loss, sent(client, now), self.shards))
        return float(found.total / found.weight)

    def _once(self, epochs: int, seeds: list[int]) -> tuple[Any, list[Any]]:
        """(the average of a round, the Tally of each eval_set)"""
        client, est = self.client, sent(self.client, self.est)
        futures = of_each(client, rounds.trained, est, self.shards, [epochs] * len(seeds), seeds)
        average = client.submit(rounds.averaged, futures, pure=False)
        tallies = [of_all(client, rounds.tally, average, shards) for shards in self.watched]
        return average.result(), tallies

    def attributes(self) -> dict[str, Any]:
        """The fitted attributes that record the training."""
        found: dict[str, Any] = {
            "loss_curve_": self.curve, "loss_": self.curve[-1], "n_iter_": self.epochs,
            "t_": self.epochs * sum(shard.n for shard in self.shards), "evals_result_": self.logs,
            "best_loss_": None, "validation_scores_": None, "best_validation_score_": None}
        if self.by_score:
            scores = self.logs["validation_0"]["score"]
            return found | {"validation_scores_": scores, "best_validation_score_": max(scores)}
        watched = self.logs["validation_0"]["loss"] if self.watched else self.curve
        return found | {"best_loss_": min(watched, default=math.inf)}
