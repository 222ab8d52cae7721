"""LeNet-5, batch 64, Adam, float32, against PyTorch where it is installed: python benchmarks/lenet.py

Random 28 x 28 images; rounds interleaved, medians. GFLOP/s count 6 for each weight's use, into the images too.
"""
import statistics
import time

import numpy as np

from fastmlp import MLP, Adam, Conv2D, MaxPool2D

ROWS, BATCH, ROUNDS = 12_000, 64, 5
PRODUCTS = 24 * 24 * 25 * 6 + 8 * 8 * 25 * 6 * 16 + 256 * 120 + 120 * 84 + 84 * 10


def ours(X, y, threads):
    net = MLP([(28, 28, 1), Conv2D(6, 5, "relu"), MaxPool2D(2), Conv2D(16, 5, "relu"), MaxPool2D(2), 120, 84, 10],
              loss="cross_entropy", random_state=0)
    return lambda: net.partial_fit(X, y, Adam(), batch_size=BATCH, n_threads=threads)


def pytorch(X, y):
    import torch

    nn = torch.nn
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    loss, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), 1e-3)
    X, y = torch.tensor(X)[:, None], torch.tensor(y)

    def epoch():
        order = torch.randperm(len(X))
        for i in range(0, len(X), BATCH):
            optimizer.zero_grad()
            loss(net(X[order[i:i + BATCH]]), y[order[i:i + BATCH]]).backward()
            optimizer.step()

    return epoch


def main():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((ROWS, 28, 28), np.float32), rng.integers(0, 10, ROWS)
    epochs = {"fastmlp, 1 thread": ours(X, y, 1), "fastmlp": ours(X, y, None)}
    try:
        epochs["PyTorch"] = pytorch(X, y)
    except ImportError:
        pass
    rates = {name: [] for name in epochs}
    for _ in range(ROUNDS):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch()
            rates[name].append(ROWS / (time.perf_counter() - began))
    for name, r in rates.items():
        print(f"{name:18s} {statistics.median(r):9,.0f} samples/s, {statistics.median(r) * 6 * PRODUCTS / 1e9:6.1f} GFLOP/s")


if __name__ == "__main__":
    main()
