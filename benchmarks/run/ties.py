"""A tied autoencoder 784-128-784 against the untied one: python benchmarks/run/ties.py --help

Float32, Adam, batch 128, 5000 rows; rounds interleaved. Writes ties.json and ties.md.
"""
import numpy as np

import _path  # noqa: F401
from fastmlp import MLP, Adam, tie_map, tie_transpose
from lib import machine, options, report, timing

ROWS, EPOCHS = 5000, 2
TIES = {"untied": [], "tie_transpose": [tie_transpose(1, 2)], "tie_map, half of W(1) in pairs": [
    tie_map(1, np.where(np.arange(784 * 128) % 4 < 2, np.arange(784 * 128) // 4, -1).reshape(784, 128))]}


def measure(threads, rounds):
    """A row for each way to tie: rows a second in each round."""
    X = np.random.default_rng(0).random((ROWS, 784), np.float32)
    nets = {name: MLP([784, 128, 784], ties=ties, random_state=0) for name, ties in TIES.items()}
    calls = {name: lambda net=net: net.fit(X, X, Adam(), epochs=EPOCHS, batch_size=128, n_threads=threads)
             for name, net in nets.items()}
    return [{"threads": threads, "ties": name, "rates": [EPOCHS * ROWS / s for s in seconds]}
            for name, seconds in timing.compare(calls, rounds).items()]


def main():
    args = options.parser(__doc__, 7).parse_args()
    found = {"info": machine.describe(["float32"]), "rows": []}
    for threads in machine.one_and_all():
        found["rows"] += measure(threads, args.rounds)
    report.write(found, args.out, "ties")


if __name__ == "__main__":
    main()
