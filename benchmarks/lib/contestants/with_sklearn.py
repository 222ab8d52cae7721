"""scikit-learn's estimators, BLAS on one thread or on all, whichever is faster. An epoch is timed within a fit, from
the end of one to the end of the next, so that what it does once a fit does not count."""
import math
import time
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from . import BETA1, BETA2, LR, Contestant, mean_loss
from .with_numpy import ALL, ONE, blas

EPOCHS = 2  # timed, after the first


def watched(kind, weights, after_epoch):
    """The class of an estimator that starts at given weights and stops when after_epoch(it), called after each epoch,
    says so."""
    start = iter(weights)

    class Watched(kind):
        def _init_coef(self, fan_in, fan_out, dtype):
            return next(start)

        def _update_no_improvement_count(self, *arguments):
            super()._update_no_improvement_count(*arguments)
            if after_epoch(self):
                self._no_improvement_count = math.inf

    return Watched


class ScikitLearn(Contestant):
    def build(self):
        if self.w.convs:
            raise NotImplementedError("no convolutions")
        self.ways = ((ONE, ALL),) if self.threads > 1 else ()
        self.kind = MLPClassifier if self.w.classes else MLPRegressor

    def fit(self, epochs, after_epoch):
        # its squared error is half of the others', and so is the gradient that Adam's eps is held against
        eps = self.eps if self.w.classes else self.eps / 2
        kind = watched(self.kind, self.w.weights(self.dtype), after_epoch)
        self.fitted = kind(hidden_layer_sizes=self.w.sizes[1:-1], activation=self.w.activation, batch_size=self.w.batch,
                           max_iter=epochs, learning_rate_init=LR, beta_1=BETA1, beta_2=BETA2, epsilon=eps, alpha=0,
                           shuffle=self.shuffle, random_state=0, tol=0, n_iter_no_change=10_000)
        with warnings.catch_warnings(), blas(*self.way):
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.fitted.fit(self.X, self.y)

    def train(self, epochs):
        """Returns when the epochs ended."""
        ends = []
        self.fit(epochs, lambda _: ends.append(time.perf_counter()))
        return ends

    def train_to(self, loss, every, most):
        losses = []

        def reached(fitting):
            if fitting.n_iter_ % every == 0:
                losses.append(float(self.loss()))
                return losses[-1] <= loss

        self.fit(most, reached)
        return self.fitted.n_iter_, losses[-1]

    def seconds(self):
        ends = self.train(1 + EPOCHS)
        return (ends[-1] - ends[0]) / EPOCHS

    def loss(self):
        return mean_loss(self.w, self.outputs(self.X), self.y)

    def weights(self):
        return list(zip(self.fitted.coefs_, self.fitted.intercepts_))

    def settle(self, X):
        self.train(1)
        self.fitted.coefs_, self.fitted.intercepts_ = map(list, zip(*self.w.weights(self.dtype)))
        return X

    def outputs(self, X):
        return self.fitted.predict_proba(X) if self.w.classes else self.fitted.predict(X)

    def predict(self, X):
        with blas(*self.way):
            return self.outputs(X)
