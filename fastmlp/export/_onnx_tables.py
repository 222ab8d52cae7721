"""Tables in ONNX: columns as inputs, and their encodings.

All columns of numbers are one matrix and encoded at once, so that the graph has few operators however many there are.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._onnx import ModelGraph, element_type
from ._onnx_kinds import Graph, number
from ._tables import hashed, labels_of, names_of, require_columns, require_told_apart

TRADITIONAL = "ai.onnx.ml"  # the domain of LabelEncoder
NOWHERE = -1  # the code of a label that has no feature
MISSING = ""  # what stands for a category that is missing
RESERVED = ("label", "probabilities", "variable")  # names of outputs


class Columns(NamedTuple):
    """The columns of a table in a graph.

    numbers: the name of the matrix of those of numbers, "" where there are none. places: column -> its place in that.
    texts: column -> the name of its categories, (n, 1). names: what users call each.
    """

    numbers: str
    places: dict[int, int]
    texts: dict[int, str]
    names: Sequence[Any]

    def any(self) -> str:
        """A matrix with a row for each of the table's."""
        return self.numbers or self.texts[0]


class Block(NamedTuple):
    """An encoding in a table's. column: what it encodes. begin: the place of its first feature."""

    column: int
    begin: int
    encoding: Any


class Encoded(NamedTuple):
    """Features: the name of their matrix, and the place of each in the table's."""

    value: str
    places: list[int]


# ---- inputs


def inputs(graph: ModelGraph, est: Any) -> Columns:
    """The inputs of an estimator's model: a matrix X if all columns are numbers, otherwise (n, 1) for each by name."""
    require_columns(est, "ONNX")
    names = names_of(est)
    if set(est.kinds_) == {"number"}:
        return of_matrix(graph.input("X", graph.dtype, (len(names),)), est)
    called = [f"x{name}" if est._names is None else str(name) for name in names]
    for name in called:
        if called.count(name) > 1 or name in ("", *RESERVED):
            raise ValueError("columns must have different names for ONNX, none of them empty or one of "
                             f"{', '.join(RESERVED)}, got {name!r}: fit to a table with other names")
    return of_columns(graph, est, [graph.input(name, graph.dtype if kind == "number" else object, (1,))
                                   for name, kind in zip(called, est.kinds_)])


def of_matrix(x: str, est: Any) -> Columns:
    """The columns of an estimator, all numbers, in a matrix."""
    names = names_of(est)
    return Columns(x, {j: j for j in range(len(names))}, {}, names)


def of_columns(graph: Graph, est: Any, read: Sequence[str]) -> Columns:
    """The columns of an estimator, (n, 1) each."""
    numeric = [j for j, kind in enumerate(est.kinds_) if kind == "number"]
    matrix = graph.op("Concat", *(read[j] for j in numeric), axis=1) if numeric else ""
    return Columns(matrix, {j: place for place, j in enumerate(numeric)},
                   {j: value for j, value in enumerate(read) if j not in numeric}, names_of(est))


# ---- encodings


def features(graph: Graph, encoder: Any, columns: Columns) -> str:
    """The features of a table, (n, d), as Encoder.transform computes them."""
    begins = np.cumsum([0, *(encoding.width for _, _, encoding in encoder.blocks)]).tolist()
    kinds: dict[str, list[Block]] = {}
    for begin, (column, _, encoding) in zip(begins, encoder.blocks):
        kinds.setdefault(type(encoding).__name__, []).append(Block(column, begin, encoding))
    encoded: list[Encoded] = []
    for kind, blocks in kinds.items():
        encoded += BLOCKS[kind](graph, columns, blocks)
    if not encoded:  # all columns are constant
        return filled(graph, 0.0, columns.any())
    places = [place for some in encoded for place in some.places]
    return picked(graph, graph.op("Concat", *(some.value for some in encoded), axis=1), np.argsort(places))


def numbers(graph: Graph, columns: Columns, blocks: Sequence[Block]) -> list[Encoded]:
    """Scaled numbers, parts of their ranges and common values, all 0 for missing numbers; and whether they are missing.
    """
    missing = graph.op("IsNaN", columns.numbers)
    rows: dict[Callable[..., str], list[tuple[Any, ...]]] = {scaled: [], part: [], common: []}
    misses = []
    for column, begin, block in blocks:
        place = columns.places[column]
        if block.scale:
            edges, values = block.edges.astype(graph.dtype), block.values.astype(graph.dtype)
            require_told_apart(block, columns.names[column], graph.dtype)
            factor, n_parts = block.part_scale, max(0, len(edges) - 1)
            rows[scaled].append((place, begin, block.centre, block.scale))
            rows[part] += [(place, begin + 1 + i, edges[i], edges[i + 1] - edges[i], factor) for i in range(n_parts)]
            rows[common] += [(place, begin + 1 + n_parts + i, value, factor) for i, value in enumerate(values)]
        if block.misses:
            misses.append((place, begin + block.width - 1))
    encoded = [of_numbers(graph, columns.numbers, missing, function, some) for function, some in rows.items() if some]
    if misses:
        of, at = zip(*misses)
        encoded.append(Encoded(as_number(graph, picked(graph, missing, of)), list(at)))
    return encoded


def of_numbers(graph: Graph, x: str, missing: str, function: Callable[..., str],
               rows: Sequence[tuple[Any, ...]]) -> Encoded:
    """Features that are one function of a number and constants. rows: (column of x, place, constants..) of each."""
    column, places, *constants = zip(*rows)
    value = function(graph, picked(graph, x, column), *(graph.constant(np.array(c, graph.dtype)) for c in constants))
    return Encoded(graph.op("Where", picked(graph, missing, column), number(graph, 0.0), value), list(places))


def scaled(graph: Graph, x: str, centre: str, scale: str) -> str:
    """z / sqrt(1 + (z / CLIP)^2), z = (x - centre) / scale"""
    from ..tabular.encode import CLIP, MOST

    z = graph.op("Div", graph.op("Sub", x, centre), scale)
    z = graph.op("Clip", z, number(graph, -MOST), number(graph, MOST))
    ratio = graph.op("Div", z, number(graph, CLIP))
    square = graph.op("Mul", ratio, ratio)
    return graph.op("Div", z, graph.op("Sqrt", graph.op("Add", square, number(graph, 1.0))))


def part(graph: Graph, x: str, low: str, width: str, factor: str) -> str:
    """the fraction of a part of the range that is below x"""
    within = graph.op("Div", graph.op("Sub", x, low), width)
    return graph.op("Mul", graph.op("Clip", within, number(graph, 0.0), number(graph, 1.0)), factor)


def common(graph: Graph, x: str, value: str, factor: str) -> str:
    """whether x equals a value"""
    return graph.op("Mul", as_number(graph, graph.op("Equal", x, value)), factor)


def categories(graph: Graph, columns: Columns, blocks: Sequence[Block]) -> list[Encoded]:
    """A feature for each code of a label; for labels without their own feature also their frequency."""
    codes, hot, encoded = [], [], []
    for place, (column, begin, block) in enumerate(blocks):
        name, text, labels = columns.names[column], columns.texts[column], labels_of(block)
        if block.many:
            warnings.warn(hashed(name, "ONNX"), stacklevel=8)
        if MISSING in labels.places and block.misses:
            raise ValueError("columns must not have both missing categories and empty text for ONNX, where these are "
                             f"one, got {name!r}: fit to a table in which one of them is replaced")
        known = {MISSING: labels.missing, **labels.places}
        codes.append(graph.op("LabelEncoder", text, domain=TRADITIONAL, keys_strings=[*known],
                              values_int64s=[coded(feature) for feature in known.values()],
                              default_int64=coded(labels.others)))
        at = labels.frequency_at
        hot += [(place, begin + i, i) for i in range(block.width) if i != at]
        if at is not None:
            common = {MISSING: 0.0, **labels.frequencies}
            frequency = graph.op("LabelEncoder", text, domain=TRADITIONAL, keys_strings=[*common],
                                 values_floats=[*common.values()], default_float=0.0)
            encoded.append(Encoded(as_number(graph, frequency), [begin + at]))
    of, places, wanted = zip(*hot)
    code = picked(graph, graph.op("Concat", *codes, axis=1), of)
    equal = graph.op("Equal", code, graph.constant(np.array(wanted, np.int64)))
    return [Encoded(as_number(graph, equal), list(places)), *encoded]


def coded(feature: int | None) -> int:
    """The code of a label whose feature this is."""
    return NOWHERE if feature is None else feature


# name of an encoding's class -> (graph, columns, blocks) -> features
BLOCKS: dict[str, Callable[[Graph, Columns, Sequence[Block]], list[Encoded]]] = {
    "NumberBlock": numbers, "CategoryBlock": categories,
}


# ---- targets


def mean_of(graph: Graph, values: Sequence[str]) -> str:
    """The mean of the members' values. (The operator Mean is float32 only in some runtimes.)"""
    if len(values) == 1:
        return values[0]
    return graph.op("Div", graph.op("Sum", *values), number(graph, len(values)))


def targets(graph: Graph, scale: Any, output: str, clip: bool) -> str:
    """The predictions for outputs, as TargetScale.means computes them."""
    if scale.power == 1.0:  # which is linear
        y = graph.op("Mul", output, number(graph, scale.scale * scale.unit))
        y = graph.op("Add", y, number(graph, scale.mean * scale.unit + scale.centre))
    else:
        y = interpolated(graph, output, scale.points, scale.smeared)
    return graph.op("Clip", y, number(graph, scale.least), number(graph, scale.most)) if clip else y


def interpolated(graph: Graph, x: str, points: Any, values: Any) -> str:
    """Linear interpolation between equidistant points; outside, the first or last value."""
    last = len(points) - 1
    within = graph.op("Clip", x, number(graph, points[0]), number(graph, points[-1]))
    from_first = graph.op("Sub", within, number(graph, points[0]))
    steps = graph.op("Div", from_first, number(graph, (points[-1] - points[0]) / last))
    whole = graph.op("Min", graph.op("Floor", steps), number(graph, last - 1))
    place = graph.op("Cast", whole, to=element_type(np.int64))
    low, rise = (graph.op("Gather", graph.constant(some.astype(graph.dtype)), place)
                 for some in (values[:-1], np.diff(values)))
    return graph.op("Add", low, graph.op("Mul", rise, graph.op("Sub", steps, whole)))


# ---- operators


def picked(graph: Graph, x: str, columns: Any) -> str:
    """Some columns of a matrix."""
    return graph.op("Gather", x, graph.constant(np.array(columns, np.int64)), axis=1)


def as_number(graph: Graph, x: str) -> str:
    return graph.op("Cast", x, to=element_type(graph.dtype))


def filled(graph: Graph, value: float, like: str) -> str:
    """A number (n, 1), for each row of a matrix."""
    n = graph.op("Shape", like, start=0, end=1)
    shape = graph.op("Concat", n, graph.constant(np.array([1])), axis=0)
    return graph.op("Expand", graph.constant(np.full((1, 1), value, graph.dtype)), shape)
