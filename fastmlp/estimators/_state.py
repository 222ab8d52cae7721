"""The state of an estimator in pickles and copies: only arrays and built-in objects."""
from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from .._files import document
from .._network import Network
from .._parameters import OptimizerState
from . import _solvers

FORMAT = 1
PASSING = ("_net", "_random_state", "_callback_fit_ctx", "_skl_callbacks_to_teardown")  # attributes left out


def of(est: Any) -> dict[str, Any]:
    """The state of an estimator."""
    state = {name: value for name, value in vars(est).items() if name not in PASSING}
    state["_format"] = FORMAT
    if "_random_state" in vars(est) and isinstance(est.random_state, Integral):  # not shared with anyone
        state["_random_state"] = copy.deepcopy(est._random_state)
    if "coefs_" in state:
        for name in ("coefs_", "intercepts_"):
            state[name] = [np.array(a) for a in state[name]]
        net, built_from = est._fitted()
        if net is not None:
            state["_run"] = _trained(net._network) | {"built_from": built_from}
    return state


def resume(est: Any, state: Mapping[str, Any]) -> None:
    """Set the state of an estimator that has no attributes yet. ValueError if a later version wrote the state."""
    state = dict(state)
    trained = state.pop("_run", None)
    take(est, state, FORMAT)
    if "coefs_" not in state:
        return
    if "_settled" not in state:  # it was saved by a version without it
        est._settled = est._settles()
    if trained is None:
        return
    now = est._built_from()
    vars(est).update(trained.get("built_from", {}))
    net = est._mlp()
    _go_on(net._network, trained, est)
    est._adopt(net)
    vars(est).update(now)


def take(est: Any, state: Mapping[str, Any], most: int) -> None:
    """Set the attributes of a state. ValueError if its format is above `most`, the latest known one."""
    attributes = dict(state)
    if attributes.pop("_format", most) > most:
        raise ValueError(f"this {type(est).__name__} was saved by a later fastmlp; this one reads formats up to {most}")
    parameters = inspect.signature(type(est).__init__).parameters.values()
    # first the defaults, for parameters that are newer than the state
    vars(est).update({p.name: p.default for p in parameters if p.default is not p.empty})
    vars(est).update(attributes)


def _trained(network: Network) -> dict[str, Any]:
    """The progress of a network's training, as built-in objects and arrays."""
    progress, state = network.progress, None
    if progress.optimizer_state is not None:
        state = progress.optimizer_state.export(network.parameters)
        with contextlib.suppress(ValueError):  # it contains functions, which the parameters contain too
            state["spec"] = document.encode(state["optimizer"])
        del state["optimizer"]
    return {"seed": progress.seed, "epochs": progress.epochs_ever, "state": state}


def _go_on(network: Network, trained: Mapping[str, Any], est: Any) -> None:
    """Let a network continue from this progress. The optimiser's numbers are those of the next fit."""
    progress, state = network.progress, trained["state"]
    progress.seed, progress.epochs_ever = trained["seed"], trained["epochs"]
    if state is not None:
        optimizer = document.decode(state["spec"]) if "spec" in state else _solvers.optimizer_of(est)
        progress.optimizer_state = OptimizerState.restore(network.parameters, {"optimizer": optimizer, **state})
