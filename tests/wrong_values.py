"""Values of every kind, and what is near a good value and wrong: what tests/test_fuzz.py calls everything with."""

import datetime
import decimal
import fractions
import math
import pathlib
import re

import numpy as np
import pandas as pd
from scipy import sparse

from fastmlp import MLP, SGD, Dense, Frozen, MLPRegressor, Residual, TiedGroup, callbacks, schedules, sensitivity

X, WEIGHT = np.random.default_rng(0).standard_normal((6, 4)), np.ones(6)


class Broken:
    """An object that lets itself be asked for nothing."""

    def __len__(self):
        raise RuntimeError("broken")

    __iter__ = __array__ = __float__ = __index__ = __bool__ = __repr__ = __fspath__ = __len__


S = sparse.csr_array(X)


def bad_csr():
    a = sparse.csr_array(X)
    a.indices = a.indices.copy()
    a.indices[-1] = 99
    return a


VALUES = [
    None,
    True,
    False,
    np.True_,
    0,
    1,
    2,
    3,
    -1,
    -7,
    2**31,
    2**63,
    10**400,
    -(10**400),
    0.0,
    -0.0,
    0.5,
    3.7,
    -0.5,
    1e-320,
    1e39,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    1j,
    np.complex128(1 + 1j),
    np.int8(3),
    np.uint64(2**64 - 1),
    np.float16("nan"),
    np.float32("inf"),
    np.longdouble(1),
    np.datetime64("2020-01-01"),
    np.timedelta64(3, "D"),
    datetime.date(2020, 1, 1),
    datetime.timedelta(3),
    decimal.Decimal("0.5"),
    fractions.Fraction(1, 3),
    "",
    "x",
    "relu",
    "3",
    "float32",
    "probabilities",
    "loss",
    "\ud800",
    "a" * 300,
    b"",
    b"relu",
    bytearray(b"3"),
    memoryview(b"abc"),
    (),
    (1,),
    (4,),
    (1, 2),
    (1, 2, 3),
    (2, 2),
    (None,),
    ("relu",),
    ("elu", -1),
    ("elu", "x"),
    ("elu", 1, 2),
    ("huber", math.nan),
    (0.5, math.nan),
    ((), ()),
    [],
    [[]],
    [None],
    [0],
    [1],
    [4, 3, 2],
    [1, [2, 3]],
    ["a", "b"],
    [b"a"],
    [math.nan] * 4,
    [1j] * 4,
    [[1, 2], [3]],
    [object()],
    [Broken()],
    [{}],
    [10**400],
    [[10**400] * 4] * 6,
    {},
    {"a": 1},
    {0: 1},
    set(),
    {1, 2},
    frozenset({4}),
    range(4),
    slice(1),
    ...,
    NotImplemented,
    object(),
    object,
    int,
    len,
    math.sqrt,
    lambda: None,
    lambda *a: None,
    lambda *a: "x",
    lambda *a: math.nan,
    Broken(),
    Broken,
    ValueError("x"),
    re,
    iter([1, 2]),
    (i for i in range(3)),
    pathlib.Path("nowhere/x"),
    np.array(3),
    np.array(0.5),
    np.array("x"),
    np.array(None),
    np.array([]),
    np.zeros((0, 4)),
    np.zeros((6, 0)),
    np.zeros(3),
    np.zeros(4),
    np.zeros(6),
    np.zeros((4, 6)),
    np.zeros((6, 4)),
    np.zeros((6, 3)),
    np.ones((6, 2)),
    np.zeros((1, 4)),
    np.zeros((6, 4, 1)),
    np.zeros((4, 4, 2)),
    np.zeros((6, 4, 4, 2)),
    np.zeros((2, 2, 2, 2, 2)),
    np.full(4, -1),
    np.full(6, np.nan),
    np.full(6, 10**20, object),
    np.arange(6),
    np.arange(6) - 1,
    np.full(6, 2**63, np.uint64),
    np.ones((6, 4), bool),
    X * 1j,
    X.astype(str),
    X.astype("S"),
    X.astype(object),
    np.full((6, 4), None),
    np.full((6, 4), "a", object),
    np.full((6, 4), 1e300),
    np.full((6, 4), np.nan),
    np.zeros((6, 4), "M8[s]"),
    np.zeros((6, 4), "m8[s]"),
    np.zeros(6, "M8[D]"),
    np.zeros(6, "f4,f4"),
    np.zeros((6, 4), "V3"),
    np.ma.masked_less(X, 0),
    np.ma.masked_all((6, 4, 4, 2)),
    np.asmatrix(X) if hasattr(np, "asmatrix") else X,
    X.astype(">f8"),
    X.astype(np.float16),
    X.astype(np.longdouble),
    X[::-1, ::-1],
    S,
    S.tocsc(),
    S.tocoo(),
    sparse.csr_matrix(X),
    S * 1j,
    sparse.csr_array((6, 3)),
    sparse.csr_array((0, 4)),
    bad_csr(),
    sparse.csr_array(np.full((6, 4), np.nan)),
    sparse.coo_array(np.ones(4)),
    sparse.csr_array(X > 0),
    pd.DataFrame(X),
    pd.DataFrame(X).astype(str),
    pd.DataFrame({"a": pd.date_range("2020", periods=6)}),
    pd.Series(WEIGHT),
    pd.Series(["a"] * 6),
    pd.Series([1, None] * 3, dtype="Int64"),
    pd.Series([1, 2] * 3, dtype="category"),
    pd.Series([4, 3, 2]),
    pd.Series(pd.date_range("2020", periods=6)),
    pd.DataFrame(),
    pd.Index([1, 2]),
    pd.NA,
    pd.NaT,
    pd.Timestamp("2020"),
    np.random.default_rng(0),
    np.random.RandomState(0),
    np.random.SeedSequence(0),
    np.random,
    MLP([4, 2]),
    MLP,
    Dense(3),
    Dense,
    Dense(-1),
    SGD(),
    SGD,
    Residual(3),
    Frozen(1, [True]),
    TiedGroup([(1, 0, 0)]),
    TiedGroup([(1, 0)]),
    MLPRegressor,
    MLPRegressor(),
    schedules.Cosine(0.1, 3),
    sensitivity.Attack(0.1),
    callbacks.EarlyStopping(),
    callbacks.Callback,
    np.dtype("f4"),
    np.float32,
]


def spoiled(good, rng):
    """Something near a good value that may be wrong."""
    if isinstance(good, np.ndarray) and good.size:
        ways = [
            lambda a: a[:-1],
            lambda a: a[..., :-1],
            lambda a: a[None],
            lambda a: a.ravel(),
            lambda a: a.T,
            lambda a: a * -3,
            lambda a: a.astype(complex),
            lambda a: a.astype(object),
            lambda a: a.astype(str),
            lambda a: a.tolist(),
            lambda a: sparse.coo_array(a),
            lambda a: pd.DataFrame(a.reshape(len(a), -1)),
            lambda a: a * np.nan,
            lambda a: a * 1e300,
            lambda a: a.astype("M8[s]"),
            lambda a: np.ma.masked_array(a, a > 0),
            lambda a: [[v] for v in a],
            lambda a: a[:0],
            lambda a: a.astype(np.int8),
            lambda a: np.asfortranarray(a),
            lambda a: a[..., None],
        ]
        return ways[rng.integers(len(ways))](good.astype(float) if good.dtype == bool else good)
    if isinstance(good, (int, float)) and not isinstance(good, bool):
        return [
            -good,
            good * 1e9,
            float(good),
            np.array(good),
            np.array([good]),
            str(good),
            complex(good),
            [good],
            (good,) * 2,
            (good,) * 3,
            np.float32(good),
            good * 1e-60,
            pd.Series([good]),
        ][rng.integers(13)]
    if isinstance(good, str):
        return [good.upper(), good[:-1], good.encode(), [good], (good, 1), np.str_(good), (good,)][rng.integers(7)]
    return VALUES[rng.integers(len(VALUES))]


def shown(value):
    try:
        return f"{type(value).__name__} {value!r:.60}"
    except Exception:
        return type(value).__name__
