"""fastmlp: the fastest way to train and use a multilayer perceptron on a CPU from Python."""
from typing import TYPE_CHECKING

try:
    from . import _core
except ImportError as error:
    if error.name != __name__:
        raise
    raise ImportError(f"fastmlp's compiled part is not in {__path__[0]}, which has its sources: start Python in "
                      "another folder, or build it there, `python setup.py build_ext --inplace`") from error
from . import _lazy, callbacks, layers, optim
from ._fit.history import History
from ._fit.loop import DivergenceWarning
from ._fit.many import fit_many
from ._fit.unscaled import ScaleWarning
from ._version import __version__ as __version__
from .callbacks import Callback, Checkpoint, CSVLogger, EarlyStopping, LambdaCallback, ProgressBar, TimeLimit
from .initializers import INITIALIZERS
from .model import MLP, activations, losses
from .summary import show_config
from .ties import Frozen, TiedGroup, tie_layers, tie_map, tie_transpose

if TYPE_CHECKING:  # at run time `__getattr__` imports them
    from . import data as data
    from . import distributed as distributed
    from . import estimators as estimators
    from . import export as export
    from . import io as io
    from . import metrics as metrics
    from . import plot as plot
    from . import schedules
    from . import sensitivity as sensitivity
    from . import tabular as tabular
    from . import training as training
    from .estimators import MLPAutoencoder, MLPClassifier, MLPRegressor
    from .layers import *
    from .optim import *
    from .plot import LossCurveDisplay, NoiseCurveDisplay, SensitivityDisplay
    from .tabular import TabularClassifier, TabularRegressor

__all__ = [
    "MLP", "History", "fit_many",
    # layers
    "Activation", "Add", "AvgPool1D", "AvgPool2D", "BatchNorm", "Columns", "Concat", "Conv1D", "Conv2D", "Dense",
    "Dropout", "Embedding", "Flatten", "GLU", "GlobalAvgPool", "Identity", "Join", "LayerNorm", "MaxPool1D",
    "MaxPool2D", "Mixture", "PReLU", "Periodic", "PiecewiseLinear", "Projection", "Projection1D", "Projection2D",
    "RMSNorm", "Residual", "Scale", "Shift", "Waves",
    # optimisers
    "Adagrad", "Adam", "AdamW", "Lion", "NAdam", "RMSprop", "SGD", "schedules",
    # callbacks
    "callbacks", "CSVLogger", "Callback", "Checkpoint", "EarlyStopping", "LambdaCallback", "ProgressBar", "TimeLimit",
    # ties
    "Frozen", "TiedGroup", "tie_layers", "tie_map", "tie_transpose",
    # estimators
    "MLPAutoencoder", "MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor",
    # pictures
    "LossCurveDisplay", "NoiseCurveDisplay", "SensitivityDisplay",
    # names, warnings, versions
    "DivergenceWarning", "ScaleWarning", "activations", "initializers", "instruction_set", "losses", "show_config",
]


if not TYPE_CHECKING:  # type checkers know the names from the imports above
    def __getattr__(name):
        """Import a layer, an optimiser or a name that `_lazy.py` lists, when it is first used."""
        for room in (layers, optim):
            if name in room.NAMES:
                return getattr(room, name)
        if name not in _lazy.NAMES and name not in _lazy.MODULES:
            raise AttributeError(f"module 'fastmlp' has no attribute {name!r}")
        return _lazy.load(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_lazy.MODULES})


def initializers() -> list[str]:
    """The names of the weight initializers."""
    return list(INITIALIZERS)


def instruction_set() -> str:
    """The instruction set in use: "generic", "avx2", "avx512", "amx" or "neon". The environment variable FASTMLP_ISA,
    read at import, overrides the choice."""
    return _core.ISA
