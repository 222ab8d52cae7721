"""fastmlp: the fastest way to train and use a multilayer perceptron on a CPU from Python."""
from . import schedules
from ._init import INITIALIZERS
from .layers import Dense
from .model import MLP, activations, losses
from .optim import SGD, Adam, AdamW
from .training import DivergenceWarning, History

__version__ = "0.1.0"
__all__ = ["MLP", "Dense", "SGD", "Adam", "AdamW", "History", "DivergenceWarning", "schedules", "activations", "losses",
           "initializers"]


def initializers():
    """The names of the ways weights can start."""
    return list(INITIALIZERS)
