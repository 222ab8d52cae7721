"""What other choices for estimators of tables would change: python benchmarks/run/tables_choices.py --help

Nothing here sees the rows that tables.py tests on: of those that it trains on some train here, and the others judge.
Writes tables_choices.json and tables_choices.md.
"""
import contextlib
import itertools
import time
import warnings
from dataclasses import dataclass, field, replace
from unittest import mock

import numpy as np
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import _path  # noqa: F401
import fastmlp
from fastmlp import MLP, Concat, Dense, Dropout, Identity, LayerNorm, Scale
from fastmlp._fit.loop import train
from fastmlp._fit.weight_average import RunningMean
from fastmlp.tabular import ensemble, presets
from lib import machine, options, real_tables, report, tables
from tables import scores

# how often each is split
TABLES = {"concrete": 2, "sacramento": 2, "car_prices": 2, "chicago": 1, "spambase": 1, "cells": 2, "hpc_data": 1,
          "letter": 1, "attrition": 2}
CLASSIFYING = dict.fromkeys(("attrition", "cells", "hpc_data", "contraceptive", "spambase", "credit_data", "penbased",
                             "phoneme", "chess", "page-blocks0", "marketing", "wa_churn"), 2)
FEWER = {"classifiers": 4, "regressors": 3, "folds": 20}  # members, and parts of the rows


# ---- what takes the place of what is in ensemble

def network(before=(), after=(), first_rate=1.0, beside=False):
    """A function like ensemble.network. before : layers in front. after : layers that follow each hidden one.
    first_rate : factor of the rate of the first hidden layer. beside : whether the last layer reads the features, too.
    """
    def build(preset, kind, n_features, n_outputs, loss, seed):
        layers = [n_features, *before]
        for i, units in enumerate(kind.hidden):
            layers += [Dense(units, kind.activation, init="he_normal", lr_scale=1.0 if i else first_rate), *after,
                       Dropout(preset.dropout)]
        if beside:
            layers = [n_features, Concat(layers[1:], Identity())]
        return MLP([*layers, Dense(n_outputs)], loss=loss, random_state=seed)

    return build


class FastScale(Scale):
    """A Scale whose rate is six times that of the other layers, as that of RealMLP."""

    lr_scale = 6.0


def averaged(net, running, plan, data, order, wanted, batch, *others):
    """Training whose epochs end with the mean of the weights over about the last two."""
    steps = 2 * -(-order.n // batch)
    mean = RunningMean(net._network.parameters, 1 - 1 / steps)
    return train(net, running, plan, data, order, wanted, batch, *others, mean=mean)


class Plateaus(ensemble.MemberPlan):
    """Where nothing was better for 6 epochs, back to the best weights and on at 0.3 of the rate; thrice."""

    cuts = since = 0

    def begin_epoch(self):
        return super().begin_epoch() * 0.3**self.cuts

    def end_epoch(self, result):
        logged = super().end_epoch(result)
        self.since = 0 if self.monitor.waited == 0 else self.since + 1
        if self.since == 6:
            self.monitor.restore(self.net)
            self.cuts, self.since = self.cuts + 1, 0
        return logged

    def should_stop(self):
        return self.cuts == 3


# ---- the choices

@dataclass
class Choice:
    """What is done in the place of what `base` does, in words; tasks, tables : where it was tried. preset, kind :
    changes to the Preset and to each Kind. parts : what takes the place of what is in ensemble. options : parameters of
    the estimator. rows : most to train on."""

    words: str
    tasks: tuple[str, ...] = ("regression", "classification")
    base: str = "base"
    tables: dict = field(default_factory=lambda: TABLES)
    rows: int = 2500
    preset: dict = field(default_factory=dict)
    kind: dict = field(default_factory=dict)
    parts: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def presets(self):
        changed = lambda kinds: tuple(replace(kind, **{"dropped": 0.0, **self.kind}) for kind in kinds)
        preset = presets.Preset()
        return replace(preset, **{"classifying": changed(preset.classifying), "regressing": changed(preset.regressing),
                                  **FEWER, **self.preset})

    @contextlib.contextmanager
    def made(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.dict(presets.PRESETS, default=self.presets()))
            for name, part in self.parts.items():
                stack.enter_context(mock.patch.object(ensemble, name, part))
            yield


CLASSES, NUMBERS = ("classification",), ("regression",)
EIGHT = {"tasks": CLASSES, "tables": CLASSIFYING, "rows": 1500, "preset": {"folds": 8}}
CHOICES = {
    "base": Choice("20 parts of the rows, of which a member holds out one, at most 2500 rows, no features dropped"),
    "5 parts": Choice("5 parts of the rows", preset={"folds": 5}),
    "10 parts": Choice("10 parts", preset={"folds": 10}),
    "5 members, 5 parts": Choice("5 members, 5 parts", NUMBERS, preset={"regressors": 5, "folds": 5}),
    "5 members, 20 parts": Choice("5 members, 20 parts", NUMBERS, preset={"regressors": 5}),
    "scale": Choice("Scale in front, at six times the rate", CLASSES,
                    parts={"network": network(before=[FastScale()])}),
    "mean": Choice("the mean of the weights over two epochs", parts={"train": averaged}),
    "half the epochs": Choice("60 epochs and a patience of 12 to classify, 80 and 15 for regression", preset={
        "classifying": tuple(replace(kind, epochs=60, patience=12) for kind in presets.CLASSIFYING),
        "regressing": tuple(replace(kind, epochs=80, patience=15) for kind in presets.REGRESSING)}),
    "half the patience": Choice("a patience of 10 to classify, 12 for regression", preset={
        "classifying": tuple(replace(kind, patience=10) for kind in presets.CLASSIFYING),
        "regressing": tuple(replace(kind, patience=12) for kind in presets.REGRESSING)}),
    "three layers": Choice("three hidden layers", NUMBERS, kind={"hidden": (256,) * 3}),
    "192 units": Choice("192 units", NUMBERS, kind={"hidden": (192, 192)}),
    "dropped inputs": Choice("dropout of a tenth of the features",
                             parts={"network": network(before=[Dropout(0.1)])}),
    "decay": Choice("a weight decay of 0.5", CLASSES, preset={"weight_decay": 0.5}),
    "slow first": Choice("the first layer at 0.3 of the rate", CLASSES, parts={"network": network(first_rate=0.3)}),
    "plateaus": Choice("from a plateau back to the best weights, at 0.3 of the rate", CLASSES,
                       parts={"MemberPlan": Plateaus}),
    "linear": Choice("features beside the last hidden layer", NUMBERS, parts={"network": network(beside=True)}),
    "layer norm": Choice("LayerNorm after each hidden layer", parts={"network": network(after=[LayerNorm()])}),
    "separate": Choice("members that train by themselves, with the choices of the first base", base="separate"),
    "grouped": Choice("members that train as one network, on the same rows", base="separate",
                      options={"members": "grouped"}),
    "shared": Choice("the same, with matrices in common (TabM)", base="separate", options={"members": "shared"}),
    "16 shared": Choice("the same, 16 members", base="separate", preset={"classifiers": 16, "regressors": 16},
                        options={"members": "shared"}),
    "8 parts": Choice("8 parts, at most 1500 rows, no features dropped", base="8 parts", **EIGHT),
    "8 parts, dropped inputs": Choice("dropout of a tenth of the features", base="8 parts", **EIGHT,
                                      parts={"network": network(before=[Dropout(0.1)])}),
}


# ---- measuring

def splits(choice, name):
    """(X, y, X_judging, y_judging, classes?) of rows that tables.py trains on."""
    X, y, _, _, task = real_tables.split(name, 0)
    judging = max(len(y) - choice.rows, len(y) // 4)
    labels = y if task == "classification" and np.bincount(y).min() > 1 else None
    for seed in range(choice.tables[name]):
        parts = train_test_split(np.arange(len(y)), test_size=judging, random_state=100 + seed, stratify=labels)
        a, b = (X.iloc[rows].reset_index(drop=True) for rows in parts)
        yield a, y[parts[0]], b, y[parts[1]], task == "classification"


def measure(choice, name):
    """(the loss of the rows that judge, seconds of processors) of each split."""
    found = []
    for seed, (X, y, X_judging, y_judging, classes) in enumerate(splits(choice, name)):
        kind = fastmlp.TabularClassifier if classes else fastmlp.TabularRegressor
        model = kind(random_state=seed, n_threads=1, **choice.options)
        with choice.made(), threadpool_limits(1):
            began = time.process_time()
            model.fit(X, y)
        found.append({"loss": scores(model, X_judging, y_judging, int(y.max()) + 1 if classes else 0)["loss"],
                      "cpu": time.process_time() - began})
    return found


def main():
    p = options.parser(__doc__, items=[*dict.fromkeys([*TABLES, *CLASSIFYING])])
    p.add_argument("--choices", type=options.several(str, CHOICES), default=list(CHOICES))
    p.add_argument("--go-on", action="store_true", help="keep what the file has, and run what it has not")
    args = p.parse_args()
    warnings.simplefilter("ignore")
    found = {"info": machine.describe([]), "rows": [],
             "choices": {name: {"words": choice.words, "base": choice.base} for name, choice in CHOICES.items()}}
    if args.go_on:
        found["rows"] = tables.load(args.out, "tables_choices")["rows"]
    there = {(row["choice"], row["table"]) for row in found["rows"]}
    for name, table in itertools.product(args.choices, args.items):
        choice, task = CHOICES[name], real_tables.TABLES[table][0]
        if table in choice.tables and task in choice.tasks and (name, table) not in there:
            found["rows"].append({"choice": name, "table": table, "task": task, "splits": measure(choice, table)})
            print(f"{name}, {table}: {found['rows'][-1]['splits']}", flush=True)
    report.write(found, args.out, "tables_choices")


if __name__ == "__main__":
    main()
