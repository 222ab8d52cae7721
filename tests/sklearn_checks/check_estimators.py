"""scikit-learn's checks of estimators; test_sklearn_own_tests.py runs this file."""
import pandas  # noqa: F401  some checks are left out without it
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp import MLPAutoencoder, MLPClassifier, MLPRegressor


@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100), MLPAutoencoder(max_iter=100)])
def test_check(estimator, check):
    check(estimator)
