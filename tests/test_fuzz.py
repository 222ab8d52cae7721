"""All public callables with values of every wrong kind for every parameter: they work, or raise a ValueError or
TypeError that names the argument. Never another error, never a hang.

What is public is found by itself; tests/public_calls.py says how each callable is called, tests/wrong_values.py with
what. FASTMLP_FUZZ is the number of calls, FASTMLP_FUZZ_SEED what draws them: `make fuzz` makes a million.
"""

import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import pkgutil
import re
import signal
import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp import MLP
from public_calls import CALLS, CONTAINER, ESTIMATORS, INTERNAL, NETWORK, NOT_CALLED, PARQUET
from wrong_values import VALUES, shown, spoiled

pytest.importorskip("matplotlib").use("Agg")
COUNT = int(os.environ.get("FASTMLP_FUZZ", 20_000))
SEED = int(os.environ.get("FASTMLP_FUZZ_SEED", 0))
SECONDS = 10  # that no call takes
PAIRS = [(case, name) for case in CALLS for name in CALLS[case].good]

# ---- what errors say

# scikit-learn checks these, in its words
ESTIMATORS_DATA = ("X", "y", "sample_weight", "validation_data", "X_val", "y_val", "sample_weight_val")
# may be functions, which fail as they like
FUNCTIONS = ("lr", "rate", "loss", "spec", "metrics", "callbacks", "functions", "monitor", "learning_rate", "method")
# an argument that errors name by another word: by parameter, or by (case, parameter)
OTHER_WORDS = {
    "units": "layers",
    "filters": "layers|units|elements",
    "kernel": "layers",
    "stride": "layers",
    "padding": "layers",
    "dilation": "layers",
    "init": "layers",
    "bias_init": "layers",
    "back": "layers|x \\+ f",
    "groups": "layers|units",
    "branches": "Concat|activation|init",
    "layers": "Residual|activation|init|shape of a map",
    "members": "ties?d? member|TiedGroup|layer of a tie|ties|index",
    "scales": "ties",
    "ids": "tie_map",
    "mask": "Frozen",
    "value": "Frozen|ties|specs",
    "prediction": "y",
    "l": "ties?|layer",
    "m": "ties?|layer",
    "transposed": "ties?",
    "biases": "bias|ties?|mask|ids",
    "p": "params",
    "names": "classes",
    "spec": "loss",
    "input_shape": "shape|map|layers",
    "lr": "rate",
    "curves": "curves",
    "columns": "column",
    "cls": "est",
    "net": "model|net|X|V|U|y|output",
    "error": "sigmas",
    "values": "feature_names|image_shape",
    "error_std": "sigmas",
    "sigmas": "sigmas",
    "functions": "on_epoch_end",
    "X": "V|U|v|y|baselines",
    "X_train": "X",
    "y_train": "y",
    "X_test": "X",
    "y_test": "y",
    "feature_names": "feature_names",
    "model": "model|X|y|features|fitted",
    "callbacks": "callback|monitor",
    "metrics": "metric",
    "y": "labels|targets|output",
    "output": "y",
    "validation_data": "X|y",
    "epochs": "epoch",
    "adversarial": "Attack|adversarial",
    "path": "path|file|network|directory|'",
    "tensors": "tensors",
    "project": "layers|project",
    "rate": "layers",
    "every": "epoch",
    "factor": "learning rate",
    "power": "learning rate",
    "final": "learning rate",
    "div": "learning rate",
    "final_div": "learning rate",
    "eps": "eps|clip",
    "clip": "clip",
    "W": "W",
    "b": "b",
    "layer": "layer|tie",
    "early_stopping": "validation_fraction",
    **dict.fromkeys(("learning_rate_init", "gradient_penalty", "input_noise"), "non-finite parameter weights"),
}


# ---- what is public


def modules():
    """All that have no underscore, by the name under which their contents are known here: the package's own is none."""
    names = [m.name for m in pkgutil.iter_modules(fastmlp.__path__) if not m.name.startswith("_")]
    return {"": fastmlp, **{name: importlib.import_module(f"fastmlp.{name}") for name in names}}


def public():
    """name -> callable, of what modules list in __all__ and of these classes' own methods; what is settable, too."""
    found = {}
    for prefix, module in modules().items():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if callable(value) and value not in found.values():
                found[f"{prefix}.{name}".lstrip(".")] = value
    for name, value in list(found.items()):
        if inspect.isclass(value):
            found |= {f"{name}.{method}": function for method, function in methods(value)}
    return found


def methods(owner):
    """(name, function) of a class's public methods that fastmlp defines, and of its settable properties."""
    internal = {name for base in owner.__mro__ for name in INTERNAL.get(base.__name__, ())}
    for name in dir(owner):
        value = inspect.getattr_static(owner, name)
        if isinstance(value, property) and not name.startswith("_"):
            if value.fset is not None:
                yield name, value.fset
        elif name == "__call__" or not name.startswith("_") and name not in internal:
            function = same(getattr(owner, name))
            if inspect.isfunction(function) and function.__module__.startswith("fastmlp"):
                yield name, function


def same(value):
    """What a method is, of whichever class or object it was asked for."""
    value = inspect.unwrap(value) if callable(value) else value
    return getattr(value, "__func__", value)


def parameters(function):
    """Names of its parameters, but for a method's first and keywords that are handed on."""
    without = ("self", "style", "fit_params", *(["cls"] if "." in function.__qualname__ else []))
    return [name for name in inspect.signature(function).parameters if name not in without]


def test_all_that_is_public_is_called():
    called = {same(call.inspected) for call in CALLS.values()}
    missing = [
        name
        for name, value in public().items()
        if not (name in CALLS or name in NOT_CALLED or same(value) in called) and parameters(value)
    ]
    assert not missing, f"these want a row in tests/public_calls.py: {missing}"


def test_what_is_not_called_is_there():
    assert set(NOT_CALLED) <= set(public())


@pytest.mark.parametrize("case", CALLS)
def test_good_arguments_are_good_and_all_there_are(case, files):
    inspected, call, good = CALLS[case]
    assert parameters(inspected) == list(good)
    call(**good)


# ---- wrong values


@pytest.fixture
def files(tmp_path, monkeypatch):
    """In a directory with the files that calls want."""
    monkeypatch.chdir(tmp_path)
    MLP([4, 2]).save(NETWORK)
    fastmlp.io.write(CONTAINER, "text", {"a": np.ones(3)})
    if importlib.util.find_spec("pyarrow"):
        import pyarrow
        from pyarrow import parquet

        columns = {"x0": np.arange(24.0), "x1": ["a", "b", None] * 8, "number": np.arange(24), "label": ["u", "v"] * 12}
        parquet.write_table(pyarrow.table(columns), PARQUET, row_group_size=7)


class Hang(BaseException):
    """A call that does not return."""


@contextlib.contextmanager
def time_limit(seconds):
    def end(*_):
        raise Hang

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def complaint(case, names, values):
    """What is wrong with a call, or None."""
    _, call, good = CALLS[case]
    own_functions = any(name in FUNCTIONS and callable(value) for name, value in zip(names, values))
    try:
        with silence(), time_limit(SECONDS):
            call(**{**good, **dict(zip(names, values))})
    except (ValueError, TypeError) as error:
        if own_functions or case in ESTIMATORS and any(name in ESTIMATORS_DATA for name in names):
            return None
        words = "|".join([*names, *(OTHER_WORDS[name] for name in names if name in OTHER_WORDS)])
        if re.search(rf"\b({words})", str(error)):
            return None
        return f"{type(error).__name__} that does not name it: {error}"
    except OSError as error:
        return None if "path" in names else f"{type(error).__name__}: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return None


@contextlib.contextmanager
def silence():
    caught = io.StringIO()
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(caught),
        contextlib.redirect_stderr(caught),
    ):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("case", CALLS)
def test_wrong_values(case, files):
    good = CALLS[case].good
    names = list(good)
    rng = np.random.default_rng([SEED, list(CALLS).index(case)])
    draw = lambda name: VALUES[rng.integers(len(VALUES))] if rng.random() < 0.8 else spoiled(good[name], rng)
    wrong = {}
    for k in range(-(-COUNT * len(names) // len(PAIRS))):
        some = [names[k % len(names)]]
        if k >= len(names) * len(VALUES):  # one alone was drawn often enough
            some += [str(name) for name in rng.choice(names, rng.integers(0, 3)) if name not in some]
        values = [draw(name) for name in some]
        found = complaint(case, some, values)
        if found:
            wrong.setdefault((*some, found[:60]), f"{dict(zip(some, map(shown, values)))}: {found[:300]}")
    assert not wrong, f"{case}, {len(wrong)} kinds:\n" + "\n".join(wrong.values())
