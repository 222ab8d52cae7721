"""C: compiled by gcc and clang with all warnings, run under the sanitizers, and held to predict to the bit where the
compiler has fused multiply-add; for other processors compiled alone."""
import ctypes
import functools
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fastmlp
from export_cases import KINDS, LOSSES, networks, of_kind, of_layers, of_loss
from fastmlp import MLP, Dense, Dropout

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
FUSES = fastmlp.instruction_set() != "generic"  # which has the bits of others only where it is compiled with them
pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler")
compilers = pytest.mark.parametrize("cc", COMPILERS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
TINY = {"float32": 1e-37, "float64": 1e-300}  # below, the library has zeros


@functools.cache
def cases(dtype):
    """name -> (a network, rows): each kind of layer, each activation, each loss."""
    drawn = {kind.__name__: of_kind(kind, dtype=dtype) for kind in KINDS}
    for name in fastmlp.activations():
        given = (name, 0.3) if name in ("elu", "leaky_relu") else name
        net, X = of_layers([6, Dense(33, given), Dense(8, given), 4], dtype=dtype)
        drawn[f"act_{name}"] = net, np.concatenate([X, 30 * X, np.zeros((1, 6), dtype)])
    for loss in LOSSES:
        for targets in (1, 5):
            net, X = of_loss(loss, targets, dtype=dtype)
            drawn[name_of(loss, targets)] = net, np.concatenate([X, 30 * X])
    return drawn


def name_of(loss, targets):
    return f"{loss}_of_{targets}" if isinstance(loss, str) else f"{loss[0]}s_of_{targets}"


NAMES = [*(kind.__name__ for kind in KINDS), *(f"act_{name}" for name in fastmlp.activations()),
         *(name_of(loss, targets) for loss in LOSSES for targets in (1, 5))]
names = pytest.mark.parametrize("name", NAMES)


def build(folder, text, *options, cc=COMPILERS[0] if COMPILERS else "", name="net", language="c"):
    """The path of what a compiler makes of a text."""
    source, target = folder / f"{name}.{language}", folder / f"{name}-{cc}-{len(os.listdir(folder))}"
    source.write_text(text)
    done = subprocess.run([cc, *options, source, "-o", target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def function(library, name, dtype, d_out):
    """The function of a library that takes rows: rows -> outputs."""
    rows = getattr(library, f"{name}_rows")
    rows.argtypes, rows.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p], None

    def run(X):
        X, out = np.ascontiguousarray(X, dtype), np.full((len(X), d_out), np.nan, dtype)
        rows(X.ctypes.data, len(X), out.ctypes.data)
        return out

    return run


def loaded(folder, text, *options, **given):
    return ctypes.CDLL(build(folder, text, "-shared", "-fPIC", "-std=c99", *WARNINGS, *options, **given))


def compiled(folder, net, *options, dtype=None, **given):
    """predict_rows of a network, compiled."""
    dtype = net.dtype.name if dtype is None else dtype
    return function(loaded(folder, net.to_c(None, dtype, **given), *options), "predict", dtype, net.d[-1])


def assert_same_bits(found, wanted):
    """Equal, but for numbers so small that the library takes them for 0 where they are met."""
    tiny = TINY[wanted.dtype.name]
    np.testing.assert_array_equal(np.where(np.abs(found) < tiny, 0, found), np.where(np.abs(wanted) < tiny, 0, wanted))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """(compiler, dtype) -> a library of all cases, made when it is first asked for."""
    @functools.cache
    def library(cc, dtype):
        text = "".join(net.to_c(None, dtype, name) for name, (net, _) in cases(dtype).items())
        return loaded(tmp_path_factory.mktemp("libraries"), text, "-O3", "-march=native", cc=cc)

    return library


@pytest.mark.skipif(not FUSES, reason="no fused multiply-add")
@compilers
@dtypes
@names
def test_the_same_bits(libraries, name, dtype, cc):
    net, X = cases(dtype)[name]
    assert_same_bits(function(libraries(cc, dtype), name, dtype, net.d[-1])(X), net.predict(X))


@pytest.mark.skipif(not FUSES, reason="no fused multiply-add")
@given(networks())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture,
                                                                HealthCheck.too_slow])
def test_random_networks(tmp_path, drawn):
    net, X = drawn
    assert_same_bits(compiled(tmp_path, net, "-O2", "-march=native")(X), net.predict(X))


@dtypes
def test_near_without_fused_multiply_add(tmp_path, dtype):
    net, X = of_layers([6, Dense(20, "gelu"), Dense(20, "tanh"), 4], loss="cross_entropy", dtype=dtype)
    near = {"float32": 1e-5, "float64": 1e-13}[dtype]
    options = ["-mno-fma"] if os.uname().machine == "x86_64" else []
    np.testing.assert_allclose(compiled(tmp_path, net, "-O2", *options)(X), net.predict(X), rtol=near, atol=near)


@dtypes
def test_libm_gives_the_same_bits_without(tmp_path, dtype):
    net, X = of_layers([6, Dense(20, "gelu"), Dense(20, "tanh"), 4], loss="cross_entropy", dtype=dtype)
    options = ["-mno-fma"] if os.uname().machine == "x86_64" else []
    found = compiled(tmp_path, net, "-O2", "-DPREDICT_LIBM", *options, "-lm")(X)
    if FUSES:
        assert_same_bits(found, net.predict(X))


def test_float32_of_a_network_of_float64(tmp_path):
    net, X = of_layers([6, Dense(20, "gelu"), 4], dtype="float64")
    np.testing.assert_allclose(compiled(tmp_path, net, "-O2", dtype="float32")(X), net.predict(X), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not FUSES, reason="no fused multiply-add")
@dtypes
@pytest.mark.parametrize("weights", ["int8", "bfloat16"])
def test_weights_in_less_room(tmp_path, weights, dtype):
    entries = [(6, 5, 2), fastmlp.Conv2D(3, 3, "gelu"), fastmlp.BatchNorm(), Dense(40, "relu"), Dense(9, "tanh"),
               fastmlp.LayerNorm(), Dense(9, groups=3), 1]
    net, X = of_layers(entries, dtype=dtype)
    found = compiled(tmp_path, net, "-O3", "-march=native", weights=weights)(X)
    assert_same_bits(found, net.quantized(weights).network.predict(X))
    sizes = [build(tmp_path, net.to_c(None, dtype, weights=kept), "-c", "-Os", name=str(kept)).stat().st_size
             for kept in (weights, None)]
    assert sizes[1] - sizes[0] > 0.9 * (3 * 3 * 2 * 3 + 36 * 40 + 40 * 9 + 9) * (
        np.dtype(dtype).itemsize - {"int8": 1, "bfloat16": 2}[weights]) - 500
    with pytest.raises(ValueError, match="weights"):
        net.to_c(weights="int4")


@pytest.mark.skipif(not FUSES, reason="no fused multiply-add")
@dtypes
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_sparse_weights(tmp_path, kind, dtype):
    net, X = of_kind(kind, dtype=dtype)
    small = net.pruned(0.2).network
    assert_same_bits(compiled(tmp_path, small, "-O2", "-march=native", weights="sparse")(X), small.predict(X))


@pytest.mark.parametrize("entries", [[6, Dense(9, "tanh"), 1], [6, Dense(9, init="zeros"), 1], [6, 1]])
def test_sparse_weights_of_lone_units_and_of_none(tmp_path, entries):
    small = MLP(entries, random_state=0).pruned(0.2).network
    X = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    np.testing.assert_allclose(compiled(tmp_path, small, "-O2", weights="sparse")(X), small.predict(X), rtol=1e-5,
                               atol=1e-7)


def test_sparse_files_are_smaller(tmp_path):
    net = MLP([64, 300, 10], random_state=0)
    small = net.pruned(np.quantile(np.abs(np.concatenate([W.ravel() for W in net.W[1:]])), 0.8)).network
    sizes = [build(tmp_path, small.to_c(weights=kept), "-c", "-Os", name=str(kept)).stat().st_size
             for kept in (None, "sparse")]
    weights = 64 * 300 + 300 * 10
    assert sizes[0] - sizes[1] == pytest.approx((4 - 4 * 0.2 - 1 / 8) * weights, rel=0.02)


def test_the_file_says_what_room_it_takes_and_what_that_costs():
    net, _ = of_layers([16, Dense(32, "tanh"), 4], loss="cross_entropy")
    matrices, biases = 16 * 32 + 32 * 4, 32 + 4
    for weights, constants in ((None, 4 * (matrices + biases)), ("bfloat16", 2 * matrices + 4 * biases),
                               ("int8", matrices + 4 * biases + 4 * biases)):  # with a factor for each unit
        head = net.to_c(weights=weights).partition("*/")[0]
        assert f"Numbers of the network take {constants:,} bytes, values of layers 128." in head
        said = re.search(rf"kept as {weights}, by\n \* which they change by at most (\S+); .* is (\S+)% of", head)
        assert (said is None) == (weights is None)
        if weights is not None:
            W = [np.concatenate([M.ravel() for M in some.W[1:]]) for some in (net, net.quantized(weights).network)]
            largest, share = map(float, said.groups())
            assert largest == pytest.approx(np.abs(W[1] - W[0]).max(), rel=0.01)
            assert share / 100 == pytest.approx(np.linalg.norm(W[1] - W[0]) / np.linalg.norm(W[0]), abs=1e-4)
    assert "take 5,408 bytes, values of layers 256" in net.to_c(dtype="float64")


MAIN = """
#include <stdio.h>
#include <string.h>
#include "{included}"
{functions}
int main(int argc, char **argv)
{{
    {calls}
    return argc > 9;
}}
"""
FUNCTION = """
static int run_{name}(void)
{{
    static float x[{n} * {d_in}], out[{n} * {d_out}];
    if (fread(x, sizeof *x, {n} * {d_in}, stdin) != {n} * {d_in}) return 1;
    {name}_rows(x, {n}, out);
    return fwrite(out, sizeof *out, {n} * {d_out}, stdout) != {n} * {d_out};
}}
"""


def program(folder, nets, *options, cc, language="c"):
    """A program that takes the rows of the network that its argument names from standard input to standard output.
    nets : name -> (network, rows), which gives their number."""
    (folder / "included.h").write_text("".join(net.to_c(name=name) for name, (net, _) in nets.items()))
    functions = (FUNCTION.format(name=name, n=len(X), d_in=net.d[0], d_out=net.d[-1])
                 for name, (net, X) in nets.items())
    calls = (f'if (!strcmp(argv[1], "{name}")) return run_{name}();' for name in nets)
    text = MAIN.format(included=folder / "included.h", functions="".join(functions), calls="\n    ".join(calls))
    return build(folder, text, *WARNINGS, *options, cc=cc, name="main", language=language)


def outputs_of(command, X, d_out):
    # without a sanitizer that the tests run under
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, input=X.tobytes(), capture_output=True, env=environment)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    return np.frombuffer(done.stdout, np.float32).reshape(len(X), d_out)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """(a program with the sanitizers, name -> rows that are wild at the end)"""
    wild = [np.nan, -np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]
    nets = {name: (net, np.concatenate([X, *(np.full((1, net.d[0]), v, np.float32) for v in wild)]))
            for name, (net, X) in cases("float32").items()}
    return program(tmp_path_factory.mktemp("sanitized"), nets, "-std=c99", "-g", "-O1", "-fsanitize=address,undefined",
                   "-fno-sanitize-recover=all", cc=COMPILERS[-1]), nets


@names
def test_under_the_sanitizers(sanitized, name):
    (path, nets), (net, X) = sanitized, cases("float32")[name]
    found = outputs_of([path, name], nets[name][1], net.d[-1])[:len(X)]
    np.testing.assert_allclose(found, net.predict(X), rtol=1e-4, atol=1e-5)


@compilers
@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++20"])
def test_included_in_cplusplus(tmp_path, cc, standard):
    net, X = of_layers([(6, 5, 2), fastmlp.Conv2D(3, 3, "gelu"), fastmlp.MaxPool2D(2), fastmlp.BatchNorm(), 3])
    compiler = {"gcc": "g++", "clang": "clang++"}[cc]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    pedantic = [] if standard != "c++98" else ["-Wno-long-long"]
    path = program(tmp_path, {"net": (net, X)}, f"-std={standard}", *pedantic, cc=compiler, language="cpp")
    np.testing.assert_allclose(outputs_of([path, "net"], X, 3), net.predict(X), rtol=1e-5, atol=1e-6)


def test_several_networks_in_one_program(tmp_path):
    (one, X), (other, _) = of_layers([4, 8, 2]), of_layers([4, Dense(8, "tanh"), 3], loss="cross_entropy")
    text = one.to_c(name="first") + other.to_c(name="second") + one.to_c(name="first")
    library = loaded(tmp_path, text, "-O2")
    for name, net in (("first", one), ("second", other)):
        found = function(library, name, "float32", net.d[-1])(X)
        np.testing.assert_allclose(found, net.predict(X), rtol=1e-5, atol=1e-6)


CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-ffreestanding"]
OTHERS = {"aarch64-linux-gnu-gcc": [], "arm-none-eabi-gcc": CORTEX_M4, "clang": ["--target=arm-none-eabi", *CORTEX_M4]}


@pytest.mark.parametrize("weights", [None, "int8"])
@pytest.mark.parametrize("compiler", OTHERS)
def test_for_other_processors(tmp_path, compiler, weights):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    net, _ = of_layers([16, Dense(32, "tanh"), 4], loss="cross_entropy")
    options = ["-c", "-std=c99", "-Os", *WARNINGS, *OTHERS[compiler]]
    path = build(tmp_path, net.to_c(weights=weights), *options, cc=compiler)
    needed = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in needed if name.startswith(("exp", "tanh", "fma", "malloc"))}
    assert path.stat().st_size < (12_000 if weights is None else 9_000)  # bytes, with names and tables


@pytest.mark.skipif(not shutil.which("qemu-aarch64") or not shutil.which("aarch64-linux-gnu-gcc"), reason="no emulator")
def test_the_same_bits_on_aarch64(tmp_path):
    net, X = of_layers([16, Dense(32, "gelu"), Dense(9, "tanh"), 4], loss="cross_entropy")
    path = program(tmp_path, {"net": (net, X)}, "-std=c99", "-O2", "-static", cc="aarch64-linux-gnu-gcc")
    found = outputs_of(["qemu-aarch64", path, "net"], X, 4)
    if FUSES:
        assert_same_bits(found, net.predict(X))


def test_values_of_layers_share_room():
    text = MLP([4, *[Dense(50, "relu")] * 9, 2]).to_c()
    assert text.count("predict_ROOM predict_real") == 2
    deep = MLP([4, Dense(50), fastmlp.Residual(*[Dense(50, "relu")] * 5), Dropout(0.5), 2]).to_c()
    assert deep.count("predict_ROOM predict_real") == 3


@pytest.mark.parametrize("name", ["real", "act_tanh", "W1", "dense", "predict_rows", "A"])
def test_names_that_the_file_has_itself(tmp_path, name):
    net, X = of_layers([4, Dense(8, "tanh"), 2])
    library = loaded(tmp_path, net.to_c(name=name), "-O2")
    np.testing.assert_allclose(function(library, name, "float32", 2)(X), net.predict(X), rtol=1e-5, atol=1e-6)


def test_the_file_is_what_is_returned(tmp_path):
    net = MLP([4, 3, 2])
    text = net.to_c(tmp_path / "net.c")
    assert (tmp_path / "net.c").read_text() == text


@pytest.mark.parametrize("name", ["", "3x", "a b", "int", "class", "x", "ä", None, 3])
def test_names_that_c_does_not_take(name):
    with pytest.raises(ValueError, match="name"):
        MLP([2, 1]).to_c(name=name)


def test_weights_that_no_file_can_hold():
    net = MLP([2, 1], dtype="float64")
    net.W[1][0, 0] = 1e300
    with pytest.raises(ValueError, match="dtype.*W\\[1\\]"):
        net.to_c()
    net.W[1][0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        net.to_c(dtype="float64")
