"""The specs of layers that `MLP` takes: immutable descriptions, without weights.

Each kind of layer is one class; the constructor, files, summaries and the engine use the methods of `Layer`.
"""
from typing import TYPE_CHECKING

from .. import _lazy
from ._base import ALIASES as ALIASES
from ._base import FACTORS as FACTORS
from ._base import MOST_UNITS as MOST_UNITS
from ._base import Layer as Layer
from ._base import Theta as Theta
from ._base import activation_name as activation_name
from ._base import checked_activation as checked_activation
from ._base import in_brackets as in_brackets
from ._base import map_shape as map_shape
from ._base import own_factors as own_factors
from ._stack import Block as Block
from ._stack import Stack as Stack

if TYPE_CHECKING:
    from ._blocks import *
    from ._columns import *
    from ._dense import *
    from ._learned import *
    from ._norms import *
    from ._numeric import *
    from ._windows import *

# name -> the module that has it, which is imported when a name of it is first asked for
NAMES = {
    **dict.fromkeys(("Dense", "Dropout"), "_dense"),
    **dict.fromkeys(("BatchNorm", "LayerNorm", "RMSNorm", "Scale", "Shift"), "_norms"),
    **dict.fromkeys(("Columns", "Embedding"), "_columns"),
    **dict.fromkeys(("Activation", "PReLU", "Mixture", "GLU"), "_learned"),
    **dict.fromkeys(("Periodic", "Waves", "PiecewiseLinear"), "_numeric"),
    **dict.fromkeys(("Identity", "Residual", "Add", "Projection", "Projection1D", "Projection2D", "Concat",
                     "Join"), "_blocks"),
    **dict.fromkeys(("Conv1D", "Conv2D", "MaxPool1D", "MaxPool2D", "AvgPool1D", "AvgPool2D", "GlobalAvgPool",
                     "Flatten"), "_windows"),
}

if not TYPE_CHECKING:
    __all__ = list(NAMES)
    __getattr__ = _lazy.attached(__name__, NAMES)
