"""Estimators for tables as they come, of numbers, text, points in time and missing values."""
from ._classifier import TabularClassifier
from ._regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
