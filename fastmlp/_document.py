"""What a file holds of a network: a document of what is not an array, and tensors; io.py puts them into a file."""
import math

import numpy as np

from . import _check, _core, io, optim, training
from ._parameters import OptimizerState, flatten
from .layers import Dense, input_shape


def of(net):
    """(what JSON takes, tensors) of a network."""
    if net.loss.function:
        raise ValueError("a network with a function for its loss cannot be saved")
    tensors = {f"{name}.{l}": a for name, arrays in (("W", net.W), ("b", net.b)) for l, a in enumerate(arrays) if a is not None}
    document = {"format": io.FORMAT, "d0": net.d[0] if len(net.shapes[0]) == 1 else list(net.shapes[0]), "layers": [io.encode(y) for y in net.layers],
                "loss": io.encode(net.loss.spec), "dtype": net.dtype.name, "seed": net._seed,
                "epochs_ever": net._epochs_ever, "history": net.history, "training": None}
    if net.ties:
        document["ties"], tensors["params"] = [io.encode(tie) for tie in net.ties], net.params
    if net._state is not None:
        state = net._network.progress.optimizer_state.export(net._network.parameters)
        tensors.update({f"slot.{i}": slot for i, slot in enumerate(state["slots"])}, powers=state["powers"])
        document["training"] = {"optimizer": io.encode(state["optimizer"]), "epoch": state["epoch"]}
    return document, tensors


def network(cls, document, tensors):
    """The network of a file; its specs and tensors are held against each other before room is made for them."""
    if _check.integer("format", document["format"], 1) > io.FORMAT:
        raise ValueError(f"its format is {document['format']}, this version reads up to {io.FORMAT}")
    dtype, run, history = document["dtype"], document["training"], document["history"]
    _check.one_of("dtype", dtype, ["float32", "float64"])
    if not isinstance(document["loss"], (str, list)):
        raise TypeError(f"loss must be a name or a pair, got {document['loss']!r}")
    if not all(isinstance(v, list) and all(type(x) in (int, float) for x in v) for v in history.values()):
        raise TypeError("history must be lists of numbers")
    layers = [io.decode(document["d0"]), *map(io.decode, document["layers"])]
    optimizer = None if run is None else io.decode(run["optimizer"])
    ties = tuple(map(io.decode, document.get("ties", ())))
    shapes = _tensor_shapes(layers, optimizer, tensors["params"].size if ties else None)
    found = {name: a.shape for name, a in tensors.items()}
    if found != shapes or any(a.dtype != (np.float64 if name == "powers" else dtype) for name, a in tensors.items()):
        raise ValueError(f"its tensors should be {shapes} of {dtype}, got {found}")
    net = cls(layers, loss=io.decode(document["loss"]), dtype=dtype, ties=ties)
    if ties and net.n_params != tensors["params"].size:
        raise ValueError(f"its ties leave {net.n_params} parameters, it has {tensors['params'].size}")
    W, b = ([tensors.get(f"{name}.{l}") for l in range(len(net.d))] for name in "Wb")
    net._network.parameters.resume(flatten(W, b), tensors.get("params"))
    net._seed = _check.integer("seed", document["seed"], 0) % 2**63
    net._epochs_ever = _check.integer("epochs_ever", document["epochs_ever"], 0, 2**40)
    net.history = training.History(history)
    if run is not None:
        epoch = _check.integer("epoch", run["epoch"], 0, 2**40)
        optim.rate(optimizer, epoch)
        slots = [tensors[f"slot.{i}"] for i in range(len(tensors)) if f"slot.{i}" in tensors]
        net._network.progress.optimizer_state = OptimizerState.restore(net._network.parameters, {"optimizer": optimizer, "slots": slots, "powers": tensors["powers"],
                                                  "epoch": epoch})
    return net


def _tensor_shapes(layers, optimizer, tied=None):
    """The tensors that a file has for a network of these layers, trained by this optimiser or by none: name -> shape.
    tied: how many parameters its ties leave."""
    shape, shapes = input_shape(layers[0]), {}
    for l, y in enumerate(layers[1:], 1):
        if isinstance(y, Dense):
            _check.integer(f"units of layers[{l}]", y.units, 1)
        after = y.after(shape)
        if y.weights(shape) is not None:
            shapes[f"W.{l}"] = y.weights(shape)
            if y.bias is not False:
                shapes[f"b.{l}"] = after[-1:]
        shape = after
    weights = sum(math.prod(shape) for shape in shapes.values())
    if optimizer is not None:
        n_params = weights if tied is None else tied
        shapes.update({f"slot.{i}": (n_params,) for i in range(_core.STEPS[optimizer.step][1])}, powers=(2,))
    if tied is not None:
        shapes["params"] = (tied,)
    return shapes
