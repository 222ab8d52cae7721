"""scikit-learn estimators. Only this package imports scikit-learn.

MLPClassifier and MLPRegressor take the parameters, give the attributes and, with the same random_state in float64, the
numbers of scikit-learn's; docs/differences.md lists where they differ on purpose.
"""
from ._autoencoder import MLPAutoencoder
from ._classifier import MLPClassifier
from ._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "MLPAutoencoder"]
