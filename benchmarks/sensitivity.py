"""What sensitivity costs: python benchmarks/sensitivity.py

input_gradient of 10,000 rows through 784-512-512-10, float32, against a forward and backward pass; then an epoch with each
penalty, and with attacks of one step, against a plain one. Rounds interleaved, medians.
"""
import numpy as np
import timing
from workloads import TRAINED

from fastmlp import MLP, Adam
from fastmlp.sensitivity import Attack

TRAINING = {"plain": {}, "gradient_penalty": {"gradient_penalty": 0.1}, "jacobian_penalty": {"jacobian_penalty": 0.1},
            "adversarial": {"adversarial": Attack(0.1)}}


def gradients():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10_000, 784), np.float32), rng.integers(0, 10, 10_000)
    net = MLP([784, 512, 512, 10], loss="cross_entropy", random_state=0)
    taken = timing.compare({"loss_and_grad": lambda: net.loss_and_grad(X, y), "input_gradient": lambda: net.input_gradient(X, y),
                     "predict": lambda: net.predict(X), "hvp": lambda: net.hvp(net.params, X, y)}, 9)
    for name, seconds in taken.items():
        print(f"{name:15s} {seconds * 1e3:7.1f} ms, {seconds / taken['loss_and_grad']:.2f} of loss_and_grad")


def training():
    print("\n| epoch, ratio to plain | activation | " + " | ".join(TRAINING) + " |")
    print("|---" * (2 + len(TRAINING)) + "|")
    for name, w in TRAINED.items():
        if w.image:
            continue
        (X, y), rows = w.data("float32"), min(w.rows, 5000)
        for activation in ("relu", "tanh"):
            net = MLP(list(w.sizes), activation=activation, loss="cross_entropy" if w.classes else "squared_error", random_state=0)
            calls = {what: lambda more=more: net.fit(X[:rows], y[:rows], Adam(1e-5), epochs=2, batch_size=w.batch, **more)
                     for what, more in TRAINING.items()}
            taken = timing.compare(calls, 5)
            print(f"| {name} | {activation} | " + " | ".join(f"{taken[what] / taken['plain']:.2f}" for what in TRAINING) + " |", flush=True)


if __name__ == "__main__":
    gradients()
    training()
