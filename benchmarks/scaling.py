"""O(Q): the time of one backprop against Q, the number of weights, on one core: python benchmarks/scaling.py [picture.png]"""
import os
import statistics
import sys
import time

import numpy as np

import fastmlp

BATCH, ROUNDS = 256, 7


def network(Q):
    """Two hidden layers of equal width on 32 inputs, about Q weights in all."""
    h = int((-34 + np.sqrt(34**2 + 4 * Q)) / 2)
    return fastmlp.MLP([32, h, h, 1], random_state=0)


def main():
    if hasattr(os, "sched_setaffinity"):  # how many threads pay off would change along the way
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((BATCH, 32)).astype(np.float32), rng.standard_normal(BATCH).astype(np.float32)
    nets = [network(Q) for Q in np.logspace(4, 7, 13)]
    times = [[] for _ in nets]
    for _ in range(ROUNDS):
        for net, taken in zip(nets, times):
            repeats = max(1, int(2e6 / net.n_params))
            began = time.perf_counter()
            for _ in range(repeats):
                net.backprop(X, y)
            taken.append((time.perf_counter() - began) / repeats)
    Q = np.array([net.n_params for net in nets])
    t = np.array([statistics.median(taken) for taken in times])
    print(f"one backprop of {BATCH} rows, float32, {fastmlp.instruction_set()}\n{'Q':>10} {'ms':>9} {'ns/weight':>10}")
    for q, s in zip(Q, t):
        print(f"{q:10d} {s * 1e3:9.3f} {s / q * 1e9:10.3f}")
    print(f"largest time/Q over smallest: {(t / Q).max() / (t / Q).min():.2f}")
    if len(sys.argv) > 1:
        plot(Q, t, sys.argv[1])


def plot(Q, t, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    ax.loglog(Q, t * 1e3, "o-", label="measured")
    ax.loglog(Q, Q * np.median(t / Q) * 1e3, "--", color="gray", label="proportional to Q")
    ax.set(xlabel="weights Q", ylabel=f"ms for a backprop of {BATCH} rows", title="backprop is O(Q)")
    ax.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
