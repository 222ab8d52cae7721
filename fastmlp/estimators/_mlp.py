"""The network behind an estimator's coefs_ and intercepts_."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted

from .._parameters import OptimizerState
from .._types import Floats
from ..layers import Dense, Dropout, Layer
from ..model import MLP
from ..ties import Tie
from . import _constraints

Entries = list[int | Layer]  # the list that MLP takes


class HasNetwork:
    """An estimator whose coefs_ and intercepts_ are views of an MLP: builds that from parameters and weights.
    `_network_loss` is its loss."""

    def _hidden_sizes(self: Any) -> list[int]:
        """hidden_layer_sizes as a list."""
        return _constraints.hidden_sizes(self.hidden_layer_sizes)

    def _layers(self, coefs: Sequence[Floats], intercepts: Sequence[Floats]) -> Entries:
        """The list that MLP takes, with these initial weights."""
        n_hidden = len(coefs) - 1
        activations = _constraints.each_hidden(self, "activation", n_hidden, str)
        rates = _constraints.each_hidden(self, "dropout", n_hidden, Real)
        layers: Entries = [len(coefs[0])]
        for W, b, activation, rate in zip(coefs, intercepts, [*activations, "identity"], [*rates, 0.0]):
            layers.append(Dense(W.shape[1], activation, init=W, bias_init=b))
            layers += [Dropout(rate)] if rate > 0 else []
        return layers

    def _layers_of_use(self: Any) -> Entries:
        """The list that MLP takes, with the present weights and without layers that are only used in training."""
        return [layer for layer in self._layers(self.coefs_, self.intercepts_) if not isinstance(layer, Dropout)]

    def _draws_random_numbers(self: Any) -> bool:
        """Whether training uses random numbers besides the order of rows."""
        return bool(self.input_noise) or any(
            _constraints.each_hidden(self, "dropout", len(self._hidden_sizes()), Real))

    def _settles(self: Any) -> dict[str, Any]:
        """The properties of the network that a fit fixes, whatever parameters are set later."""
        return {"loss": self._network_loss()}

    def _ties(self, layers: Entries) -> Sequence[Tie]:
        """The ties for the list that MLP takes."""
        return ()

    def _build(self: Any, coefs: Sequence[Floats], intercepts: Sequence[Floats], dtype: DTypeLike) -> MLP:
        layers = self._layers(coefs, intercepts)
        net = MLP(layers, loss=self._settled["loss"], dtype=dtype, random_state=0, ties=self._ties(layers),
                  precision=self.precision)
        # its specs need not keep the arrays that the weights started from
        net._network.layers = tuple(
            replace(layer, init="zeros", bias_init=0.0) if isinstance(layer, Dense) else layer for layer in net.layers)
        return self._threaded(net)

    def _threaded(self: Any, net: MLP) -> MLP:
        """A network, set to the estimator's present n_threads."""
        net._network.n_threads = self.n_threads
        return net

    def _part(self: Any, layers: Entries) -> MLP:
        """The network of some of the layers."""
        return self._threaded(MLP(layers, dtype=self._mlp().dtype, precision=self.precision))

    # ---- the present network

    def _adopt(self: Any, net: MLP) -> None:
        """Set the network of the estimator: coefs_ and intercepts_ become views of its weights."""
        self.coefs_ = [W for W in net.W if W is not None]
        self.intercepts_ = [b for b in net.b if b is not None]
        self._net = net, [*self.coefs_, *self.intercepts_], self._built_from()

    def _built_from(self: Any) -> dict[str, Any]:
        """The parameters on which the layers and their computations depend."""
        return {"activation": self.activation, "dropout": self.dropout, "precision": self.precision}

    def _fitted(self: Any) -> tuple[MLP | None, dict[str, Any]]:
        """(the network of the last fit, the parameters that it was built from); (None, {}) if coefs_ or intercepts_
        were replaced."""
        arrays = [*self.coefs_, *self.intercepts_]
        net, views, built_from = self.__dict__.get("_net", (None, (), {}))
        return (net, built_from) if len(arrays) == len(views) and all(map(is_, arrays, views)) else (None, {})

    def _mlp(self: Any) -> MLP:
        """The network of which coefs_ and intercepts_ are views; a new one if these, or parameters on which it depends,
        were replaced."""
        net, built_from = self._fitted()
        if net is not None and built_from == self._built_from():
            return self._threaded(net)
        coefs, intercepts = [np.asarray(W) for W in self.coefs_], [np.asarray(b) for b in self.intercepts_]
        return self._build(coefs, intercepts, "float32" if coefs[0].dtype == np.float32 else "float64")

    @property
    def network_(self) -> MLP:
        """The MLP behind `coefs_` and `intercepts_`, ready to predict: its outputs are those of the last layer and its
        link, for two classes only the probability of the second. It is not a copy: training it changes the estimator,
        unless coefs_ or intercepts_ were replaced."""
        check_is_fitted(self, "coefs_")
        return self._mlp()

    # ---- the networks with which fits begin

    def _first_mlp(self: Any, sizes: list[int], dtype: DTypeLike) -> MLP:
        """A network with weights drawn as scikit-learn draws them: W(1), b(1), W(2), .. uniform, after Glorot and
        Bengio 2010."""
        if self.dtype is not None:
            dtype = self.dtype
        elif self.precision != "full":
            dtype = "float32"
        elif not self._stochastic:  # scipy's L-BFGS works in float64
            dtype = "float64"
        _constraints.check_numbers(self, dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        coefs, intercepts = [], []
        for n_in, n_out in zip(sizes, sizes[1:]):
            bound = np.sqrt(factor / (n_in + n_out))
            coefs.append(self._random_state.uniform(-bound, bound, (n_in, n_out)))
            intercepts.append(self._random_state.uniform(-bound, bound, n_out))
        net = self._build(coefs, intercepts, dtype)
        if self._draws_random_numbers():
            net._network.progress.seed = int(self._random_state.randint(2**31 - 1))
        return net

    def _next_mlp(self: Any, sizes: list[int]) -> MLP:
        """A network with its own copy of coefs_, from which it continues, with the optimiser's state."""
        found = [len(self.coefs_[0]), *(np.shape(W)[1] for W in self.coefs_)]
        if found != sizes:
            raise ValueError("hidden_layer_sizes, X and y must stay as in the first fit, where layers had "
                             f"{found} units, got {sizes}")
        last = self._mlp()
        _constraints.check_numbers(self, last.dtype)
        coefs, intercepts = ([a for a in arrays if a is not None] for arrays in (last.W, last.b))
        net = self._build(coefs, intercepts, last.dtype)
        network, progress, state = net._network, last._network.progress, last._network.progress.optimizer_state
        network.progress.seed, network.progress.epochs_ever = progress.seed, progress.epochs_ever
        if state is not None and len(last._network.core.P) == len(network.core.P):
            exported = state.export(last._network.parameters)
            network.progress.optimizer_state = OptimizerState.restore(network.parameters, exported)
        return net
