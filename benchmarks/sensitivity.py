"""input_gradient against a forward and backward pass: python benchmarks/sensitivity.py

10,000 rows through 784-512-512-10, float32; rounds interleaved, medians.
"""
import statistics
import time

import numpy as np

from fastmlp import MLP


def main():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10_000, 784), np.float32), rng.integers(0, 10, 10_000)
    net = MLP([784, 512, 512, 10], loss="cross_entropy", random_state=0)
    calls = {"input_gradient": lambda: net.input_gradient(X, y), "loss_and_grad": lambda: net.loss_and_grad(X, y),
             "predict": lambda: net.predict(X)}
    taken = {name: [] for name in calls}
    for _ in range(9):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    whole = statistics.median(taken["loss_and_grad"])
    for name, seconds in taken.items():
        print(f"{name:15s} {statistics.median(seconds) * 1e3:7.1f} ms, {statistics.median(seconds) / whole:.2f} of loss_and_grad")


if __name__ == "__main__":
    main()
