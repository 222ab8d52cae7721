"""Training and predicting through the estimators against scikit-learn's own, stock defaults, float64: same data, same
import but one. python benchmarks/run/estimators.py --help

Rounds are interleaved. An epoch's time is that of a fit with more epochs less that of one with one
epoch; a whole fit is also given. scikit-learn runs with its BLAS on one thread and on all; the better counts. Writes
estimators.json and estimators.md.
"""
import time
import warnings

import numpy as np
import sklearn.neural_network
from threadpoolctl import threadpool_limits

import _path  # noqa: F401
import fastmlp
from lib import machine, options, report, timing
from lib.workloads import DENSE, TRAINED

EPOCHS = {"xor-online": 2, "wide": 2, "mnist-512": 2}  # more than the first; 6 unless said here
TRIES = 1  # a fit lasts as long as a disturbance: once more would be no better
CONTESTANTS = {"fastmlp": (fastmlp, None), "scikit-learn, 1 BLAS thread": (sklearn.neural_network, 1),
               "scikit-learn, all": (sklearn.neural_network, None)}


def fit_seconds(module, limit, w, X, y, epochs):
    kind = "MLPClassifier" if w.classes else "MLPRegressor"
    model = getattr(module, kind)(hidden_layer_sizes=w.sizes[1:-1], batch_size=w.batch, max_iter=epochs, random_state=0,
                                  tol=0, n_iter_no_change=1000)
    with threadpool_limits(limit, user_api="blas"):
        began = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - began


def measure(name, rounds):
    """A row for each contestant: in each round samples/s of an epoch, and seconds of the whole fit."""
    w = TRAINED[name]
    X, y = w.data(np.float64)
    more = EPOCHS.get(name, 6)

    def once(module, limit):
        first, whole = (min(fit_seconds(module, limit, w, X, y, epochs) for _ in range(2)) for epochs in (1, 1 + more))
        return w.rows * more / max(whole - first, 1e-9), whole

    taken = timing.interleaved({who: lambda given=given: once(*given) for who, given in CONTESTANTS.items()}, rounds,
                               tries=TRIES)
    return [{"item": name, "contestant": who, "rates": [rate for rate, _ in values],
             "seconds": [whole for _, whole in values]}
            for who, values in taken.items()]


def one_row():
    """{module: [seconds of each round]} of predict_proba of one row, 64-100-10."""
    X = np.random.default_rng(0).standard_normal((500, 64))
    models = {name: module.MLPClassifier((100,), max_iter=3).fit(X, np.arange(500) % 10)
              for name, module in (("fastmlp", fastmlp), ("scikit-learn", sklearn.neural_network))}
    return timing.compare({name: lambda model=model: model.predict_proba(X[:1]) for name, model in models.items()}, 9)


def main():
    args = options.parser(__doc__, 3, DENSE).parse_args()
    warnings.simplefilter("ignore")
    found = {"info": machine.describe(["float64"]), "rows": []}
    for name in args.items:
        found["rows"] += measure(name, args.rounds)
        print(name, flush=True)
    found["one row"] = one_row()
    report.write(found, args.out, "estimators")


if __name__ == "__main__":
    main()
