"""Predicting one float32 row with a 64-100-10 network, and importing: python benchmarks/latency.py"""
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np

import fastmlp


def microseconds(f, calls=5000):
    f()
    began = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - began) / calls * 1e6


def predictors(x):
    """name -> a call that predicts the row"""
    net = fastmlp.MLP([64, 100, 10], loss="cross_entropy", random_state=0)
    W1, W2, b1, b2 = net.W[1].copy(), net.W[2].copy(), net.b[1].copy(), net.b[2].copy()
    found = {"fastmlp MLP.predict": lambda: net.predict(x),
             "NumPy, no softmax": lambda: np.maximum(x @ W1 + b1, 0) @ W2 + b2}
    try:
        from sklearn.neural_network import MLPClassifier

        X = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MLPClassifier((100,), max_iter=3).fit(X, np.arange(500) % 10)
        found["scikit-learn predict_proba"] = lambda: model.predict_proba(x)
    except ImportError:
        pass
    try:
        import torch

        layers = torch.nn.Sequential(torch.nn.Linear(64, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
        xt, grad = torch.tensor(x), torch.inference_mode()
        grad.__enter__()
        found["PyTorch, no softmax"] = lambda: layers(xt)
    except ImportError:
        pass
    return found


def import_milliseconds(module):
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout) * 1e3


def main():
    x = np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)
    calls = predictors(x)
    taken = {name: [] for name in calls}
    imports = {name: [] for name in ("numpy", "fastmlp")}
    for _ in range(9):
        for name, call in calls.items():
            taken[name].append(microseconds(call))
        for name in imports:
            imports[name].append(import_milliseconds(name))
    for name, values in taken.items():
        print(f"{name:28s} {statistics.median(values):8.2f} us")
    median = {name: statistics.median(values) for name, values in imports.items()}
    print(f"import fastmlp {median['fastmlp']:.0f} ms, import numpy {median['numpy']:.0f} ms, "
          f"difference {median['fastmlp'] - median['numpy']:.0f} ms")


if __name__ == "__main__":
    main()
