"""The base class of layer specs, and functions that all of them share."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _checks, _core
from .._types import Floats, Shape
from ..initializers import drawn, given, initial, is_pair

Theta = str | tuple[str, float]  # an activation, by its name
MOST_UNITS = 2**31 - 1  # largest number of units of a layer, or of elements of a padded map
# activation -> limits of its number: the engine computes theta'(s) from theta(s), whose sign must be that of s
LIMITS: dict[str, _checks.Limits] = {
    "leaky_relu": {"least": 0},
    "elu": {"least": 0},
}

# what others call an activation and is none here -> what to take instead
INSTEAD = {
    "prelu": "its numbers are learned, so it is a layer, PReLU(), after one without an activation",
    "glu": "it halves the units, so it is a layer, GLU(), after one without an activation",
    "swiglu": 'it halves the units, so it is a layer, GLU("silu"), after one without an activation',
    "geglu": 'it halves the units, so it is a layer, GLU("gelu"), after one without an activation',
    "reglu": 'it halves the units, so it is a layer, GLU("relu"), after one without an activation',
    "softmax": 'the loss makes it of the outputs, loss="cross_entropy"',
    "exp": 'the loss makes it of the outputs, loss="poisson"',
}

# of the learning rate and of decays, which layers may have of their own
FACTORS = ("lr_scale", "decay", "bias_lr_scale", "bias_decay")

# other libraries' names -> ours
ALIASES = {"swish": "silu", "logistic": "sigmoid", "linear": "identity"}


class Layer:
    """The base class of layer specs. Shapes are of one row; l is the layer's number, 1 the first.

    kind: the engine's name for it. reads: the one or two layers that it reads, each as a distance back. activation,
    bias, init, bias_init and those in FACTORS: as in Dense. categories: the Embeddings of the last columns of the
    input, which it reads as categories. unfinished: whether it must be combined with the next layer in the list.
    """

    kind: ClassVar[str]
    reads: tuple[int, ...] = (1,)
    activation: Any = "identity"
    bias: bool = False
    init: Any = "zeros"
    bias_init: Any = 0.0
    lr_scale: float = 1.0
    decay: float = 1.0
    bias_lr_scale: float = 1.0
    bias_decay: float = 0.0
    categories: Sequence[Any] = ()
    unfinished: bool = False

    @property
    def n_categories(self) -> int:
        """The number of last columns of the input that it reads as categories."""
        return len(self.categories)

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        """The spec, with its numbers checked for a network of this dtype. name: for errors, such as "layers[2]"."""
        activation = checked_activation(f"activation of {name}", self.activation, dtype)
        _checks.boolean(f"bias of {name}", self.bias)
        for factor in FACTORS:
            _checks.number(f"{factor} of {name}", getattr(self, factor), least=0, dtype=dtype)
        return self if activation is self.activation else replace(self, activation=activation)  # type: ignore[type-var]

    def as_input(self, name: str, dtype: DTypeLike) -> Shape:
        """The shape of the input, if the layer is the first entry of the list. name: for errors."""
        raise TypeError(f"{name} must be an int, the shape of a map or Columns, got {_checks.described(self)}")

    def after(self, shape: Shape) -> Shape:
        """The shape of x(l), given that of x(l-1). ValueError if the layer cannot follow it."""
        return shape

    def joins(self, *shapes: Shape) -> Shape:
        """The shape of x(l), given those of all layers that it reads."""
        return self.after(shapes[0])

    def finished_by(self, entry: Any, name: str) -> Any:
        """Combine an unfinished layer with the next entry of the list. ValueError if they do not go together."""
        raise NotImplementedError

    def weights(self, shape: Shape) -> Shape | None:
        """The shape of W(l), given that of x(l-1), or None for a layer without weights."""
        return None

    def matrices(self, W: Floats) -> list[NDArray[Any]]:
        """Views of the weight matrices in W(l); numbers that belong to single features are not included."""
        return [W] if W.ndim > 1 else []

    def sources(self, l: int) -> tuple[int, ...]:
        """The one or two layers that it reads as layer l, 0 for the input."""
        return tuple(l - back for back in self.reads)

    def n_statistics(self, shape: Shape) -> int:
        """The number of running statistics that it keeps. shape: of x(l-1)."""
        return 0

    def initial_weights(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        """The initial W(l), of this shape. name: of the layer, for errors."""
        return initial(self.init, shape, rng, f"init of {name}", dtype)

    def initial_bias(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        """The initial b(l), of this shape. name: of the layer, for errors."""
        if is_pair(self.bias_init):
            return drawn(self.bias_init, shape, rng, f"bias_init of {name}", dtype)
        return given(self.bias_init, shape, f"bias_init of {name}", dtype)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        """The layer's description for the engine, see `Core`. shape: of x(l-1)."""
        name, argument = _checks.named("activation", self.activation, _core.ACTIVATIONS)
        return {"kind": self.kind, "activation": _core.ACTIVATIONS[name][0], "argument": argument, "bias": self.bias,
                **{factor: float(getattr(self, factor)) for factor in FACTORS}}

    def brief(self) -> str:
        """The layer in the repr of a network."""
        return repr(self)

    def own_factors(self) -> str:
        """Its factors that differ from the defaults, written as arguments."""
        return as_arguments(own_factors(self))


def own_factors(spec: Any) -> dict[str, float]:
    """The FACTORS of a spec that differ from its defaults."""
    defaults = {factor: getattr(type(spec), factor) for factor in FACTORS if hasattr(spec, factor)}
    return {factor: getattr(spec, factor) for factor, default in defaults.items()
            if not isinstance(default, property) and getattr(spec, factor) != default}


def as_arguments(factors: dict[str, float]) -> str:
    """Factors as text, written as arguments."""
    return ", ".join(f"{factor}={value:g}" for factor, value in factors.items())


def checked_activation(argument: str, value: Any, dtype: DTypeLike = np.float64) -> Any:
    """An activation, a name or a pair (name, number), with aliases replaced. ValueError or TypeError if unknown."""
    value = _checks.canonical(value, ALIASES)
    name = value[0] if isinstance(value, tuple) and value else value
    if isinstance(name, str) and name in INSTEAD:
        raise ValueError(f"{argument} must be one of fastmlp.activations(), got {_checks.described(value)}: "
                         f"{INSTEAD[name]}")
    _checks.named(argument, value, _core.ACTIVATIONS, LIMITS, dtype)
    return value


def activation_name(activation: Theta) -> str:
    """A name, or a pair (name, number), as text."""
    return activation if isinstance(activation, str) else f"{activation[0]}({activation[1]:g})"


def in_brackets(text: str) -> str:
    """A text in brackets, after a space; "" for an empty text."""
    return f" ({text})" if text else ""


def map_shape(shape: Any) -> Shape:
    """A map's shape as a tuple of ints."""
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise TypeError(f"the shape of a map must be (length, c) or (h, w, c), got {_checks.described(shape)}")
    checked = tuple(_checks.integer("the shape of a map", n, 1, MOST_UNITS) for n in shape)
    _checks.integer("the elements of a map", math.prod(checked), 1, MOST_UNITS)
    return checked
