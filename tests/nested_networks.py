"""Random networks with layers of all kinds, blocks in blocks and batch normalisation, for the tests of the formats."""
from hypothesis import strategies as st

from drawn_layers import activations, by_feature, embeddings, grouped, numeric, some, windows
from fastmlp import (
    MLP,
    BatchNorm,
    Columns,
    Concat,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    Residual,
)

DEEPEST = 3  # blocks in each other
MOST_UNITS = 20  # that waves and bins are made of


def shape_after(first, layers):
    return MLP([first, *layers, Dense(1)]).shapes[-2]


@st.composite
def entries(draw):
    """A list for MLP."""
    kind = draw(st.sampled_from(["rows", "rows", "columns", "maps", "maps"]))
    if kind == "maps":
        layers = draw(of_maps())
    elif kind == "columns":
        layers = draw(with_categories())
        layers += draw(in_a_row(MLP([*layers, Dense(1)]).shapes[-2][0], 0, 0, 3))
    else:
        d = draw(some(1, 12))
        layers = [d, *draw(in_a_row(d, 0, 1, 4))]
    return [*layers, Dense(draw(some(1, 6)), draw(st.sampled_from(["identity", "tanh"])), draw(st.booleans()))]


@st.composite
def with_categories(draw):
    tables, n = draw(embeddings), draw(some(0, 5))
    if n and draw(st.booleans()):
        return [n + len(tables), Concat([Columns(n), *draw(in_a_row(n, 2, 0, 2))], Columns(draw(some(0, n)), tables))]
    return [Columns(n, tables)]


@st.composite
def of_maps(draw):
    shape = draw(st.one_of(st.tuples(some(1, 9), some(1, 4)), st.tuples(some(1, 6), some(1, 6), some(1, 3))))
    layers = [shape, *draw(in_a_row(shape, 0, 1, 4))]
    layers += draw(st.sampled_from([[], [Flatten()], [GlobalAvgPool()]]))
    after = shape_after(shape, layers[1:])
    return layers + (draw(in_a_row(after[0], 1, 0, 2)) if len(after) == 1 else [])


@st.composite
def in_a_row(draw, first, depth, least, most, same_size=False):
    """Layers after a row of units, or after maps; same_size: which keep the size of maps."""
    layers = []
    for _ in range(draw(some(least, most))):
        shape = shape_after(first, layers)
        layers.append(draw(of_units(shape, depth) if len(shape) == 1 else of_channels(shape, depth, same_size)))
    return layers


@st.composite
def of_features(draw, shape):
    kind = draw(st.sampled_from([None, None, BatchNorm(0.3), Dropout(0.3), Identity()]))
    return draw(by_feature(shape, False)) if kind is None else kind


@st.composite
def of_units(draw, shape, depth):
    (d,), theta, bias = shape, draw(activations(False)), draw(st.booleans())
    kinds = ["dense", "feature", "feature", "groups"] + ["numeric"] * 2 * (d <= MOST_UNITS)
    kinds += ["residual", "concat"] * 2 * (depth < DEEPEST)
    kind = draw(st.sampled_from(kinds))
    if kind == "feature":
        return draw(of_features(shape))
    if kind == "groups":
        return draw(grouped(shape, False))
    if kind == "numeric":
        return draw(numeric(shape, False))
    if kind == "residual":
        inner = draw(in_a_row(d, depth + 1, 0, 2))
        return Residual(*inner, Dense(4), project=True) if draw(st.booleans()) else Residual(*inner, Dense(d, theta))
    if kind == "concat":
        return Concat(*(draw(in_a_row(d, depth + 1, 0, 2)) for _ in range(draw(some(2, 3)))))
    return Dense(draw(some(1, 12)), theta, bias)


@st.composite
def of_channels(draw, shape, depth, same_size):
    conv = (Conv1D, Conv2D)[len(shape) - 2]
    kinds = ["feature", "feature", "conv"] + ["window"] * 3 * (not same_size)
    kind = draw(st.sampled_from(kinds + ["residual", "concat"] * 2 * (depth < DEEPEST)))
    if kind == "feature":
        return draw(of_features(shape))
    if kind == "window":
        return draw(windows(shape, False))
    if kind == "residual":
        inner = draw(in_a_row(shape, depth + 1, 0, 2, True))
        return Residual(*inner, conv(shape[-1], 1, draw(activations(False)), padding="same"))
    if kind == "concat":
        return Concat(*(draw(in_a_row(shape, depth + 1, 0, 2, True)) for _ in range(2)))
    kernel = tuple(draw(some(1, min(3, size))) for size in shape[:-1])
    return conv(draw(some(1, 6)), kernel, draw(activations(False)), padding="same", bias=draw(st.booleans()))
