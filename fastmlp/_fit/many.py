"""fit_many: train independent networks at the same time, each on one thread."""
from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _checks, _core, _threads
from ..callbacks import Callback
from . import classes
from .history import History
from .measures import Measures
from .options import DEFAULTS, Options
from .parallel import side_by_side
from .ranks import ALONE

if TYPE_CHECKING:
    from ..model import MLP

NOT_SIDE_BY_SIDE = ("comm", "window", "batches")  # options


def fit_many(nets: Sequence[MLP], X: Any, y: Any, *, each: Sequence[Mapping[str, Any]] | None = None,
             n_threads: int | None = None, **options: Any) -> list[History]:
    """Fit networks to the same data at the same time, each on one thread: to compare seeds, rates or folds.

    nets : MLPs, all different objects. X : (n, d(0)), y : (n,) or (n, d(L)), as in MLP.fit; networks of the same dtype
    share one copy of X, or read X itself if it has that dtype. each : a dict of options of MLP.fit for each network,
    which take precedence over `options`. n_threads : how many networks train at a time, None for as many as are
    allowed. options : options of MLP.fit for all networks, except comm, window and batches, since the networks share
    rows in memory. Functions and callbacks given to several networks are called from several threads. Callbacks with
    state, such as EarlyStopping, must not be shared between networks: ValueError.

    Weights and Histories have the same bits as fits one after another. Returns the Histories, in the order of nets.
    TypeError or ValueError for wrong nets, options, targets or weights, before any network is trained. An exception of
    one fit is raised here once the others have ended. Ctrl-C stops all of them.
    """
    each = _checked(nets, each)
    threads = _threads.allowed()
    if n_threads is not None:
        threads = _checks.integer("n_threads", n_threads, 1, _core.MOST_THREADS)
    shared: dict[Any, Any] = {}
    for net in nets:
        key = net.dtype, net.d[0]
        if key not in shared:
            shared[key] = net._network.features(X)
    given = [{**options, **own} for own in each]
    callbacks: dict[int, Callback] = {}
    for i, net in enumerate(nets):
        with _checks.under(f"each[{i}]") if each[i] else contextlib.nullcontext():
            asked = _check(net, shared[net.dtype, net.d[0]], y, given[i])
        _require_own(asked, callbacks)
        callbacks |= {id(callback): callback for callback in asked}
    fits = [lambda net=net, its=its: net.fit(shared[net.dtype, net.d[0]], y, n_threads=1, **its)
            for net, its in zip(nets, given)]
    return side_by_side(fits, threads, all_end=True)


def _checked(nets: Any, each: Any) -> Sequence[Mapping[str, Any]]:
    """`each` as a list of dicts, after checking it and nets."""
    if not isinstance(nets, (list, tuple)) or not all(hasattr(net, "_network") for net in nets):
        raise TypeError(f"nets must be a list of MLP, got {_checks.described(nets)}")
    if len({id(net) for net in nets}) < len(nets):
        raise ValueError("nets must be different networks, got one of them twice")
    if each is None:
        return [{}] * len(nets)
    if not isinstance(each, (list, tuple)) or not all(isinstance(own, Mapping) for own in each):
        raise TypeError(f"each must be a list of dicts of options, got {_checks.described(each)}")
    if len(each) != len(nets):
        raise ValueError(f"each must have as many dicts as there are nets, {len(nets)}, got {len(each)}")
    return each


def _require_own(callbacks: Sequence[Callback], known: Mapping[int, Callback]) -> None:
    """ValueError if a callback for one fit at a time is also given to another network. known: callbacks by id."""
    for callback in callbacks:
        if callback.of_one_fit and id(callback) in known:
            raise ValueError(f"callbacks must be of each network's own where they keep what they see of a fit: give "
                             f"each=[{{'callbacks': ..}}, ..], got {callback!r} for several")


def _check(net: MLP, X: Any, y: Any, given: Mapping[str, Any]) -> list[Callback]:
    """Check that a network can be fitted to X and y with the given options; return the callbacks of its fit."""
    for name, value in given.items():
        if name not in DEFAULTS or name == "n_threads":
            known = ", ".join(known for known in DEFAULTS if known not in (*NOT_SIDE_BY_SIDE, "n_threads"))
            raise TypeError(f"options must be of {known}, got {_checks.described(name)}")
        if name in NOT_SIDE_BY_SIDE and value is not None:
            raise ValueError(f"{name} must be None for fit_many, whose networks share rows that are in memory: "
                             f"use MLP.fit, got {_checks.described(value)}")
    options, network = Options(**given), net._network
    options.check(None, network.loss)
    found = classes.find(network, y, options)
    try:
        Measures(network, network.bind(X, y, options.sample_weight), None, y, options, ALONE)
    finally:
        if found:
            network.classes = None
    return list(options.callbacks)
