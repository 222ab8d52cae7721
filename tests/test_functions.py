"""The kernels' own exp, log and their like: within 4 ULP of the truth, on every instruction set."""
import math

import numpy as np
import pytest

from fastmlp import _core

ULP = 4
WIDER = {"float32": np.float64, "float64": np.longdouble}
INF, NAN = np.inf, np.nan


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


erfc = np.vectorize(math.erfc, otypes=[float])

# where sin and cos are accurate: |x| <= n pi/2
PERIODIC = {dtype: (-n * math.pi / 2, n * math.pi / 2) for dtype, n in (("float32", 2**12), ("float64", 2**20))}

# name -> the truth; its domain by dtype, as far as results are neither 0 nor infinite; special values
FUNCTIONS = {
    "exp": (np.exp, {"float32": (-104, 88.72), "float64": (-745.2, 709.78)}, [INF, -INF, NAN, 0.0, -0.0, 1e30, -1e30]),
    "expm1": (np.expm1, {"float32": (-104, 0), "float64": (-746, 0)}, [-INF, NAN, 0.0, -0.0, -1e30]),
    "log": (np.log, {"float32": (1e-45, 3.4e38), "float64": (5e-324, 1.79e308)}, [INF, NAN, 0.0, 1.0]),
    "log1p": (np.log1p, {"float32": (0, 1), "float64": (0, 1)}, [NAN, 0.0]),
    "erfc": (erfc, {"float32": (0, 10.05), "float64": (0, 27.2)}, [INF, NAN, 1e30]),
    "tanh": (np.tanh, {"float32": (-20, 20), "float64": (-40, 40)}, [INF, -INF, NAN, 0.0, -0.0, 1e30, -1e30]),
    "sigmoid": (sigmoid, {"float32": (-103, 104), "float64": (-744, 746)}, [INF, -INF, NAN, 0.0, -0.0, 1e30, -1e30]),
    "sin": (np.sin, PERIODIC, [INF, -INF, NAN, 0.0]),
    "cos": (np.cos, PERIODIC, [INF, -INF, NAN, 0.0]),
}

functions = pytest.mark.parametrize("name", FUNCTIONS)
dtypes = pytest.mark.parametrize("dtype", WIDER)
isas = pytest.mark.parametrize("isa", _core.available_isas())


def arguments(lo, hi, dtype, n=100_000):
    """Evenly spread, spread over all magnitudes, and the ends and other corners."""
    rng = np.random.default_rng(0)
    info, largest = np.finfo(dtype), max(abs(lo), abs(hi))
    magnitudes = np.exp(rng.uniform(math.log(info.smallest_subnormal), math.log(largest), n))
    corners = np.concatenate([[lo, hi, info.tiny, info.eps, 1.0], np.arange(1, 33) * math.log(2) / 2])
    corners = np.concatenate([np.nextafter(corners.astype(dtype), dtype(t)) for t in (0, np.inf)] + [corners])
    x = np.concatenate([rng.uniform(lo, min(hi, lo + 1e4), n), rng.uniform(0.5, 2.0, n), magnitudes, -magnitudes,
                        corners, -corners])
    return np.unique(x[(x >= lo) & (x <= hi)].astype(dtype))


def ulps(out, true):
    """The error in units in the last place of the result's dtype, which are those of subnormal numbers at the end."""
    assert np.isfinite(out).all()
    with np.errstate(under="ignore"):
        unit = np.spacing(np.abs(true).astype(out.dtype))
    return np.abs(out.astype(true.dtype) - true) / unit


@isas
@dtypes
@functions
def test_accuracy(name, dtype, isa):
    true, domain, _ = FUNCTIONS[name]
    x = arguments(*domain[dtype], np.dtype(dtype).type)
    with np.errstate(under="ignore"):
        error = ulps(_core.function(name, x, isa), true(x.astype(WIDER[dtype])))
    # erfc has a longer polynomial, and a factor e^(-x^2): the relative error of x^2 times x^2
    bound = 6 + x.astype(np.float64) ** 2 if name == "erfc" else ULP
    # where the reference has no more digits than the function, it may be off itself
    bound = bound + (np.finfo(true(x[:1].astype(WIDER[dtype])).dtype).eps >= np.finfo(dtype).eps)
    worst = np.argmax(error - bound)
    assert (error <= bound).all(), f"{error[worst]:.3g} ULP at {x[worst]!r}"


@isas
@dtypes
@functions
def test_special_values(name, dtype, isa):
    true, _, special = FUNCTIONS[name]
    x = np.array(special, dtype)
    with np.errstate(all="ignore"):
        wanted = true(x).astype(dtype)
    out = _core.function(name, x, isa)
    np.testing.assert_array_equal(out, wanted)
    if name == "tanh":
        np.testing.assert_array_equal(np.signbit(out[~np.isnan(x)]), np.signbit(wanted[~np.isnan(x)]))


@isas
@dtypes
@functions
def test_range(name, dtype, isa):
    """A probability is never above 1 by more than rounding, nor below 0."""
    low, high = {"exp": (0, INF), "expm1": (-1, 0), "log1p": (0, math.log(2)), "erfc": (0, 1), "tanh": (-1, 1),
                 "sigmoid": (0, 1), "sin": (-1, 1), "cos": (-1, 1)}.get(name, (-INF, INF))
    out = _core.function(name, arguments(*FUNCTIONS[name][1][dtype], np.dtype(dtype).type), isa)
    assert out.min() >= low and out.max() <= np.nextafter(np.dtype(dtype).type(high), np.dtype(dtype).type(INF))


@isas
@dtypes
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_periodic_functions_near_their_zeros(name, dtype, isa):
    """Where the argument is near a multiple of pi/2, so that all of its first digits cancel."""
    true, domain, _ = FUNCTIONS[name]
    n = round(domain[dtype][1] / (math.pi / 2))
    multiples = np.random.default_rng(0).integers(-n, n + 1, 100_000).astype(np.longdouble)
    nearest = (multiples * np.arctan(np.longdouble(1)) * 2).astype(dtype)
    x = np.concatenate([nearest, np.nextafter(nearest, np.dtype(dtype).type(0)), nearest * 4])
    x = x[np.abs(x) <= domain[dtype][1]]
    error = ulps(_core.function(name, x, isa), true(x.astype(np.longdouble)))
    assert error.max() <= ULP


@isas
@dtypes
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_periodic_functions_of_numbers_too_large_for_them(name, dtype, isa):
    """Still a number between -1 and 1."""
    x = np.geomspace(1e4, np.finfo(dtype).max / 2, 10_000).astype(dtype)
    out = _core.function(name, np.concatenate([x, -x]), isa)
    assert (np.abs(out) <= 1).all()


@dtypes
@functions
def test_same_bits_with_fused_multiply_add(name, dtype):
    fused = [isa for isa in _core.available_isas() if isa != "generic"]
    x = arguments(*FUNCTIONS[name][1][dtype], np.dtype(dtype).type)
    assert len({_core.function(name, x, isa).tobytes() for isa in fused}) <= 1


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match="sine"):
        _core.function("sine", np.zeros(3))
    with pytest.raises(ValueError, match="isa"):
        _core.function("exp", np.zeros(3), "mmx")
