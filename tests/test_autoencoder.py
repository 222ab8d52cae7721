"""MLPAutoencoder."""
import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline

from fastmlp import MLPAutoencoder, _arrays

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

X, DIGITS = load_digits(return_X_y=True)
X = X / 16
FORMS = {"tied": {}, "untied": {"tied": False},
         "deep": {"hidden_layer_sizes": (40, 10), "activation": ["tanh", "identity", "tanh"]},
         "deep, dropout": {"hidden_layer_sizes": (40, 10), "dropout": [0.1, 0.0, 0.1]}}
forms = pytest.mark.parametrize("form", FORMS)


def coder(form, **parameters):
    return MLPAutoencoder(**{"hidden_layer_sizes": (10,), "random_state": 0, "max_iter": 10, **FORMS[form],
                             **parameters})


@forms
def test_there_and_back(form):
    model = coder(form).fit(X)
    codes = model.transform(X)
    assert codes.shape == (1797, 10) and model.get_feature_names_out().shape == (10,)
    back = model.inverse_transform(codes)
    np.testing.assert_allclose(back, model._outputs(X), rtol=1e-12, atol=1e-13)
    assert model.score(X) == pytest.approx(1 - ((X - back) ** 2).sum() / ((X - X.mean(axis=0)) ** 2).sum(), rel=1e-12)
    for W, V in zip(model.coefs_, model.coefs_[::-1]):
        assert (W == V.T).all() == (form != "untied")
    again = pickle.loads(pickle.dumps(model))
    assert (again.transform(X) == codes).all()
    assert (again.partial_fit(X).coefs_[0] == model.partial_fit(X).coefs_[0]).all()


def test_a_linear_one_finds_the_principal_components():
    """Baldi and Hornik 1989: the least error of a linear autoencoder is that of as many principal components."""
    centred = X - X.mean(axis=0)
    model = coder("tied", activation="identity", alpha=0.0, max_iter=400, tol=0.0,
                  learning_rate_init=0.003).fit(centred)
    best = PCA(10).fit(X).explained_variance_ratio_.sum()
    assert best - 0.002 < model.score(centred) <= best + 1e-9


def test_the_reported_loss():
    """The penalty counts tied weights once."""
    model = coder("tied", alpha=50.0, max_iter=1, batch_size=1797, warm_start=True).fit(X)
    back, W = model._outputs(X), model.coefs_[0].copy()
    assert model.fit(X).loss_ == pytest.approx(0.5 * ((X - back) ** 2).mean() + 25.0 * (W**2).sum() / 1797, rel=1e-12)


def test_watching_sparse_and_pipelines():
    model = coder("tied", max_iter=30).fit(X[:1000], validation_data=X[1000:])
    assert model.best_validation_score_ == pytest.approx(model.score(X[1000:]),
                                                         rel=1e-12) and len(model.validation_scores_) == model.n_iter_
    coder("tied", early_stopping=True).fit(X)
    dense, sparse = coder("tied").fit(X), coder("tied").fit(scipy.sparse.csr_array(X))
    assert (dense.coefs_[0] == sparse.coefs_[0]).all() and dense.score(X) == sparse.score(scipy.sparse.csr_array(X))
    assert make_pipeline(coder("tied", max_iter=50),
                         LogisticRegression(max_iter=1000)).fit(X, DIGITS).score(X, DIGITS) > 0.85


def test_weighted_scores_of_blocks(monkeypatch):
    model, weight = coder("tied").fit(X), np.arange(1.0, 1798)
    back = model.inverse_transform(model.transform(X))
    mean = weight @ X / weight.sum()
    wanted = 1 - (weight @ (X - back) ** 2).sum() / (weight @ (X - mean) ** 2).sum()
    for block in (2**20, 4 * 8 * 64 * 100):
        monkeypatch.setattr(_arrays, "BLOCK_BYTES", block)
        for form in (np.asarray, scipy.sparse.csr_array):
            assert model.score(form(X), sample_weight=weight) == pytest.approx(wanted, rel=1e-12)


def test_sparse_rows_are_never_made_dense():
    """Neither as input nor as what comes back, nor where scores are watched."""
    rng = np.random.default_rng(0)
    n, d, k = 30_000, 5_000, 3
    S = scipy.sparse.csr_array((np.ones(n * k), rng.integers(0, d, n * k), np.arange(0, n * k + 1, k)), (n, d))
    model = coder("tied", max_iter=1, early_stopping=True, dtype="float32", n_threads=1)
    tracemalloc.start()
    try:
        model.fit(S).score(S)
        assert tracemalloc.get_traced_memory()[1] < 80e6 < 8 * n * d / 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_rows_everywhere(form):
    """Training rows, rows to watch, more of them, and what derivatives are of."""
    runs = []
    for of in (np.asarray, form):
        model = coder("tied", n_iter_no_change=3).fit(of(X[:1000]), validation_data=(of(X[1000:]), np.arange(797.0)))
        scores = model.validation_scores_
        model.partial_fit(of(X[:500]))
        runs.append((scores, model.coefs_[0], model.transform(of(X)), model.input_gradient(of(X[:50]), of(X[:50]))))
    for a, b in zip(*runs):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_derivatives_of_other_targets():
    """As of one that takes noise away."""
    model, target = coder("tied").fit(X), np.zeros_like(X[:5])
    step = np.zeros_like(X[:5])
    step[:, 20] = 1e-5
    error = lambda Z: 0.5 * ((model.inverse_transform(model.transform(Z)) - target) ** 2).sum(axis=1)  # noqa: E731
    by_hand = (error(X[:5] + step) - error(X[:5] - step)) / 2e-5
    np.testing.assert_allclose(model.input_gradient(X[:5], target)[:, 20], by_hand, rtol=1e-6)
    with pytest.raises(ValueError, match="y must have 5 rows"):
        model.input_gradient(X[:5], [1, 2])


def test_errors():
    for wrong in ((), (X, None, np.ones(1797)), (X, np.ones(1797), 3)):
        with pytest.raises(ValueError, match=r"validation_data must be X or \(X, sample_weight\), got a tuple of"):
            coder("tied").fit(X, validation_data=wrong)
    with pytest.raises(ValueError, match="monitor"):
        coder("tied", monitor="r2").fit(X)
    with pytest.raises(ValueError, match="at least one layer, for the code"):
        MLPAutoencoder(()).fit(X)
    with pytest.raises(ValueError, match="solver"):
        MLPAutoencoder(solver="lbfgs").fit(X)
    with pytest.raises(ValueError, match="activation must be one value or a list of 3"):
        coder("deep", activation=["tanh", "tanh"]).fit(X)
    with pytest.raises(ValueError, match="read-only"):
        coder("tied").fit(X).coefs_[0][...] = 0


@pytest.mark.parametrize("value", [0.5, 0.1, 1e9])
def test_the_score_of_rows_that_do_not_vary(value):
    """0.1 is no number in binary, so that its mean is another: scikit-learn's score is then some -1e33."""
    rows = np.full((7, 3), value)
    model = MLPAutoencoder((2,), tied=False, max_iter=3, random_state=0).fit(X[:, 20:23])
    assert model.score(rows) == 0.0
    if value == 0.5:
        assert r2_score(rows, model.inverse_transform(model.transform(rows)), multioutput="variance_weighted") == 0.0
    model.coefs_ = [np.zeros_like(W) for W in model.coefs_]  # now it gives back (0, 2, 0), whatever comes
    model.intercepts_[-1][...] = 0, 2, 0
    assert model.score(np.tile([0.0, 2.0, 0.0], (4, 1))) == 1.0
    assert model.score(np.tile([1.0, 2.0, 0.0], (4, 1))) == pytest.approx(2 / 3)


def test_the_score_of_one_row():
    X = np.random.default_rng(0).standard_normal((20, 3))
    model = MLPAutoencoder((2,), max_iter=3, random_state=0).fit(X)
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        assert np.isnan(model.score(X[:1]))


@pytest.mark.parametrize("wrong", [np.inf, np.nan, -1.0, None])
def test_weights_that_are_none(wrong):
    X = np.random.default_rng(0).standard_normal((20, 3))
    model, weight = MLPAutoencoder((2,), max_iter=3, random_state=0).fit(X), np.ones(20)
    weight[:1 if wrong is not None else 20] = wrong or 0.0
    for call in (model.score, model.fit):
        with pytest.raises(ValueError, match="[Ss]ample[_ ]weight"):
            call(X, sample_weight=weight)
    assert model.score(X, sample_weight=np.full(20, 1e308)) == pytest.approx(model.score(X), rel=1e-12)
