"""Estimators of tables of numbers as one C99 file each, and what to do with tables of other columns."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .. import _checks
from . import _c
from ._tables import names_of, require_told_apart

# kind of a column -> what to do where it is not a number
INSTEAD = {
    "number": "",
    "category": "use to_onnx, or fit to a table with codes, or with a column of 0 and 1 for each category",
    "time": "fit to a table with their parts, such as year, month and hour, as numbers",
}


def of_estimator(est: Any, path: str | os.PathLike[str] | None, dtype: Any, name: str, weights: str | None) -> str:
    """What to_c of an estimator of tables does."""
    file, (d_out, outputs) = _c.checked(path, dtype, name, weights), row(est)(est)
    names = names_of(est)
    for column, kind in zip(names, est.kinds_):
        if INSTEAD[kind]:
            raise ValueError(f"columns must be numbers for C, got {column!r}, a {kind}: {INSTEAD[kind]}")
    d = max(1, est._encoder.n_features)
    encoded = [line for block in est._encoder.blocks for line in number(file, names, *block)]
    begin = "real *at = features;" if encoded else "(void)x;"
    statements = [f"ROOM real features[{d}] = {{0}};", begin, *encoded, *members(file, est._members(), d_out),
                  *outputs(file)]
    model = f"{type(est).__name__}, x: {', '.join(map(ascii, names))}"
    return _c.saved(_c.rendered(file, name, model, len(names), d_out, statements), path)


def number(file: _c.CFile, names: list[Any], column: int, part: str, block: Any) -> list[str]:
    """The statements that encode a column."""
    require_told_apart(block, names[column], file.dtype)
    statements = []
    if block.scale:
        from ..tabular.encode import CLIP

        edges, values = (file.array(f"{what}{column}", some if len(some) else None)
                         for what, some in (("edges", block.edges), ("values", block.values)))
        centre, scale, clip, factor = (file.number(file.dtype.type(value))
                                       for value in (block.centre, block.scale, CLIP, block.part_scale))
        file.functions.add("encode")
        n_parts = max(0, len(block.edges) - 1)
        statements.append(f"at = encode(x[{column}], {centre}, {scale}, {clip}, {edges}, {n_parts}, {values}, "
                          f"{len(block.values)}, {factor}, at);")
    if block.misses:
        file.functions.add("misses")
        statements.append(f"at = misses(x[{column}], at);")
    return statements


def members(file: _c.CFile, nets: list[Any], d_out: int) -> list[str]:
    """The statements that have the mean of what networks predict in out."""
    for i, net in enumerate(nets):
        file.define(f"member{i}", file.network(net, f"member{i}_"))
    if len(nets) == 1:
        return ["member0(features, out);"]
    file.functions.update(("accumulate", "divide"))
    more = [line for i in range(1, len(nets))
            for line in (f"member{i}(features, one);", f"accumulate(out, one, {d_out});")]
    return [f"ROOM real one[{d_out}];", "member0(features, out);", *more,
            f"divide(out, {file.number(file.dtype.type(len(nets)))}, {d_out});"]


# ---- outputs: (d(L), what makes of the mean in out what the estimator predicts)

Outputs = tuple[int, Callable[[_c.CFile], list[str]]]


def classifier(est: Any) -> Outputs:
    """Probabilities."""
    if len(est.classes_) == 1:
        raise ValueError(f"classes_ must be two or more for C, got {est.classes_}")
    return len(est.classes_), lambda file: []


def regressor(est: Any) -> Outputs:
    """The mean of y."""
    scale = est._scale

    def means(file: _c.CFile) -> list[str]:
        number = lambda value: file.number(file.dtype.type(value))
        if scale.power == 1.0:  # which is linear
            shift = number(scale.mean * scale.unit + scale.centre)
            statements = [f"out[0] = out[0] * {number(scale.scale * scale.unit)} + {shift};"]
        else:
            file.prefix, last = "", len(scale.points) - 1
            values = file.array("smeared", scale.smeared)
            file.functions.add("interpolated")
            step = number((scale.points[-1] - scale.points[0]) / last)
            statements = [f"out[0] = interpolated(out[0], {number(scale.points[0])}, {step}, {values}, {last});"]
        if est.clip:
            file.functions.add("clipped")
            statements.append(f"out[0] = clipped(out[0], {number(scale.least)}, {number(scale.most)});")
        return statements

    return 1, means


# name of the class -> estimator -> what its outputs are
ESTIMATORS: dict[str, Callable[[Any], Outputs]] = {"TabularClassifier": classifier, "TabularRegressor": regressor}


def row(model: Any) -> Callable[[Any], Outputs]:
    """The row of ESTIMATORS that a model's class or one of its bases has. TypeError where there is none."""
    for cls in type(model).__mro__:
        if cls.__module__.startswith("fastmlp.") and cls.__name__ in ESTIMATORS:
            return ESTIMATORS[cls.__name__]
    raise TypeError(f"model must be an MLP, as network_ of estimators is, or {' or '.join(ESTIMATORS)} for C, got "
                    f"{_checks.described(model)}")
