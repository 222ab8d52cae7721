"""A tied autoencoder 784-128-784 against the untied one: python benchmarks/ties.py

Float32, Adam, batch 128, 5000 rows; rounds interleaved, medians.
"""
import numpy as np
import timing

from fastmlp import MLP, Adam, tie_map, tie_transpose

ROWS, EPOCHS, ROUNDS = 5000, 2, 7
TIES = {"untied": [], "tie_transpose": [tie_transpose(1, 2)], "tie_map, half of W(1) in pairs": [
    tie_map(1, np.where(np.arange(784 * 128) % 4 < 2, np.arange(784 * 128) // 4, -1).reshape(784, 128))]}


def main():
    X = np.random.default_rng(0).random((ROWS, 784), np.float32)
    for threads in (1, None):
        nets = {name: MLP([784, 128, 784], ties=ties, random_state=0) for name, ties in TIES.items()}
        calls = {name: lambda net=net: net.fit(X, X, Adam(), epochs=EPOCHS, batch_size=128, n_threads=threads) for name, net in nets.items()}
        taken = timing.compare(calls, ROUNDS)
        for name, seconds in taken.items():
            print(f"{'1 thread' if threads else 'all threads'}, {name}: {EPOCHS * ROWS / seconds:,.0f} rows/s, {taken['untied'] / seconds:.0%}")


if __name__ == "__main__":
    main()
