"""Fit an estimator with several processes together, each with its own rows."""
from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelBinarizer

from .. import _checks
from .._fit.options import local_steps
from .._fit.ranks import Ranks

if TYPE_CHECKING:
    from .._fit.groups import Groups

Fit = TypeVar("Fit", bound=Callable[..., Any])

ROWS = ("X", "y", "sample_weight")  # arguments of fit
WATCHED = ("validation_data", "X_val", "y_val", "sample_weight_val")
OF_A_RANK = ("callbacks", "n_threads", "random_state", "verbose")  # parameters that may differ from rank to rank


def together(fit: Fit) -> Fit:
    """Decorator for fit that adds the arguments `comm`, passed on as Ranks, and `sync`, stored in these. An exception
    on one rank ends all."""

    @functools.wraps(fit)
    def fit_together(self: Any, *args: Any, comm: Any = None, sync: Any = "step", **options: Any) -> Any:
        if comm is None:
            local_steps(sync)
            return fit(self, *args, **options)
        from .._fit.collective import ranks_of
        from .._fit.groups import groups_of  # here: few fits have a communicator

        groups = groups_of(comm)
        if groups is not None:
            return _fit_in_groups(fit_together, groups, self, *args, sync=sync, **options)
        with ranks_of(comm) as ranks:
            steps = local_steps(sync)
            if ranks.several:
                ranks.local_steps = steps
            return fit(self, *args, comm=ranks, **options)

    return fit_together  # type: ignore[return-value]


def _fit_in_groups(fit: Callable[..., Any], groups: Groups, est: Any, *args: Any, **options: Any) -> Any:
    """Fit an estimator with one rank for each group of rows; rank 0 fits est itself, the others copies."""
    from .._fit.groups import cut, run

    given = inspect.signature(fit).bind(est, *args, **options).arguments
    parts = cut(groups, {name: given.get(name) for name in ROWS}, {name: given.get(name) for name in WATCHED})
    others = {name: value for name, value in given.items() if name not in (*ROWS, *WATCHED, "self")}
    ests = [est, *(_quiet_copy(est) for _ in parts[1:])]
    return run(lambda comm: fit(ests[comm.rank], comm=comm, **parts[comm.rank], **others), len(parts))


def _quiet_copy(est: Any) -> Any:
    """A copy without callbacks and output."""
    twin = object.__new__(type(est))
    twin.__setstate__(copy.deepcopy({**est.__getstate__(), "callbacks": None, "verbose": False}))
    return twin


def require_same_parameters(est: Any, ranks: Ranks, validation_data: Any) -> None:
    """ValueError if ranks have different parameters, or parameters that are not possible with several ranks."""
    if not est._stochastic:
        raise ValueError("comm must be None for solver='lbfgs', which takes no batches: use 'adam' or 'sgd'")
    if est.monitor not in (None, "loss", "score"):
        raise ValueError("monitor must be 'loss', 'score' or None where comm is given: a scorer wants all rows at "
                         f"once, got {_checks.described(est.monitor)}")
    given = {name: getattr(est, name) for name in est._get_param_names() if name not in OF_A_RANK}
    ranks.require_same({"the estimator": type(est).__name__, **given, "sync": ranks.local_steps or "step",
                        "whether there is validation_data": validation_data is not None})


def labels_of(y: Any, ranks: Ranks) -> tuple[NDArray[Any], str, bool]:
    """(classes, scikit-learn's type of target, whether y is sparse) for the y of all ranks."""
    if not ranks.several:
        return _labels(y)
    classes, kind, is_sparse = _labels(y) if y.shape[0] else (np.empty(0), None, False)
    said = [json.loads(text) for text in _texts(ranks, json.dumps([classes.tolist(), str(classes.dtype), kind]))]
    kinds = {kind if kind.startswith("multilabel") else "label" for _, _, kind in said if kind}
    found = [np.array(names, dtype) for names, dtype, kind in said if kind]
    if not found:
        raise ValueError("y must have at least one row on some rank, got none on any")
    if len(kinds) > 1 or len({_is_text(a) for a in found}) > 1:
        raise ValueError("y must be labels of one kind on all ranks, got "
                         + ", ".join(sorted({f"{kind} of {dtype}" for _, dtype, kind in said if kind})))
    if "label" not in kinds:
        if len({len(a) for a in found}) > 1:
            raise ValueError(f"y must have as many columns on all ranks, got {[len(a) for a in found]}")
        return found[0], kinds.pop(), ranks.any(is_sparse)
    classes = np.unique(np.concatenate(found))
    return classes, "multiclass" if len(classes) > 2 else "binary", False


def _labels(y: Any) -> tuple[NDArray[Any], str, bool]:
    with _checks.under("y"):
        binarizer = LabelBinarizer().fit(y)
    return binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_


def _is_text(a: NDArray[Any]) -> bool:
    return a.dtype.kind in "OU"


def _texts(ranks: Ranks, text: str) -> list[str]:
    """The texts of all ranks, in their order."""
    code = np.frombuffer(text.encode(), np.uint8)
    ends = np.cumsum(ranks.gather(np.array([len(code)])))
    whole = ranks.gather(code).astype(np.uint8).tobytes()
    return [whole[begin:end].decode() for begin, end in zip([0, *ends], ends)]


def balanced(classes: NDArray[Any], y: Any, ranks: Ranks) -> dict[Any, float]:
    """{class: weight} such that all classes have the same total weight over the rows of all ranks."""
    counts = ranks.sum_(np.array([float(np.sum(y == name)) for name in classes]))
    return {name: counts.sum() / (len(classes) * count) for name, count in zip(classes.tolist(), counts) if count}
