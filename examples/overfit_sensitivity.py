"""What overfitting has to do with sensitivity: few rows, a network that can fit them all, and four ways to hold it
back.

    python examples/overfit_sensitivity.py

On the diabetes data that ship with scikit-learn, standardised: 100 rows to train on, 342 to test. The strength of each
way is the one with the least error in a five-fold cross-validation on the 100 rows, over three starts; then five
networks each are trained on all of them. Prints errors and mean |de/dx_j|, and draws them with the error under noise
into overfit_sensitivity.png.

What comes out: held back by nothing, the network fits all 100 rows (error 0.001) and is worse on new rows than their
mean would be (1.03). There it is 30 times as steep as at the rows it has seen: where the error is zero, so is its
derivative. Penalties and noise, which look at the training rows, make it flatter elsewhere too (0.61 to 0.43) and
better (0.83 to 0.78), and still fit the rows. Weight decay, strong enough that the rows are no longer fitted, is best
here: 0.51, and a quarter as steep.
"""
import argparse

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

from fastmlp import MLP, Adam
from fastmlp.sensitivity import noise_curve, saliency

TRAIN, SEEDS = 100, range(5)
SIGMAS = np.linspace(0, 1.5, 16)
WAYS = {  # name -> arguments of fit to choose among, l2 of the optimiser
    "nothing": [{}],
    "gradient_penalty": [{"gradient_penalty": lam} for lam in (0.3, 1, 3, 10, 30)],
    "jacobian_penalty": [{"jacobian_penalty": lam} for lam in (0.01, 0.03, 0.1, 0.3, 1, 3)],
    "input_noise": [{"input_noise": sigma} for sigma in (0.05, 0.1, 0.2, 0.4, 0.8)],
    "weight decay": [{"l2": l2} for l2 in (0.001, 0.01, 0.03, 0.1, 0.3)],
}


def data():
    """Standardised, in an order of chance."""
    X, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def trained(X, y, seed, l2=0.0, **how):
    net = MLP([10, 64, 64, 1], activation="tanh", dtype="float64", random_state=seed)
    net.fit(X, y, Adam(3e-3, l2=l2), epochs=400, batch_size=20, **how)
    return net


def validated(X, y, how):
    """The error by cross-validation."""
    return np.mean([trained(X[a], y[a], seed, **how).evaluate(X[b], y[b]) for seed in range(3)
                    for a, b in KFold(5).split(X)])


def measured(nets, X, y, X_new, y_new):
    """Means over networks."""
    mean = lambda f: np.mean([f(net) for net in nets], axis=0)
    return {"train": mean(lambda net: net.evaluate(X, y)), "test": mean(lambda net: net.evaluate(X_new, y_new)),
            "steep": mean(lambda net: saliency(net, X, y).mean()),
            "steep_new": mean(lambda net: saliency(net, X_new, y_new).mean()),
            "noise": mean(lambda net: noise_curve(net, X_new, y_new, SIGMAS, random_state=0).error)}


def draw(found, path):
    import matplotlib.pyplot as plt

    figure, (errors, steep, noise) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    at, names = np.arange(len(found)), [name.replace("_", " ").replace(" ", "\n") for name in found]
    for ax, one, two, title in ((errors, "train", "test", "error"), (steep, "steep", "steep_new", "mean |de/dx|")):
        ax.bar(at - 0.2, [f[one] for f in found.values()], 0.4, label="training rows")
        ax.bar(at + 0.2, [f[two] for f in found.values()], 0.4, label="new rows")
        ax.set(xticks=at, xticklabels=names, title=title)
        ax.tick_params("x", labelsize=8)
    errors.legend()
    for name, f in found.items():
        noise.plot(SIGMAS, f["noise"], label=name.replace("_", " "))
    noise.set(title="error on new rows with noise", xlabel="standard deviation of the noise")
    noise.legend()
    figure.savefig(path, dpi=120)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--figure", default="overfit_sensitivity.png")
    args = p.parse_args()
    X, y = data()
    X, y, X_new, y_new = X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:]
    print(f"{'':18}{'chosen':>26}{'train':>9}{'test':>9}{'|de/dx|':>10}{'on new rows':>13}")
    found = {}
    for name, choices in WAYS.items():
        how = choices[int(np.argmin([validated(X, y, how) for how in choices]))]
        f = found[name] = measured([trained(X, y, seed, **how) for seed in SEEDS], X, y, X_new, y_new)
        chosen = ", ".join(f"{k}={v:g}" for k, v in how.items())
        print(f"{name:18}{chosen:>26}{f['train']:9.3f}{f['test']:9.3f}{f['steep']:10.3f}{f['steep_new']:13.3f}",
              flush=True)
    draw(found, args.figure)


if __name__ == "__main__":
    main()
