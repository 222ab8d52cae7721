"""Write an estimator of tables as one C99 file, with columns of numbers and categories."""
from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _c
from ._estimators import row
from ._tables import hashed, labels_of, names_of, require_columns, require_told_apart

CATEGORIES = """
 *
 * {real} {name}_category(size_t column, const char *label): what x of a column of categories has for a label, which is
 * text in UTF-8, "3" for the number 3; NULL for a missing one"""
CATEGORY = """\
PUBLIC real category(size_t column, const char *label);
PUBLIC real category(size_t column, const char *label)
{{
    switch (column) {{
{cases}
    default: return 0;
    }}
}}
"""


def of_estimator(est: Any, path: str | os.PathLike[str] | None, dtype: Any, name: str, weights: str | None) -> str:
    """Implements to_c of an estimator of tables."""
    file, kind = _c.checked(path, dtype, name, weights), row(ESTIMATORS, est, "an MLP, as network_ of estimators is")
    names, categories, notes = names_of(est), "category" in est.kinds_, ""
    require_columns(est, "C")
    d_out, statements = kind(file, est)
    if categories:
        file.own["category"] = CATEGORY.format(cases="\n".join(labels_by_column(file, est)))
        notes = CATEGORIES.format(name=name, real="float" if file.dtype == np.float32 else "double")
    marks = (" (a category)" if of_kind == "category" else "" for of_kind in est.kinds_)
    model = f"{type(est).__name__}, x: {', '.join(map(str.__add__, map(ascii, names), marks))}"
    return _c.saved(_c.rendered(file, name, model, len(names), d_out, statements, notes=notes), path)


# ---- columns


def number(file: _c.CFile, name: Any, column: int, block: Any) -> list[str]:
    """The statements that encode a column of numbers."""
    require_told_apart(block, name, file.dtype)
    statements = []
    if block.scale:
        from ..tabular.encode import CLIP, MOST

        edges, values = (file.array(f"{what}{column}", some if len(some) else None)
                         for what, some in (("edges", block.edges), ("values", block.values)))
        centre, scale, clip, most, factor = (file.number(file.dtype.type(value)) for value in
                                             (block.centre, block.scale, CLIP, MOST, block.part_scale))
        file.functions.add("encode")
        n_parts = max(0, len(block.edges) - 1)
        statements.append(f"at = encode(x[{column}], {centre}, {scale}, {clip}, {most}, {edges}, {n_parts}, {values}, "
                          f"{len(block.values)}, {factor}, at);")
    if block.misses:
        file.functions.add("misses")
        statements.append(f"at = misses(x[{column}], at);")
    return statements


def category(file: _c.CFile, name: Any, column: int, block: Any) -> list[str]:
    """The statements that encode a column of categories."""
    labels, width = labels_of(block), block.width
    if block.many:
        warnings.warn(hashed(name, "C"), stacklevel=7)
    feature = lambda place: width if place is None else place  # past the last one if there is none
    known = coded(block)
    file.functions.add("one_of")
    places = "NULL"
    if known:
        places = file.integers(f"places{column}", np.array([feature(labels.places[label]) for label in known]))
    statements = [f"at = one_of(x[{column}], {places}, {len(known)}, {feature(labels.others)}, "
                  f"{feature(labels.missing)}, at, {width});"]
    if labels.frequency_at is not None:
        file.functions.add("frequency")
        common = file.array(f"frequency{column}", [labels.frequencies[label] for label in known])
        back = width - labels.frequency_at
        statements.append(f"at[-{back}] = frequency(x[{column}], {common}, {len(known)});")
    return statements


def coded(block: Any) -> list[str]:
    """The labels of a CategoryBlock that have a code, which is their index in this list."""
    return [*block.levels, *(block.counts if block.many else ())]


def labels_by_column(file: _c.CFile, est: Any) -> list[str]:
    """The cases of the switch over columns in CATEGORY."""
    file.functions.add("code_of")
    coded_of = {column: coded(block) for column, _, block in est._encoder.blocks if est.kinds_[column] == "category"}
    cases = []
    for column in (column for column, kind in enumerate(est.kinds_) if kind == "category"):
        labels = coded_of.get(column, [])  # none where the column was constant, and has no features
        texts = file.texts(f"labels{column}", labels)
        cases.append(f"    case {column}: return code_of(label, {texts}, {len(labels)});")
    return cases


# name of an encoding's class -> (file, name of the column, its number, encoding) -> statements
BLOCKS: dict[str, Callable[[_c.CFile, Any, int, Any], list[str]]] = {"NumberBlock": number, "CategoryBlock": category}


# ---- networks


def means(file: _c.CFile, est: Any, d_out: int) -> list[str]:
    """The statements that compute the mean of the networks' predictions, in out."""
    d, encoded = max(1, est._encoder.n_features), []
    for column, _, block in est._encoder.blocks:
        encoded += BLOCKS[type(block).__name__](file, names_of(est)[column], column, block)
    begin = "real *at = features;" if encoded else "(void)x;"
    return [f"ROOM real features[{d}] = {{0}};", begin, *encoded, *members(file, est._members(), d_out)]


def members(file: _c.CFile, nets: list[Any], d_out: int) -> list[str]:
    """The statements that compute the mean of the networks' predictions from features, in out."""
    for i, net in enumerate(nets):
        file.define(f"member{i}", file.network(net, f"member{i}_"))
    file.prefix = ""
    if len(nets) == 1:
        return ["member0(features, out);"]
    file.functions.update(("accumulate", "divide"))
    more = [line for i in range(1, len(nets))
            for line in (f"member{i}(features, one);", f"accumulate(out, one, {d_out});")]
    return [f"ROOM real one[{d_out}];", "member0(features, out);", *more,
            f"divide(out, {file.number(file.dtype.type(len(nets)))}, {d_out});"]


# ---- estimators: (number of outputs, statements that compute them in out)

Outputs = tuple[int, list[str]]


def classifier(file: _c.CFile, est: Any) -> Outputs:
    """Probabilities."""
    n_classes = len(est.classes_)
    return n_classes, ["(void)x;", "out[0] = 1;"] if n_classes == 1 else means(file, est, n_classes)


def regressor(file: _c.CFile, est: Any) -> Outputs:
    """The mean of y."""
    statements, scale = means(file, est, 1), est._scale
    number = lambda value: file.number(file.dtype.type(value))
    if scale.power == 1.0:  # which is linear
        shift = number(scale.mean * scale.unit + scale.centre)
        statements.append(f"out[0] = out[0] * {number(scale.scale * scale.unit)} + {shift};")
    else:
        values, last = file.array("smeared", scale.smeared), len(scale.points) - 1
        file.functions.add("interpolated")
        step = number((scale.points[-1] - scale.points[0]) / last)
        statements.append(f"out[0] = interpolated(out[0], {number(scale.points[0])}, {step}, {values}, {last});")
    if est.clip:
        file.functions.add("clipped")
        statements.append(f"out[0] = clipped(out[0], {number(scale.least)}, {number(scale.most)});")
    return 1, statements


# name of the class -> (file, estimator) -> what it gives
ESTIMATORS: dict[str, Callable[[_c.CFile, Any], Outputs]] = {
    "TabularClassifier": classifier, "TabularRegressor": regressor,
}
