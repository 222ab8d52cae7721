"""Estimators for tables with columns of numbers, text, times and missing values, without preprocessing."""
from ._classifier import TabularClassifier
from ._regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
