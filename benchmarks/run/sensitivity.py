"""What sensitivity costs: python benchmarks/run/sensitivity.py --help

input_gradient of 10,000 rows through 784-512-512-10, float32, against a forward and backward pass; then an epoch with
each penalty, and with attacks of one step, against a plain one. Rounds interleaved. Writes sensitivity.json and
sensitivity.md.
"""
import numpy as np

import _path  # noqa: F401
from fastmlp import MLP, Adam
from fastmlp.sensitivity import Attack
from lib import machine, options, report, timing
from lib.workloads import DENSE, TRAINED

MOST_ROWS = 5000
TRAINING = {"plain": {}, "gradient_penalty": {"gradient_penalty": 0.1}, "jacobian_penalty": {"jacobian_penalty": 0.1},
            "adversarial, one step": {"adversarial": Attack(0.1)}}


def passes(rounds):
    """{call: [seconds of each round]}"""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((10_000, 784), np.float32), rng.integers(0, 10, 10_000)
    net = MLP([784, 512, 512, 10], loss="cross_entropy", random_state=0)
    return timing.compare({"loss_and_grad": lambda: net.loss_and_grad(X, y),
                           "input_gradient": lambda: net.input_gradient(X, y),
                           "predict": lambda: net.predict(X), "hvp": lambda: net.hvp(net.params, X, y)}, rounds)


def epochs(w, activation, rounds):
    """{what training has: [seconds of each round]}"""
    X, y = (a[:MOST_ROWS] for a in w.data("float32"))
    net = MLP(list(w.sizes), activation=activation, loss="cross_entropy" if w.classes else "squared_error",
              random_state=0)
    return timing.compare({what: lambda more=more: net.fit(X, y, Adam(1e-5), epochs=2, batch_size=w.batch, **more)
                           for what, more in TRAINING.items()}, rounds)


def main():
    args = options.parser(__doc__, 5, DENSE).parse_args()
    found = {"info": machine.describe(["float32"]), "passes": passes(args.rounds), "epochs": []}
    for name in args.items:
        for activation in ("relu", "tanh"):
            found["epochs"].append({"item": name, "activation": activation,
                                    "seconds": epochs(TRAINED[name], activation, args.rounds)})
            print(f"{name}, {activation}", flush=True)
    report.write(found, args.out, "sensitivity")


if __name__ == "__main__":
    main()
