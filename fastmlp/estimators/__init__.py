"""Estimators with scikit-learn's interface.

MLPClassifier and MLPRegressor have the same parameters and attributes as scikit-learn's and, with the same random_state
in float64, the same results; docs/differences.md lists deliberate differences.
"""
from ._autoencoder import MLPAutoencoder
from ._classifier import MLPClassifier
from ._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "MLPAutoencoder"]
