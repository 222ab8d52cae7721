"""A pytest plugin that puts fastmlp's estimators in the place of scikit-learn's:
pytest -p use_fastmlp --pyargs sklearn..."""
import sklearn.neural_network

import fastmlp

sklearn.neural_network.MLPClassifier = fastmlp.MLPClassifier
sklearn.neural_network.MLPRegressor = fastmlp.MLPRegressor
