"""Training and predicting through the estimators against scikit-learn's own, stock defaults, float64: same data, same import
but one. python benchmarks/estimators.py [workload ..]

Rounds are interleaved and medians are reported. An epoch's time is that of a fit with more epochs less that of one with one
epoch; a whole fit is also given. scikit-learn runs with its BLAS on one thread and on all; the better counts.
"""
import statistics
import sys
import time
import warnings

import numpy as np
import sklearn.neural_network
import timing
from threadpoolctl import threadpool_limits
from workloads import TRAINED

import fastmlp

EPOCHS = {"xor-online": 2, "wide": 2, "mnist-512": 2}  # more than the first; 6 unless said here
ROUNDS, TRIES = 3, 1  # a fit lasts as long as a disturbance: once more would be no better
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


def measure(name):
    """{contestant: (samples/s of an epoch, seconds of the whole fit)}"""
    w = TRAINED[name]
    X, y = w.data(np.float64)
    more = EPOCHS.get(name, 6)

    def once(module, limit):
        first, whole = (min(fit_seconds(module, limit, w, X, y, epochs) for _ in range(2)) for epochs in (1, 1 + more))
        return w.rows * more / max(whole - first, 1e-9), whole

    found = timing.interleaved({name: lambda given=given: once(*given) for name, given in CONTESTANTS.items()}, ROUNDS, tries=TRIES)
    return {name: tuple(map(statistics.median, zip(*values))) for name, values in found.items()}


def one_row():
    """Microseconds of predict_proba of one row, 64-100-10."""
    X = np.random.default_rng(0).standard_normal((500, 64))
    models = {module.__name__: module.MLPClassifier((100,), max_iter=3).fit(X, np.arange(500) % 10)
              for module in (fastmlp, sklearn.neural_network)}
    taken = timing.compare({name: lambda model=model: model.predict_proba(X[:1]) for name, model in models.items()}, 9)
    return {name: seconds * 1e6 for name, seconds in taken.items()}


def main():
    warnings.simplefilter("ignore")
    print("| workload | fastmlp, samples/s | scikit-learn, samples/s | ratio | ratio of whole fits |\n|---|---|---|---|---|")
    for name in sys.argv[1:] or [name for name, w in TRAINED.items() if not w.convs]:
        found = measure(name)
        ours, peers = found.pop("fastmlp"), found.values()
        best, shortest = max(rate for rate, _ in peers), min(whole for _, whole in peers)
        print(f"| {name} | {ours[0]:,.0f} | {best:,.0f} | {ours[0] / best:.1f} | {shortest / ours[1]:.1f} |", flush=True)
    for module, microseconds in one_row().items():
        print(f"predict_proba of one row, {module}: {microseconds:.1f} us")


if __name__ == "__main__":
    main()
