"""Convert a PyTorch module to a network: an nn.Sequential of supported modules, or a result of to_torch."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _checks, _layer_list, layers
from .._optional import needs
from .._parameters import flatten
from .._types import Shape
from ..losses import Loss
from . import _table

if TYPE_CHECKING:
    from ..model import MLP

    Net = TypeVar("Net", bound=MLP)

LOSSES = {"identity": "squared_error", "exp": "poisson", "sigmoid": "binary_cross_entropy", "softmax": "cross_entropy"}
ACTIVATIONS = {row.torch.name: (name, row.torch) for name, row in _table.ACTIVATIONS.items()}
# module -> attributes that it must have to be supported
WANTED: dict[str, dict[str, Any]] = {
    "GELU": {"approximate": "none"}, "Softplus": {"beta": 1},
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d"), {"track_running_stats": True}),
    **dict.fromkeys(("Conv1d", "Conv2d"), {"groups": 1, "padding_mode": "zeros"}),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d"), {"ceil_mode": False, "dilation": 1}),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d"), {"ceil_mode": False, "count_include_pad": True}),
    **dict.fromkeys(("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"), {"output_size": 1}),
    "Flatten": {"start_dim": 1},
}
# module -> the number of features that it reads, None if it may be any
WIDTHS: dict[str, Callable[[Any], int | None]] = {
    **dict.fromkeys(("Linear", "Columns", "PiecewiseLinear"), lambda module: module.in_features),
    "Grouped": lambda module: module.in_features,
    "BatchNorm1d": lambda module: module.num_features,
    **dict.fromkeys(("LayerNorm", "RMSNorm"), lambda module: module.normalized_shape[-1]),
    "PReLU": lambda module: module.num_parameters if module.num_parameters > 1 else None,
    **dict.fromkeys(("Mixture", "ScaleFeatures", "ShiftFeatures", "LayerNormFeatures", "RMSNormFeatures"),
                    lambda module: next((len(p) for p in (module.weight, module.bias) if p is not None), None)),
    **dict.fromkeys(("Dropout", "Identity", *ACTIVATIONS), lambda module: None),
}
# after nn.Flatten, while rows are in PyTorch's order
AFTER_FLATTEN = {"Linear", "Dropout", "Identity", "BatchNorm1d", "LayerNorm", "RMSNorm", "PReLU", "Flatten"}
# unsupported module -> what to do instead
INSTEAD = {
    **dict.fromkeys(("Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"),
                    "put nn.Dropout in its place, which drops elements one by one; predictions are the same"),
    "Embedding": "categories are columns of the input here, see fastmlp.Columns",
    "Unflatten": "give input_shape instead",
}


def network(cls: type[Net], module: Any, input_shape: Any, loss: Any) -> Net:
    """Implements MLP.from_torch."""
    torch = needs("torch", "from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {_checks.described(module)}")
    modules = [*flat(module)]
    last = type(modules[-1]).__name__ if modules else ""
    link = next((name for name, row in _table.LINKS.items() if row.torch.name == last), "identity")
    if loss is None and link not in LOSSES:
        raise ValueError("loss must be given for a module that ends with Increasing, such as "
                         '("ordered_quantile", (0.1, 0.5, 0.9))')
    minimised = Loss(LOSSES[link] if loss is None else loss)
    linked = link != "identity" and minimised.link_name == link
    if linked and minimised.outputs_each != getattr(modules.pop(), "each", 1):
        raise ValueError(f"loss must have as many quantiles as the module has outputs of each target, got {loss!r}")
    for one in modules:
        require_ours(one)
    shape = first_shape(modules) if input_shape is None else _layer_list.input_shape(input_shape)
    reader = Reader(shape, next((array(p).dtype for p in module.parameters()), np.dtype(np.float32)))
    for one in modules:
        reader.read(one)
    return reader.network(cls, minimised.spec)


def flat(module: Any) -> Iterator[Any]:
    """A module, or the modules in an nn.Sequential one by one."""
    if type(module).__name__ != "Sequential":
        yield module
        return
    for inner in module:
        yield from flat(inner)


def require_ours(module: Any) -> None:
    """ValueError if a module is not supported."""
    name = type(module).__name__
    if name not in READERS and name not in ACTIVATIONS:
        instead = f": {INSTEAD[name]}" if name in INSTEAD else ""
        raise ValueError(f"module must be nn.Sequential of {', '.join(sorted({*READERS, *ACTIVATIONS}))}, "
                         f"got {_checks.described(module)}{instead}")
    for attribute, value in WANTED.get(name, {}).items():
        if getattr(module, attribute) not in (value, (value,), (value, value)):
            raise ValueError(f"module {name} must have {attribute} {value!r}, got {getattr(module, attribute)!r}")


def first_shape(modules: Iterable[Any]) -> Shape:
    """The shape of x(0), from the first module that determines it."""
    for module in modules:
        name = type(module).__name__
        if name == "Maps":
            return module.shape  # type: ignore[no-any-return]
        width = WIDTHS[name](module) if name in WIDTHS else None
        if width is not None:
            return (width,)
        if name not in WIDTHS:
            break
    raise ValueError("input_shape must be given for a module that begins with maps, (h, w, c) or (length, c), or with "
                     "what does not say how many features it reads, got None")


class Reader:
    """Collects specs of layers and their weights from a sequence of modules.

    shapes: of x(0), x(1), .. so far. dtype: of the module. source: the layer that the next one reads. turned: the shape
    of maps that were flattened in PyTorch's order, channels first, if rows are still in that order; or None. around:
    padding for the next module. closed: layers up to this one cannot get an activation, since others may read them.
    """

    def __init__(self, first: Shape, dtype: np.dtype[Any]) -> None:
        self.shapes: list[Shape] = [first]
        self.dtype = dtype
        self.specs: list[Any] = []
        self.arrays: list[dict[str, Any]] = []
        self.source = self.closed = 0
        self.turned: Shape | None = None
        self.around: tuple[int, ...] = ()

    @property
    def shape(self) -> Shape:
        """The shape that the next layer reads."""
        return self.shapes[self.source]

    def read(self, module: Any) -> None:
        """Read the next module."""
        require_ours(module)
        name = type(module).__name__
        reader = READERS.get(name)
        if self.turned and name not in AFTER_FLATTEN and name not in ACTIVATIONS:
            raise ValueError(f"module must have only {', '.join(sorted(AFTER_FLATTEN))} and activations between "
                             f"Flatten and the next Linear, got {name}")
        if reader is None:
            self._activate(module)
        else:
            reader(self, module)

    def add(self, spec: Any, **arrays: Any) -> None:
        """Add a layer, with W, b and statistics."""
        l = len(self.specs) + 1
        self.shapes.append(spec.joins(*(self.shapes[source] for source in spec.sources(l))))
        self.specs.append(spec)
        self.arrays.append({name: values for name, values in arrays.items() if values is not None})
        self.source = l

    def by_feature(self, values: Any) -> Any:
        """Values of the features that the next layer reads, or rows of values, in fastmlp's order."""
        if self.turned is None or values is None:
            return values
        *size, c = self.turned
        return values.reshape(c, math.prod(size), -1).swapaxes(0, 1).reshape(values.shape)

    def unroll(self) -> None:
        """If PyTorch has flattened maps, add a Flatten, so that the next layer, which has numbers by feature, reads
        rows."""
        if self.turned and len(self.shape) > 1:
            self.add(layers.Flatten())

    def network(self, cls: type[Net], loss: Any) -> Net:
        """Make the network, after all modules were read."""
        dtypes = {a.dtype for arrays in self.arrays for a in arrays.values()}
        if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
            raise ValueError(f"module must be of float32 or of float64, got {sorted(map(str, dtypes))}")
        net = cls([self.shapes[0][0] if len(self.shapes[0]) == 1 else self.shapes[0], *self.specs], loss=loss,
                  dtype=dtypes.pop())
        W, b = ([None, *(arrays.get(name) for arrays in self.arrays)] for name in "Wb")
        net._network.parameters.resume(flatten(W, b), None)
        statistics = [arrays["statistics"] for arrays in self.arrays if "statistics" in arrays]
        net._network.core.statistics[...] = np.concatenate(statistics) if statistics else ()
        return net

    def _activate(self, module: Any) -> None:
        """Set the activation of the last layer, or add an Activation layer if that is not possible."""
        last = self.specs[-1] if len(self.specs) > self.closed else None
        has_one = isinstance(last, (layers.Dense, layers.Conv2D, layers.PiecewiseLinear))
        if last is not None and has_one and last.activation == "identity":
            self.specs[-1] = dataclasses.replace(last, activation=activation_of(module))
        else:
            self.add(layers.Activation(activation_of(module)))


# ---- modules


def activation_of(module: Any) -> layers.Theta:
    """The activation of a module without weights. ValueError if it is not supported."""
    name, row = ACTIVATIONS[_checks.one_of("the activation of module", type(module).__name__, ACTIVATIONS)]
    return (name, float(getattr(module, row.argument))) if row.argument else name


def prelu(reader: Reader, module: Any) -> None:
    a = array(module.weight)
    if len(a) > 1:  # else one number for all
        reader.unroll()
        a = reader.by_feature(a)
    reader.add(layers.PReLU(), W=np.broadcast_to(a, reader.shape[-1:]))


def mixture(reader: Reader, module: Any) -> None:
    reader.add(layers.Mixture(activation_of(module.theta)), W=array(module.weight))


def glu(reader: Reader, module: Any) -> None:
    if module.dim != 1 and (module.dim != -1 or len(reader.shape) > 1):
        raise ValueError(f"module GLU must have dim 1, got {module.dim}")
    reader.add(layers.GLU())


def gate(reader: Reader, module: Any) -> None:
    reader.add(layers.GLU(activation_of(module.theta)))


def waves(reader: Reader, module: Any) -> None:
    reader.add(layers.Waves(module.groups, module.sine))


def piecewise_linear(reader: Reader, module: Any) -> None:
    W, b = array(module.weight), array(module.bias)
    reader.add(layers.PiecewiseLinear(module.edges, W.shape[1], bias=b is not None), W=W, b=b)


def linear(reader: Reader, module: Any) -> None:
    W, b, back = array(module.weight).T, array(module.bias), len(reader.specs) + 1 - reader.source
    if len(W) != math.prod(reader.shape):
        raise ValueError(f"module must have a linear layer for {math.prod(reader.shape)} inputs, by input_shape and "
                         f"the layers before it, got one for {len(W)}")
    units, bias = W.shape[1], b is not None
    spec = layers.Dense(units, bias=bias) if back == 1 else layers.Projection(units, bias=bias, back=back)
    reader.add(spec, W=reader.by_feature(W), b=b)
    reader.turned = None


def conv(reader: Reader, module: Any) -> None:
    W, b = array(module.weight), array(module.bias)
    W = W.transpose(*range(2, W.ndim), 1, 0)
    options = {"filters": W.shape[-1], "kernel": module.kernel_size, "stride": module.stride,
               "padding": padding(reader, module), "dilation": module.dilation, "bias": b is not None}
    axes, back = W.ndim - 2, len(reader.specs) + 1 - reader.source
    if back == 1:
        spec = (layers.Conv1D, layers.Conv2D)[axes - 1](**options)
    else:
        spec = (layers.Projection1D, layers.Projection2D)[axes - 1](**options, back=back)
    reader.add(spec, W=W, b=b)


def pool(kinds: tuple[Any, Any]) -> Callable[[Reader, Any], None]:
    """A reader for pooling. kinds: the layers for one axis and for two."""
    def read(reader: Reader, module: Any) -> None:
        kernel, stride = (n if isinstance(n, int) else tuple(n) for n in (module.kernel_size, module.stride))
        reader.add(kinds[len(reader.shape) - 2](kernel, stride, padding(reader, module)))

    return read


def padding(reader: Reader, module: Any) -> Any:
    """The padding of a module. If it comes from a separate module: "same", or a number, if this gives the same padding
    before the map, and after it as far as windows reach."""
    around, reader.around = reader.around, ()
    if not around:
        return module.padding if isinstance(module.padding, (str, int)) else tuple(module.padding)
    pairs = [around[i:i + 2] for i in range(len(around) - 2, -1, -2)]
    kernel, stride, dilation = ((n,) * len(pairs) if isinstance(n, int) else n for n in (
        module.kernel_size, module.stride, getattr(module, "dilation", 1)))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    same = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(reader.shape, stride, reach)]
    if pairs == [(n // 2, n - n // 2) for n in same]:
        return "same"
    if any((n + p + q - r) // s != (n + 2 * p - r) // s for n, s, r, (p, q) in zip(reader.shape, stride, reach, pairs)):
        raise ValueError(f"module must pad both sides alike, or as 'same' does, got {around}")
    return tuple(before for before, _ in pairs)


def pad(reader: Reader, module: Any) -> None:
    reader.around = tuple(module.padding)


def batch_norm(reader: Reader, module: Any) -> None:
    """Without gamma and beta, these are 1 and 0, and are not trained."""
    if module.momentum is None:
        raise ValueError(f"module {type(module).__name__} must have a momentum, got None, which means all batches "
                         "since the start; set module.momentum = 0.1, say: predictions are the same")
    mean, var = array(module.running_mean), array(module.running_var)
    affine = module.weight is not None
    gamma, beta = (array(module.weight), array(module.bias)) if affine else (np.ones_like(mean), np.zeros_like(mean))
    reader.unroll()
    gamma, beta, mean, var = map(reader.by_feature, (gamma, beta, mean, var))
    reader.add(layers.BatchNorm(module.momentum, module.eps, lr_scale=float(affine)), W=gamma, b=beta,
               statistics=np.concatenate([mean, var]))


def row_norm(reader: Reader, module: Any) -> None:
    """PyTorch's modules, for rows only: for maps they normalise all elements or the last axis, never the channels."""
    name = type(module).__name__
    reader.unroll()
    if tuple(module.normalized_shape) != reader.shape:
        raise ValueError(f"module {name} must be over the units of a row, of shape {reader.shape}, "
                         f"got normalized_shape {tuple(module.normalized_shape)}")
    gamma, beta = (reader.by_feature(array(getattr(module, of, None))) for of in ("weight", "bias"))
    spec = {"LayerNorm": layers.LayerNorm, "RMSNorm": layers.RMSNorm}[name]
    shifts = {"shift": beta is not None} if name == "LayerNorm" else {}
    eps = float(np.finfo(reader.dtype).eps) if module.eps is None else module.eps
    reader.add(spec(eps, scale=gamma is not None, **shifts), W=gamma, b=beta)


def dropout(reader: Reader, module: Any) -> None:
    reader.add(layers.Dropout(module.p))


def identity(reader: Reader, module: Any) -> None:
    reader.add(layers.Identity(len(reader.specs) + 1 - reader.source))


def grouped(reader: Reader, module: Any) -> None:
    W, b = array(module.weight), array(module.bias)
    reader.add(layers.Dense(len(W) * W.shape[2], bias=b is not None, groups=len(W)), W=W, b=b)


def columns(reader: Reader, module: Any) -> None:
    tables = [array(table.weight) for table in module.tables]
    specs = [layers.Embedding(len(W), W.shape[1], unknown) for W, unknown in zip(tables, module.unknown)]
    reader.add(layers.Columns(module.numeric, specs), W=np.concatenate([W.ravel() for W in tables]) if tables else None)


def features(reader: Reader, module: Any) -> None:
    gamma, beta = array(module.weight), array(module.bias)
    spec = getattr(layers, type(module).__name__.removesuffix("Features"))
    options = {"eps": module.eps, "scale": gamma is not None, "shift": beta is not None}
    known = [name for name in options if name in spec.__dataclass_fields__]
    reader.add(spec(**{name: options[name] for name in known}), W=gamma, b=beta)


def global_mean(reader: Reader, module: Any) -> None:
    reader.add(layers.GlobalAvgPool())


def turn(reader: Reader, module: Any) -> None:
    """nn.Flatten: maps as rows, channels first."""
    if len(reader.shape) > 1 and not reader.turned:
        reader.turned = reader.shape


def rows(reader: Reader, module: Any) -> None:
    reader.add(layers.Flatten())


def nothing(reader: Reader, module: Any) -> None:
    """For modules that only give the input's shape, or flatten maps, which the next layer reads as rows anyway."""


def graph(reader: Reader, module: Any) -> None:
    """A module of layers with explicit sources, each of a supported kind."""
    for layer, sources in zip(module.layers, module.sources):
        if len(sources) > 1:
            of_two = {"Add": layers.Add, "Join": layers.Join}[type(layer).__name__]
            reader.add(of_two(len(reader.specs) + 1 - sources[1]))
            continue
        reader.source, reader.closed = sources[0], len(reader.specs)
        for inner in flat(layer):
            reader.read(inner)


def array(tensor: Any) -> Any:
    """A copy of a tensor as an array; None for None."""
    return None if tensor is None else np.array(tensor.detach().cpu().numpy())


READERS: dict[str, Callable[[Reader, Any], None]] = {
    "Linear": linear, "Columns": columns, "Grouped": grouped, "Conv1d": conv, "Conv2d": conv, "Dropout": dropout,
    "BatchNorm1d": batch_norm, "BatchNorm2d": batch_norm, "Flatten": turn, "FlattenMaps": rows,
    **dict.fromkeys(("Maps", "Rows"), nothing), **dict.fromkeys(("LayerNorm", "RMSNorm"), row_norm),
    "Layers": graph, "Identity": identity, "PReLU": prelu, "Mixture": mixture, "GLU": glu, "Gate": gate,
    "Waves": waves, "PiecewiseLinear": piecewise_linear,
    **dict.fromkeys(("ScaleFeatures", "ShiftFeatures", "LayerNormFeatures", "RMSNormFeatures"), features),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d"), pool((layers.MaxPool1D, layers.MaxPool2D))),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d"), pool((layers.AvgPool1D, layers.AvgPool2D))),
    **dict.fromkeys(("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"), global_mean),
    **dict.fromkeys(("ConstantPad1d", "ConstantPad2d"), pad),
}
