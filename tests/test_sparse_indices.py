"""Sparse matrices whose indices point outside of them: scipy believes these, and writes there. Each of them is an error
wherever it comes in, and what changes after it came in does no harm."""
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLP, MLPAutoencoder, MLPClassifier, MLPRegressor, _arrays, sensitivity
from fastmlp.distributed import SerialCommunicator

FAR = 2**30
RNG = np.random.default_rng(0)
N = 60
X = RNG.standard_normal((N, 8)) * (RNG.random((N, 8)) < 0.5)
LABELS = (RNG.random((N, 8)) < 0.5).astype(float)  # of several classes a row


def spoiled(a, form, part, value):
    """a as a sparse matrix with one wrong index."""
    a = sparse.csr_array(a).asformat(form)
    if form == "coo":
        at = a.coords[part].copy()
        at[3] = value
        return sparse_with(a, coords=(at, a.coords[1]) if part == 0 else (a.coords[0], at))
    getattr(a, part)[3] = value
    return a


def sparse_with(a, **attributes):
    for name, value in attributes.items():
        setattr(a, name, value)
    return a


def bad(a):
    """{name: what is wrong with it}"""
    cases = {f"{form} {part} {value}": spoiled(a, form, part, value) for form in ("csr", "csc")
             for part in ("indices", "indptr") for value in (-1, FAR)}
    cases |= {f"coo {part} {value}": spoiled(a, "coo", part, value) for part in (0, 1) for value in (-1, FAR)}
    cases |= {f"bsr indices {value}": spoiled(a, "bsr", "indices", value) for value in (-1, FAR)}
    lil = sparse.lil_array(a)
    lil.rows[1] = [FAR] * len(lil.rows[1])
    return cases | {"lil": lil}


USES = {
    "MLP.fit X": lambda a: MLP([8, 4, 8]).fit(a, LABELS),
    "MLP.fit y": lambda a: MLP([8, 4, 8]).fit(X, a),
    "MLP.fit validation": lambda a: MLP([8, 4, 8]).fit(X, LABELS, validation_data=(X, a)),
    "MLP.fit metrics": lambda a: MLP([8, 4, 8]).fit(X, a, metrics="mae"),
    "MLP.predict": lambda a: MLP([8, 4, 8]).predict(a),
    "MLP.backprop": lambda a: MLP([8, 4, 8]).backprop(X, a),
    "MLP.jacobian": lambda a: MLP([8, 4, 2]).jacobian(a),
    "saliency": lambda a: sensitivity.saliency(MLP([8, 4, 1]), a),
    "baselines": lambda a: sensitivity.integrated_gradients(MLP([8, 4, 1]), X, baselines=a),
    "pgd y": lambda a: sensitivity.pgd(MLP([8, 4, 8]), X, a, 0.1),
    "noise_curve": lambda a: sensitivity.noise_curve(MLP([8, 4, 8]), X, a, [0.1]),
    "classifier X": lambda a: MLPClassifier((4,), max_iter=2).fit(a, LABELS),
    "classifier y": lambda a: MLPClassifier((4,), max_iter=2).fit(X, a),
    "classifier partial_fit y": lambda a: MLPClassifier((4,)).partial_fit(X, a, classes=range(8)),
    "classifier lbfgs y": lambda a: MLPClassifier((4,), solver="lbfgs", max_iter=2).fit(X, a),
    "classifier validation": lambda a: MLPClassifier((4,), max_iter=2).fit(X, LABELS, validation_data=(X, a)),
    "regressor X": lambda a: MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(a, LABELS),
    "regressor y": lambda a: MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(X, a),
    "regressor validation": lambda a: MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(
        X, LABELS, validation_data=(a, LABELS)),
    "autoencoder": lambda a: MLPAutoencoder((4,), max_iter=2).fit(a),
    **{f"{use} in groups": use_in_groups for use, use_in_groups in {
        "MLP.fit X": lambda a: MLP([8, 4, 8]).fit(a, LABELS, comm=SerialCommunicator(2)),
        "MLP.fit y": lambda a: MLP([8, 4, 8]).fit(X, a, comm=SerialCommunicator((20, 40))),
        "MLP.fit validation": lambda a: MLP([8, 4, 8]).fit(X, LABELS, validation_data={"new": (X, a)},
                                                           comm=SerialCommunicator(2)),
        "classifier X": lambda a: MLPClassifier((4,), max_iter=2).fit(a, LABELS, comm=SerialCommunicator(2)),
        "classifier y": lambda a: MLPClassifier((4,), max_iter=2).fit(X, a, comm=SerialCommunicator(2)),
        "classifier X_val": lambda a: MLPClassifier((4,), max_iter=2).fit(
            X, LABELS, X_val=a, y_val=LABELS, comm=SerialCommunicator(2))}.items()},
    "fitted.predict": lambda a: fitted().predict(a),
    "fitted.transform": lambda a: fitted().transform(a),
    "fitted.score X": lambda a: fitted().score(a, LABELS),
    "classifier.score y": lambda a: MLPClassifier((4,), max_iter=2).fit(X, LABELS).score(X, a),
    "fitted.input_gradient y": lambda a: fitted().input_gradient(X, a),
}


def fitted():
    return MLPRegressor(hidden_layer_sizes=(4,), max_iter=2).fit(X, LABELS)


def tried(use):
    """What becomes of each bad matrix, by name: "" or what went wrong."""
    found = {}
    for name, a in bad(LABELS).items():
        try:
            USES[use](a)
            found[name] = "no error"
        except ValueError as error:
            found[name] = "" if "point outside" in str(error) else f"another error: {error}"
    return found


@pytest.mark.parametrize("use", USES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_index_outside_of_a_matrix_is_an_error(use):
    found = tried(use)
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
def test_good_ones_pass(form):
    a = sparse.csr_array(X).asformat(form)
    assert _arrays.sound("X", a) is a
    np.testing.assert_array_equal(_arrays.dense(a, "X"), X)
    empty = sparse.csr_array((4, 3)).asformat(form)
    assert _arrays.sound("X", empty) is empty


# ---- what changes while a fit runs


CHANGES = """
import numpy as np, warnings
from scipy import sparse
from fastmlp import MLP, MLPClassifier, MLPRegressor
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((500, 8)) * (rng.random((500, 8)) < 0.5)
Y = (rng.random((500, 8)) < 0.5).astype(float)
part, value, kind = {part!r}, {value}, {kind!r}

def trained(change):
    x, y = sparse.csr_matrix(X), sparse.csr_matrix(Y)
    def callback(*_):
        if change:
            for a in (x, y):
                getattr(a, part)[:] = value
    if kind == "network":
        net = MLP([8, 9, 8], random_state=0)
        net.fit(x, y, epochs=5, batch_size=50, validation_fraction=0.2, metrics="mae", callbacks=[callback])
        return net.params
    model = kind(hidden_layer_sizes=(9,), random_state=0, max_iter=5, n_iter_no_change=5, **more, callbacks=[callback])
    model.fit(x, y)
    return np.concatenate([W.ravel() for W in model.coefs_])

{more}
assert trained(True).tobytes() == trained(False).tobytes()
"""


@pytest.mark.parametrize("value", [-1, FAR])
@pytest.mark.parametrize("part", ["indices", "indptr"])
@pytest.mark.parametrize("kind", ["network", "MLPClassifier", "MLPRegressor", "early stopping", "score", "lbfgs"])
def test_changes_by_a_callback_do_not_show(kind, part, value):
    """In a process of its own, which ends by a signal where it reads or writes outside of its memory."""
    more = {"network": "", "MLPClassifier": "kind, more = MLPClassifier, {}",
            "MLPRegressor": "kind, more = MLPRegressor, {}",
            "early stopping": "kind, more = MLPClassifier, {'early_stopping': True}",
            "score": "kind, more = MLPClassifier, {'monitor': 'score'}",
            "lbfgs": "kind, more = MLPRegressor, {'solver': 'lbfgs'}"}[kind]
    program = CHANGES.format(part=part, value=value, kind=kind, more=more)
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
