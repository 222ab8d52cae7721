"""Convert a network to a JSON document and tensors, and back."""
from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _checks, _layer_list, layers, optim, schedules, ties
from .._fit.history import History
from .._network import Unfinished
from .._parameters import OptimizerState, flatten
from .._types import Floats, Shape
from . import safetensors

if TYPE_CHECKING:
    from ..model import MLP

    Net = TypeVar("Net", bound=MLP)

FORMAT = 1
GROWTH = safetensors.MOST_HEADER // 8  # length of a text above which it may be too large when it is written again
# the specs that a file may name; they consist of numbers, strings and each other
SPECS = {name: spec for module in (layers, optim, schedules, ties) for name in module.__all__
         if isinstance(spec := getattr(module, name), type)}


def save(net: MLP, path: str | os.PathLike[str]) -> None:
    """Implements MLP.save."""
    document, tensors = of(net)
    safetensors.write(path, json.dumps(document), tensors)


def load(cls: type[Net], path: str | os.PathLike[str]) -> Net:
    """Implements MLP.load. cls: the class of the network."""
    with safetensors.opened(path) as container:
        try:
            described = Document(json.loads(container.text))
            described.check_tensors(container.tensors)
            tensors = container.read_tensors()
            net = described.network(cls, tensors)
            if len(container.text) > GROWTH:
                safetensors.header(json.dumps(of(net)[0]), tensors)
            return net
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            if isinstance(error.__cause__, MemoryError):
                raise MemoryError(f"path must be of a network that fits into memory, got {os.fspath(path)!r}: "
                                  f"{error.__cause__}") from error
            raise ValueError(f"{os.fspath(path)!r} is not a network that fastmlp saved: {error}") from error


# ---- networks


def of(net: MLP) -> tuple[dict[str, Any], dict[str, Floats]]:
    """(document for JSON, tensors) of a network. ValueError if it contains functions."""
    if net.loss.function:
        raise ValueError("a network with a function for its loss cannot be saved")
    network = net._network
    progress, parameters = network.progress, network.parameters
    tensors = {f"{name}.{l}": a for name, arrays in (("W", net.W), ("b", net.b)) for l, a in enumerate(arrays)
               if a is not None}
    document = {"format": FORMAT, "d0": net.d[0] if len(net.shapes[0]) == 1 else list(net.shapes[0]),
                "layers": [encode(layer) for layer in net.layers], "loss": encode(net.loss.spec),
                "dtype": net.dtype.name, "seed": progress.seed, "epochs_ever": progress.epochs_ever,
                "history": checked_history({name: encode(numbers) for name, numbers in net.history.items()}),
                "training": None}
    if net.classes is not None:
        document["classes"] = net.classes.tolist()
    if net.precision != "full":
        document["precision"] = net.precision
    if net.ties:
        document["ties"], tensors["params"] = [encode(tie) for tie in net.ties], net.params
    if network.core.statistics.size:
        tensors["statistics"] = network.core.statistics
    if progress.optimizer_state is not None:
        state = progress.optimizer_state.export(parameters)
        tensors.update({f"slot.{i}": slot for i, slot in enumerate(state["slots"])}, powers=state["powers"])
        document["training"] = {"optimizer": encode(state["optimizer"]), "epoch": state["epoch"]}
    if progress.unfinished is not None:
        document["unfinished"] = list(progress.unfinished)
    return document, tensors


class Document:
    """The content of a network's document, checked before memory for its tensors is allocated."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        if "estimator" in document:
            raise ValueError(f"it is of an estimator, which {document['estimator']}.load reads")
        absent = [name for name in ("format", "dtype", "training", "loss", "history", "d0", "layers", "seed",
                                    "epochs_ever") if name not in document]
        if absent:
            raise ValueError(f"it does not say its {', '.join(absent)}")
        if _checks.integer("format", document["format"], 1) > FORMAT:
            raise ValueError(f"its format is {document['format']}, this version reads up to {FORMAT}")
        self.document, self.dtype, trained = document, document["dtype"], document["training"]
        _checks.one_of("dtype", self.dtype, ["float32", "float64"])
        if not isinstance(document["loss"], (str, list)):
            raise TypeError(f"loss must be a name or a pair, got {_checks.described(document['loss'])}")
        self.precision = document.get("precision", "full")
        self.history = checked_history(document["history"])
        self.entries = [decode(document["d0"]), *map(decode, document["layers"])]
        self.optimizer: optim.Optimizer | None = None if trained is None else decode(trained["optimizer"])
        self.ties = tuple(map(decode, document.get("ties", ())))

    def check_tensors(self, found: Mapping[str, tuple[np.dtype[Any], Shape]]) -> None:
        """ValueError unless these are exactly the tensors of such a network. found: name -> (dtype, shape)."""
        n_tied = math.prod(found["params"][1]) if self.ties else None
        wanted = tensor_shapes(self.entries, self.optimizer, n_tied, self.dtype)
        shapes = {name: shape for name, (_, shape) in found.items()}
        wrong_dtype = any(dtype != (np.float64 if name == "powers" else self.dtype)
                          for name, (dtype, _) in found.items())
        if shapes != wanted or wrong_dtype:
            raise ValueError(f"its tensors should be {wanted} of {self.dtype}, got {shapes}")

    def network(self, cls: type[Net], tensors: Mapping[str, Floats]) -> Net:
        """Make the network, with its tensors."""
        document, trained = self.document, self.document["training"]
        net = cls(self.entries, loss=decode(document["loss"]), dtype=self.dtype, ties=self.ties,
                  precision=self.precision)
        if self.ties and net.n_params != tensors["params"].size:
            raise ValueError(f"its ties leave {net.n_params} parameters, it has {tensors['params'].size}")
        parameters, progress = net._network.parameters, net._network.progress
        W, b = ([tensors.get(f"{name}.{l}") for l in range(len(net.d))] for name in "Wb")
        parameters.resume(flatten(W, b), tensors.get("params"))
        net._network.core.statistics[...] = tensors.get("statistics", ())
        progress.seed = _checks.integer("seed", document["seed"], 0, math.inf) % 2**63
        progress.epochs_ever = _checks.integer("epochs_ever", document["epochs_ever"], 0, 2**40)
        progress.unfinished = unfinished_of(document.get("unfinished"))
        net.history = History(self.history)
        net.classes = document.get("classes")
        if self.optimizer is not None:
            epoch = _checks.integer("epoch", trained["epoch"], 0, 2**40)
            self.optimizer.check(self.dtype)
            optim.rate(self.optimizer, epoch, self.dtype)
            slots = [tensors[f"slot.{i}"] for i in range(self.optimizer.n_slots)]
            progress.optimizer_state = OptimizerState.restore(parameters, {
                "optimizer": self.optimizer, "slots": slots, "powers": tensors["powers"], "epoch": epoch})
        return net


def unfinished_of(given: Any) -> Unfinished | None:
    """An interrupted epoch from the list of its fields; ValueError or TypeError if it is invalid."""
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != len(Unfinished._fields):
        raise ValueError(f"unfinished must be a list of {len(Unfinished._fields)} numbers, got "
                         + _checks.described(given))
    whole = [_checks.integer("unfinished", number, 1, 2**53) for number in given[:4]]
    return Unfinished(*whole, *(_checks.number("unfinished", number) for number in given[4:]))


def checked_history(history: Any) -> dict[str, list[float]]:
    """A history from JSON: lists of numbers by name; TypeError for anything else."""
    if not isinstance(history, dict) or not all(
            isinstance(name, str) and isinstance(numbers, list) and all(type(x) in (int, float) for x in numbers)
            for name, numbers in history.items()):
        raise TypeError("history must be lists of numbers by name")
    return history


def tensor_shapes(entries: Sequence[Any], optimizer: optim.Optimizer | None,
                  n_tied: int | None, dtype: str) -> dict[str, Shape]:
    """The tensors that a file has, name -> shape, for a network of these layers, the input's shape first.

    optimizer: that trained it, None for none. n_tied: how many parameters its ties leave, None without ties. dtype: of
    the network.
    """
    shapes, specs = _layer_list.checked_layers(entries, dtype)
    tensors = {}
    for l, spec in enumerate(specs, 1):
        weights = spec.weights(shapes[spec.sources(l)[0]])
        if weights is not None:
            tensors[f"W.{l}"] = weights
        if spec.bias:
            tensors[f"b.{l}"] = shapes[l][-1:]
    n_statistics = sum(spec.n_statistics(shapes[spec.sources(l)[0]]) for l, spec in enumerate(specs, 1))
    n_params = sum(map(math.prod, tensors.values())) if n_tied is None else n_tied
    if optimizer is not None:
        tensors.update({f"slot.{i}": (n_params,) for i in range(optimizer.n_slots)}, powers=(optimizer.n_powers,))
    if n_tied is not None:
        tensors["params"] = (n_tied,)
    if n_statistics:
        tensors["statistics"] = (n_statistics,)
    return tensors


# ---- specs


def encode(value: Any) -> Any:
    """A spec or plain value for JSON: a spec becomes {"spec": its name, and its fields}. ValueError for others."""
    if is_dataclass(value) and SPECS.get(type(value).__name__) is type(value):
        state = {f.name: _without_start(f.name, getattr(value, f.name)) for f in fields(value)}
        return {"spec": type(value).__name__, **{name: encode(field) for name, field in state.items()}}
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return encode(value.tolist())
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"a network with {_checks.described(value)} in its specs cannot be saved: only numbers, names and "
                     "fastmlp's own specs can")


def _without_start(field: str, value: Any) -> Any:
    """Omit arrays of initial weights: the file contains the present weights."""
    instead = {"init": "zeros", "bias_init": 0.0}
    return instead[field] if field in instead and not isinstance(value, (str, int, float)) else value


def decode(value: Any) -> Any:
    """The inverse of encode; lists become tuples. ValueError or TypeError if it is not a known spec."""
    if isinstance(value, dict):
        spec = SPECS[_checks.one_of("the spec of value", value.get("spec"), SPECS)]
        with _checks.under("value"):
            return spec(**{str(k): decode(v) for k, v in value.items() if k != "spec"})
    return tuple(decode(v) for v in value) if isinstance(value, list) else value
