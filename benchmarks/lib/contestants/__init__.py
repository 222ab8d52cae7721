"""Who is measured: a class for each, built for a workload, a dtype and a number of threads.

All start at the workload's weights and train with Adam: epoch() once over the rows in batches, loss() and weights()
where that led, gradient() the loss and its derivatives by all weights over all rows, predict(X) of rows that settle(X)
has made its own. A contestant that can do so in several ways lists in `ways` the choices, each a tuple of its options;
`way` has the present ones. ImportError: it is not installed, NotImplementedError: it has no such layers or call.
"""
import math
from importlib import import_module

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8

TABLE = {
    "fastmlp": ("ours", "FastMLP"),
    "numpy": ("with_numpy", "NumPy"),
    "scikit-learn": ("with_sklearn", "ScikitLearn"),
    "pytorch": ("with_torch", "PyTorch"),
    "pytorch compiled": ("with_torch", "Compiled"),
    "jax": ("with_jax", "JAX"),
    "onnxruntime": ("with_onnx", "OnnxRuntime"),
    "fastmlp's C file": ("with_c", "CFile"),
}
TRAINING = [name for name in TABLE if name not in ("onnxruntime", "fastmlp's C file")]
PREDICTING = ["fastmlp", "fastmlp's C file", "numpy", "scikit-learn", "pytorch", "onnxruntime"]


def contestant(name):
    module, attribute = TABLE[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)


class Contestant:
    ways = ()

    def __init__(self, w, dtype, threads, shuffle=True, eps=EPS):
        """shuffle: a new order of the rows each epoch, else they are taken as they come. eps: Adam's."""
        self.w, self.dtype, self.threads, self.shuffle, self.eps = w, dtype, threads, shuffle, eps
        self.X, self.y = w.data(dtype)
        self.build()
        self.way = [options[0] for options in self.ways]

    def build(self):
        """Make what is trained."""
        raise NotImplementedError

    def use(self):
        """Called after `way` has changed."""

    @property
    def ways_to_predict(self):
        return self.ways

    def epoch(self):
        raise NotImplementedError("cannot train")

    def train_to(self, loss, every, most):
        """Train until the loss over all rows, looked at each `every` epochs, is at most `loss`, or for `most` epochs:
        (epochs, the loss that they led to)."""
        epochs, reached = 0, math.inf
        while epochs < most and not reached <= loss:
            for _ in range(every):
                self.epoch()
            epochs += every
            reached = float(self.loss())
        return epochs, reached

    def gradient(self):
        raise NotImplementedError("no call for the gradient")

    def settle(self, X):
        """X as predict wants it."""
        return X


def mean_loss(w, p, y):
    """Of predictions p: probabilities, or numbers."""
    import numpy as np

    p = np.asarray(p, np.float64).reshape(len(p), -1)
    return -np.log(p[np.arange(len(p)), y]).mean() if w.classes else ((p - y.reshape(p.shape)) ** 2).sum(axis=1).mean()
