"""MLPAutoencoder."""
import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fastmlp import MLPAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

X, DIGITS = load_digits(return_X_y=True)
X = X / 16
FORMS = {"tied": {}, "untied": {"tied": False}, "deep": {"hidden_layer_sizes": (40, 10), "activation": ["tanh", "identity", "tanh"]},
         "deep, dropout": {"hidden_layer_sizes": (40, 10), "dropout": [0.1, 0.0, 0.1]}}
forms = pytest.mark.parametrize("form", FORMS)


def coder(form, **parameters):
    return MLPAutoencoder(**{"hidden_layer_sizes": (10,), "random_state": 0, "max_iter": 10, **FORMS[form], **parameters})


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
    model = coder("tied", activation="identity", alpha=0.0, max_iter=400, tol=0.0, learning_rate_init=0.003).fit(centred)
    best = PCA(10).fit(X).explained_variance_ratio_.sum()
    assert best - 0.002 < model.score(centred) <= best + 1e-9


def test_the_reported_loss():
    """The penalty counts tied weights once."""
    model = coder("tied", alpha=50.0, max_iter=1, batch_size=1797, warm_start=True).fit(X)
    back, W = model._outputs(X), model.coefs_[0].copy()
    assert model.fit(X).loss_ == pytest.approx(0.5 * ((X - back) ** 2).mean() + 25.0 * (W**2).sum() / 1797, rel=1e-12)


def test_watching_sparse_and_pipelines():
    model = coder("tied", max_iter=30).fit(X[:1000], validation_data=X[1000:])
    assert model.best_validation_score_ == pytest.approx(model.score(X[1000:]), rel=1e-12) and len(model.validation_scores_) == model.n_iter_
    coder("tied", early_stopping=True).fit(X)
    dense, sparse = coder("tied").fit(X), coder("tied").fit(scipy.sparse.csr_array(X))
    assert (dense.coefs_[0] == sparse.coefs_[0]).all() and dense.score(X) == sparse.score(scipy.sparse.csr_array(X))
    assert make_pipeline(coder("tied", max_iter=50), LogisticRegression(max_iter=1000)).fit(X, DIGITS).score(X, DIGITS) > 0.85


def test_errors():
    with pytest.raises(ValueError, match="at least one layer, for the code"):
        MLPAutoencoder(()).fit(X)
    with pytest.raises(ValueError, match="solver"):
        MLPAutoencoder(solver="lbfgs").fit(X)
    with pytest.raises(ValueError, match="activation must be one value or a list of 3"):
        coder("deep", activation=["tanh", "tanh"]).fit(X)
    with pytest.raises(ValueError, match="read-only"):
        coder("tied").fit(X).coefs_[0][...] = 0
