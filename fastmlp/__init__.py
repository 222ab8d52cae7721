"""fastmlp: the fastest way to train and use a multilayer perceptron on a CPU from Python."""
try:
    from . import _core
except ImportError as error:
    if error.name != __name__:
        raise
    raise ImportError(f"fastmlp's compiled part is not in {__path__[0]}, which has its sources: start Python in another folder, or build it "
                      "there, `python setup.py build_ext --inplace`") from error
from . import callbacks, schedules
from .initializers import INITIALIZERS
from .callbacks import Callback, Checkpoint, CSVLogger, EarlyStopping, LambdaCallback, ProgressBar, TimeLimit
from .layers import AvgPool1D, AvgPool2D, Conv1D, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool, MaxPool1D, MaxPool2D
from .model import MLP, activations, losses
from .optim import SGD, Adam, AdamW
from .summary import show_config
from .ties import Frozen, TiedGroup, tie_layers, tie_map, tie_transpose
from .training import DivergenceWarning, History

__version__ = "0.1.0"
ESTIMATORS = ("MLPClassifier", "MLPRegressor", "MLPAutoencoder")
DISPLAYS = ("SensitivityDisplay", "NoiseCurveDisplay", "LossCurveDisplay")
__all__ = ["MLP", "Dense", "Dropout", "Conv1D", "Conv2D", "MaxPool1D", "MaxPool2D", "AvgPool1D", "AvgPool2D",
           "GlobalAvgPool", "Flatten", "SGD", "Adam", "AdamW", "schedules", "callbacks", "Callback", "EarlyStopping",
           "Checkpoint", "ProgressBar", "CSVLogger", "TimeLimit", "LambdaCallback", "History", "DivergenceWarning",
           "TiedGroup", "Frozen", "tie_transpose", "tie_layers", "tie_map", "activations", "losses", "initializers",
           "instruction_set", "show_config", *ESTIMATORS, *DISPLAYS]


def __getattr__(name):
    """The estimators and displays, imported when they are asked for, since they import scikit-learn and matplotlib."""
    if name in DISPLAYS:
        from . import plot

        return getattr(plot, name)
    if name not in ESTIMATORS:
        raise AttributeError(f"module 'fastmlp' has no attribute {name!r}")
    try:
        from . import estimators
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "sklearn":
            raise
        raise ImportError(f'{name} needs scikit-learn: pip install "fastmlp[sklearn]"') from error
    return getattr(estimators, name)


def __dir__():
    return sorted({*globals(), *__all__})


def initializers():
    """The names of the ways weights can start."""
    return list(INITIALIZERS)


def instruction_set():
    """The instruction set in use: "generic", "avx2", "avx512" or "neon". The environment variable FASTMLP_ISA, read at
    import, overrides the choice."""
    return _core.ISA
