"""A tied autoencoder 784-128-784 against the untied one: python benchmarks/ties.py

Float32, Adam, batch 128, 5000 rows; rounds interleaved, medians.
"""
import statistics
import time

import numpy as np

from fastmlp import MLP, Adam, tie_map, tie_transpose

ROWS, EPOCHS, ROUNDS = 5000, 2, 7
TIES = {"untied": [], "tie_transpose": [tie_transpose(1, 2)], "tie_map, half of W(1) in pairs": [
    tie_map(1, np.where(np.arange(784 * 128) % 4 < 2, np.arange(784 * 128) // 4, -1).reshape(784, 128))]}


def main():
    X = np.random.default_rng(0).random((ROWS, 784), np.float32)
    for threads in (1, None):
        nets = {name: MLP([784, 128, 784], ties=ties, random_state=0) for name, ties in TIES.items()}
        rates = {name: [] for name in nets}
        for _ in range(ROUNDS):
            for name, net in nets.items():
                began = time.perf_counter()
                net.fit(X, X, Adam(), epochs=EPOCHS, batch_size=128, n_threads=threads)
                rates[name].append(EPOCHS * ROWS / (time.perf_counter() - began))
        medians = {name: statistics.median(r) for name, r in rates.items()}
        for name, rate in medians.items():
            print(f"{'1 thread' if threads else 'all threads'}, {name}: {rate:,.0f} rows/s, {rate / medians['untied']:.0%}")


if __name__ == "__main__":
    main()
