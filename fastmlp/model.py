"""MLP: a multilayer perceptron."""
from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _checks, _core, _derivatives, _entries, _labels
from . import layers as specs
from ._exits import Exits
from ._fit.history import History
from ._fit.measures import labels_of, score
from ._fit.mlp import fit
from ._fit.options import Callbacks, ClassWeight, Metrics, Options, ValidationData
from ._network import Network
from ._parameters import OptimizerState
from ._robust import Attack
from ._types import Floats, Shape
from .losses import Loss, LossFunction, LossName
from .optim import Optimizer
from .summary import html, summary
from .ties import Tie

__all__ = ["MLP", "activations", "losses"]


def activations() -> list[str]:
    """The names of the activations."""
    return list(_core.ACTIVATIONS)


def losses() -> list[str]:
    """The names of the losses."""
    return list(_core.LOSSES)


class MLP(Exits):
    """A multilayer perceptron: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), l = 1..L.

    Parameters
    ----------
    layers : list. The first entry is d(0), the number of inputs, or the shape of a map, (h, w, c) or (length, c),
        channels last, or Columns, where some columns of X are categories. Each entry after it is an int, a Dense layer
        of that many units with the network's `activation` (the last one linear: the loss supplies its link), a layer
        spec, or a block of layers, Residual or Concat.
    activation : a name (`fastmlp.activations()`) or a pair (name, argument). "swish", "logistic" and "linear" are other
        names of "silu", "sigmoid" and "identity".
    loss : a name (`fastmlp.losses()`), a pair (name, number) for "huber" (threshold) and "quantile", or a callable
        loss(x, y) -> values (m,), derivatives (m, d(L)). The link of predictions is softmax for "cross_entropy",
        sigmoid for "binary_cross_entropy", exp for "poisson", else the identity. "mse", "mae" and "log_loss" are other
        names of "squared_error", "absolute_error" and "cross_entropy"; Keras' names are known, too.
        ("quantile", (q1, q2, ..)), with increasing numbers between 0 and 1, predicts several quantiles of each target:
        the last layer has that many units for each column of y, those of the first column first, and the loss is the
        sum of theirs. ("ordered_quantile", (q1, q2, ..)) is the same of predictions that never cross, p1 = x1 and
        pk = p(k-1) + softplus(xk).
    dtype : "float32" or "float64", of the weights and of all that is computed.
    init : how the weights of int layers start: a name of `fastmlp.initializers()`.
    random_state : None, an int, or a numpy Generator or RandomState: the weights' start and the order of the rows.
    ties : TiedGroup, Frozen, tie_transpose, tie_layers, tie_map: weights that share a parameter or stand still, see
        fastmlp.ties.
    precision : "full", or "bfloat16" with dtype "float32": in fit, predict, evaluate, score and forward, what Dense
        layers and convolutions multiply (x, W, delta) is rounded to bfloat16, which has 8 bits of mantissa. Sums,
        weights and the optimiser stay float32. Of full precision are backprop, loss_and_grad and all other derivatives,
        and a fit with adversarial, gradient_penalty or jacobian_penalty, and what to_onnx and the like write.

    ValueError or TypeError names the argument that does not fit.

    Attributes
    ----------
    W, b : tuples by layer; entry 0 is None, as is that of a layer without. W[l] is a view (d(l-1), d(l)), b[l] a view
        (d(l),); of a convolution (kh, kw, c_in, c_out) and (c_out,), of g groups (g, d(l-1) / g, d(l) / g), of what
        scales and shifts by feature (features,) and (features,), of Columns (elements of all tables,). Writing into
        them changes the network; those of layers with tied or frozen weights are read-only, set `params` instead.
    shapes : the shapes of x(0) .. x(L) of one row; d their sizes. X may come as maps, (n, h, w, c), or (n, h, w) for
        one channel, or flat in C order; what is returned is flat, (n, d(l)).
    params : all W and b, layer by layer, as one flat array, with ties the free parameters, in the order of their first
        places; a copy, settable.
    n_params : their number.
    classes : the names of the classes (d(L),), or of the two that one output tells apart, where labels are text: what
        fit found in y, in the order of the alphabet, or what was set; else None. Settable, before batches, windows or
        rows on several ranks, of which fit cannot see all labels beforehand, and to None for others.
    history : what the last fit and the partial_fits since it logged.
    """

    def __init__(self, layers: Sequence[int | Sequence[int] | specs.Layer | specs.Residual | specs.Concat], *,
                 activation: specs.Theta = "relu", loss: LossName | LossFunction = "squared_error",
                 dtype: Any = "float32", init: str = "glorot_uniform",
                 random_state: int | np.random.Generator | np.random.RandomState | None = None,
                 ties: Sequence[Tie] = (), precision: str = "full") -> None:
        floating = _checks.floating(dtype)
        precision = _checks.precision(precision, floating)
        minimised = Loss(loss, floating)
        shapes, checked = _entries.checked_layers(_entries.entries_to_specs(layers, activation, init), floating)
        if not isinstance(ties, (list, tuple)):
            raise TypeError(f"ties must be a list of ties, got {type(ties).__name__}")
        rng = _checks.generator(random_state)
        with _checks.within_memory("layers"):
            self._network = Network(checked, shapes, minimised, floating, tuple(ties), precision)
            self._network.start(rng)
        self._network.progress.seed = int(rng.integers(2**63))
        self.history = History()

    # ---- what it is, for good

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._network.dtype

    @property
    def precision(self) -> str:
        return self._network.precision

    @property
    def loss(self) -> Loss:
        return self._network.loss

    @property
    def layers(self) -> tuple[specs.Layer, ...]:
        return self._network.layers

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self._network.shapes

    @property
    def d(self) -> tuple[int, ...]:
        return self._network.d

    @property
    def ties(self) -> tuple[Tie, ...]:
        return self._network.ties

    # ---- parameters

    @property
    def W(self) -> tuple[Floats | Any, ...]:
        return self._network.parameters.W

    @property
    def b(self) -> tuple[Floats | Any, ...]:
        return self._network.parameters.b

    @property
    def n_params(self) -> int:
        return self._network.parameters.n

    @property
    def params(self) -> Floats:
        return self._network.parameters.values()

    @params.setter
    def params(self, p: ArrayLike) -> None:
        self._network.parameters.assign(_arrays.shaped("params", p, (self.n_params,), self.dtype))

    # ---- labels

    @property
    def classes(self) -> _labels.Classes | None:
        return self._network.classes

    @classes.setter
    def classes(self, names: Any) -> None:
        self._network.classes = _labels.checked(names, self._network.n_classes)

    # ---- computing

    def forward(self, X: Any) -> SimpleNamespace:
        """The forward pass, all of it kept.

        X : (n, d(0)). Returns an object with lists `s`, `x` indexed by layer, of (n, d(l)) arrays; x[0] is the input,
        s[0] is None. x[L] is before the loss's link.
        """
        return self._network.forward(X)

    def predict(self, X: Any) -> Floats:
        """What the loss's link gives, (n, d(L)): probabilities, means. X : (n, d(0))."""
        out = self._network.core.predict_small(X)
        return self._network.predict(X) if out is None else out

    def predict_labels(self, X: Any) -> Any:
        """The class that is the most probable for each row, (n,): of `classes`, or where that is None its number. With
        "binary_cross_entropy" and several outputs 0 or 1 for each of them, (n, d(L)).

        X : (n, d(0)). ValueError where the loss knows no classes.
        """
        return labels_of(self._network, self.predict(X))

    def evaluate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The mean loss over rows, weighted by sample_weight.

        X : (n, d(0)); y : (n,) or (n, d(L)); sample_weight : (n,) or None.
        """
        return self._network.evaluate(X, y, sample_weight)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """How well it predicts, 1 at best: with "cross_entropy" and "binary_cross_entropy" the accuracy, of several
        yes-or-no outputs that of rows with all right; with several quantiles 1 - the pinball loss over that of y's own
        quantiles, the mean over them (Koenker and Machado 1999); with other losses R^2, the mean over outputs.

        X, y, sample_weight : as of evaluate.
        """
        return score(self._network, X, y, sample_weight)

    # ---- derivatives by the parameters

    def backprop(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> SimpleNamespace:
        """Forward pass and delta sweep, all of it kept.

        X : (n, d(0)); y : (n,) or (n, d(L)); sample_weight : (n,) or None. Returns an object with `loss` (the weighted
        mean over rows), `s`, `x`, `delta` (lists by layer of (n, d(l)); delta is per row, de_i/ds), `dW`, `db` (lists
        by layer, gradients of `loss`) and `dX` (n, d(0)), per row, de_i/dx(0).
        """
        return _derivatives.backprop(self._network, X, y, sample_weight)

    def loss_and_grad(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, gradient_penalty: float = 0.0,
                      jacobian_penalty: float = 0.0) -> tuple[float, Floats]:
        """(mean loss, its gradient by `params`), for scipy.optimize and checks. Memory does not grow with the rows.

        gradient_penalty, jacobian_penalty : as in fit; part of the loss here. The projections of the second are the
        same in each call.

        Where the loss is not finite, as after an overflow, all of the gradient is NaN, never 0, so that no optimiser
        takes it for a minimum.
        """
        return _derivatives.loss_and_gradient(self._network, X, y, sample_weight, gradient_penalty=gradient_penalty,
                                              jacobian_penalty=jacobian_penalty)

    def hvp(self, v: ArrayLike, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Floats:
        """The Hessian of the mean loss by `params` times v, (n_params,), in two sweeps (Pearlmutter 1994).

        v : (n_params,). The loss must be one of `fastmlp.losses()`. NaN where the loss is not finite.
        """
        return _derivatives.hessian_product(self._network, v, X, y, sample_weight)

    # ---- derivatives by the input. Of a saturated softmax those of probabilities vanish; those of logits say what the
    # network looks at.

    def input_gradient(self, X: Any, y: Any = None, output: int | None = None, at: str = "logits") -> Floats:
        """de_i/dx_i(0), the sensitivity of each row's error to its input, or dx_k(L)/dx(0) for output k.

        X : (n, d(0)). y : targets, for the loss; or output : k, 0 .. d(L) - 1, at="logits", before the loss's link, or
        "probabilities", of what predict gives. Returns (n, d(0)).
        """
        return _derivatives.input_gradient(self._network, X, y, output, at)

    def jacobian(self, X: Any, at: str = "logits") -> Floats:
        """dx_k(L)/dx_j(0) of each row, (n, d(L), d(0)): one sweep for each output. at : as of input_gradient."""
        return _derivatives.jacobian(self._network, X, at)

    def jvp(self, X: Any, V: ArrayLike, at: str = "logits") -> Floats:
        """sum_j v_j dx(L)/dx_j(0) of each row.

        X : (n, d(0)). V : (n, d(0)). at : as of input_gradient. Returns (n, d(L)). In one sweep, whatever d(0).
        """
        return _derivatives.jvp(self._network, X, V, at)

    def vjp(self, X: Any, U: ArrayLike, at: str = "logits") -> Floats:
        """sum_k u_k dx_k(L)/dx(0) of each row.

        X : (n, d(0)). U : (n, d(L)). at : as of input_gradient. Returns (n, d(0)). In one sweep, whatever d(L).
        """
        return _derivatives.vjp(self._network, X, U, at)

    # ---- training

    def fit(self, X: Any = None, y: Any = None, optimizer: Optimizer | str | None = None, epochs: int = 10,
            batch_size: int | None = 32, sample_weight: ArrayLike | None = None,
            validation_data: ValidationData | None = None, callbacks: Callbacks = (), shuffle: bool = True,
            n_threads: int | None = None, verbose: int = 0, validation_fraction: float = 0.0, metrics: Metrics = (),
            input_noise: float = 0.0, gradient_penalty: float = 0.0, jacobian_penalty: float = 0.0,
            adversarial: Attack | None = None, ema: float | None = None, label_smoothing: float = 0.0,
            mixup: float = 0.0, class_weight: ClassWeight | None = None, comm: Any = None, sync: str | int = "step",
            window: int | None = None, batches: Any = None) -> History:
        """Train from the present weights with a fresh optimiser and a fresh History; the stream of random numbers goes
        on.

        X : (n, d(0)), dense of any real dtype and strides, or scipy sparse. y : (n,) or (n, d(L)), which may be
            scipy sparse too; for "cross_entropy" labels 0..d(L)-1 or rows of probabilities. Labels may be text, also
            for "binary_cross_entropy" of one output: see `classes`. Sparse rows are made dense a few at a time, but y
            as a whole for metrics.
        optimizer : SGD, Adam, AdamW, NAdam, RMSprop, Adagrad or Lion, or a name in lower case, "adam", for its
            defaults; default SGD(0.01). A schedule is asked for the rates of the first 10,000 epochs beforehand, for
            others as they begin.
        epochs : how many times all rows are trained on.
        batch_size : rows a step; the last batch of an epoch may be smaller. None: all rows.
        sample_weight : (n,). Only ratios count: the gradient of a batch is that of the mean of w_i e_i over its rows,
            with w scaled to mean 1 over the data.
        validation_data : (X, y) or (X, y, sample_weight); its mean loss is logged after each epoch as "val_loss". Or
            several such by name, {"train": (X, y), "new": (X_new, y_new)}, logged as "train_loss" and "new_loss".
        callbacks : a `Callback`, see fastmlp.callbacks, or a function of (net, epoch, logs) for the end of each epoch,
            whose true result stops the fit; or a list of them.
        shuffle : a new order of the rows each epoch.
        n_threads : threads to use, or None for as many as pay off and OMP_NUM_THREADS and threadpoolctl allow. Results
            do not depend on it.
        verbose : 1 shows a progress bar, or without a terminal a line an epoch.
        validation_fraction : the share of rows, drawn by the seed, to hold out for "val_loss" instead of
            validation_data.
        metrics : names: "accuracy", "balanced_accuracy", "f1", "log_loss", "auc", "average_precision", "r2", "mae",
            "mse", "rmse", "pinball", or of scikit-learn's scorers; functions of (y, prediction); or scorers, functions
            of (estimator, X, y). One, a list, or a dict by the names to log them under. Logged after each epoch of the
            validation rows as "val_" and the name, or without validation of the training rows. Labels come to them as
            numbers. See fastmlp.metrics.
        input_noise : the standard deviation of normal noise that is added to X, anew in each epoch: it makes the
            network less sensitive to its input (Bishop 1995).
        gradient_penalty : lam, adds lam/2 times the (weighted) mean of ||de_i/dx_i(0)||^2 to what is minimised: double
            back propagation (Drucker and LeCun 1992). Its mean of each epoch is logged under this name. Where theta''
            is 0 almost everywhere, as relu's, what the penalty does goes through W alone. With BatchNorm it is of the
            batch's error, see there. Not with a function as the loss.
        jacobian_penalty : lam, the same for ||dx_i(L)/dx_i(0)||_F^2, of outputs before the loss's link, by one random
            projection of each row (Hoffman, Roberts and Yaida 2019).
        adversarial : a fastmlp.sensitivity.Attack: each batch is trained on, and penalties are taken, as the attack
            leaves it (Madry et al. 2018). Of gradient_penalty and jacobian_penalty one at most may be above 0. In an
            attack BatchNorm goes by its running statistics.
        ema : the weights that the fit leaves, and that validation, metrics and callbacks see at the end of each epoch,
            are the exponential moving average of those after each step t, whose weights are ema^(T - t), in a sum of 1:
            mean <- mean + (1 - ema) / (1 - ema^t) (w - mean), as in Adam (Kingma and Ba 2015, section 7.2). "loss" is
            of the weights that are trained. BatchNorm's statistics are not averaged. At least 0, below 1; None: the
            weights after the last step. Not with sync=H.
        label_smoothing : of "cross_entropy" and "binary_cross_entropy": targets y are taken for
            (1 - label_smoothing) y + label_smoothing / d(L), for the latter / 2 (Szegedy et al. 2016). "loss" is of
            these, validation of y as it is.
        mixup : alpha: each row is mixed with another one, share x + (1 - share) x' and targets likewise, labels as
            rows of probabilities; shares are drawn anew in each epoch, of the Beta distribution with both parameters
            alpha (Zhang et al. 2018). "loss" is of these; a row counts by its own sample weight. 0: as they are. Not
            with a function as the loss, categories, comm or batches.
        class_weight : factors of the rows' sample weights by class, for labels: a dict {label: factor}, 1 for labels
            that it does not have, or "balanced", n / (classes * rows of the class). For "cross_entropy" and, with 0
            and 1 in one output, "binary_cross_entropy". Rows are counted on all ranks of comm. Validation is without.
            Not with window nor batches, which take sample_weight.
        comm : the processes that train the network together, each with rows of its own in X, y, sample_weight and
            validation_data: an mpi4py communicator such as MPI.COMM_WORLD, or an object like those of
            fastmlp.distributed. They start from the weights and the random numbers of rank 0 and end with the same. A
            batch has rows of each rank in proportion to how many it has, which may be 0; what is logged is of the rows
            of all; callbacks are called on rank 0 (see Callback.every_rank); an error of one ends the fit for all.
        sync : "step": the ranks of comm sum their gradients before each step, as one process would. A number H: each
            takes H steps of its own between two averages of the weights and of the optimiser's state, weighted by the
            rows that each rank has taken since the last, and there is one at the end of each epoch: local SGD (Stich
            2019), for slow networks. What is logged then is the mean over each rank's own steps; where a loss is not
            finite the weights are those before the epoch. Not with callbacks that have an on_batch_end.
        window : rows of X and y that are held at once, twice, for data larger than memory: X and y then are anything
            that has shape, dtype and slices by rows (memory maps, h5py, zarr, fastmlp.data.Parquet). While a window is
            trained on, a thread reads the next. With shuffle each epoch takes runs of rows in a new order, some 32 of
            them a window, or chunks of the file where these are larger, and shuffles the rows of a window; what comes
            depends on the seed, the window and the chunks. Without shuffle the bits are those of the data in memory,
            but where numbers are drawn for each row, by Dropout or input_noise: these go by a row's number in its
            window. Rows are checked as they are read: where one is wrong the fit ends there. Held-out rows come by
            validation_data, which is held in memory. A fit that an exception or Ctrl-C ends goes back to the end of the
            last window, and partial_fit, also of a saved network, goes on from there with the rest of that epoch, where
            rows, batch_size and window are as many; not with comm, ema or callbacks that have an on_batch_end.
        batches : in the place of X and y, for rows that come from anywhere: tuples (X, y) or (X, y, sample_weight),
            each the rows of a step, from a list or the like, or from a function that returns an iterator anew for
            each epoch. batch_size and shuffle mean nothing then, and weights count within their batch.

        Returns the History: lists "loss" (mean over the epoch's rows, each at the weights before its batch's step),
        "lr", "val_loss" and the metrics by epoch. Where a loss is not finite the fit warns, stops, and the weights are
        those before the step that made it so. TypeError or ValueError names the argument that does not fit, before
        anything is changed. ScaleWarning where X or y has columns of thousands and more, of fits that are long
        enough for looking to cost nothing. RuntimeError from within another fit of the same network, as from a callback
        or another thread: that one goes on unharmed.
        """
        return fit(self, X, y, Options(
            optimizer=optimizer, epochs=epochs, batch_size=batch_size, sample_weight=sample_weight,
            validation_data=validation_data, callbacks=callbacks, shuffle=shuffle, n_threads=n_threads, verbose=verbose,
            validation_fraction=validation_fraction, metrics=metrics, input_noise=input_noise,
            gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty, adversarial=adversarial, ema=ema,
            label_smoothing=label_smoothing, mixup=mixup, class_weight=class_weight, comm=comm, sync=sync,
            window=window, batches=batches), fresh=True)

    def partial_fit(self, X: Any = None, y: Any = None, optimizer: Optimizer | str | None = None, epochs: int = 1,
                    batch_size: int | None = 32, sample_weight: ArrayLike | None = None,
                    validation_data: ValidationData | None = None, callbacks: Callbacks = (), shuffle: bool = True,
                    n_threads: int | None = None, verbose: int = 0, validation_fraction: float = 0.0,
                    metrics: Metrics = (), input_noise: float = 0.0, gradient_penalty: float = 0.0,
                    jacobian_penalty: float = 0.0, adversarial: Attack | None = None,
                    ema: float | None = None, label_smoothing: float = 0.0, mixup: float = 0.0,
                    class_weight: ClassWeight | None = None, comm: Any = None, sync: str | int = "step",
                    window: int | None = None, batches: Any = None) -> History:
        """Go on with training: as fit, but the optimiser's state, the count of epochs and the History go on, too.

        Callbacks begin anew in each call: EarlyStopping has no best yet and has not waited. The rows that
        validation_fraction holds out are the same as long as there are as many.

        optimizer : None for the present one. Another of the same kind goes on with the state; another kind starts anew.
        ema : the average begins anew in each call, which goes on from the weights that the last one left.
        """
        return fit(self, X, y, Options(
            optimizer=optimizer, epochs=epochs, batch_size=batch_size, sample_weight=sample_weight,
            validation_data=validation_data, callbacks=callbacks, shuffle=shuffle, n_threads=n_threads, verbose=verbose,
            validation_fraction=validation_fraction, metrics=metrics, input_noise=input_noise,
            gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty, adversarial=adversarial, ema=ema,
            label_smoothing=label_smoothing, mixup=mixup, class_weight=class_weight, comm=comm, sync=sync,
            window=window, batches=batches), fresh=False)

    def folded(self) -> Self:
        """A new network that predicts the same, without the layers that only multiply and shift features: BatchNorm
        with its running statistics, Scale and Shift go into the weights of the Dense layer or convolution before them,
        where that has no activation and nothing else reads it, else into those of all layers that read them. Then an
        Activation goes into such a layer before it. What goes nowhere, as before a sum, a normalisation of rows, a
        maximum, or a convolution that sees zeros around the map, becomes a Scale and a Shift.

        Ties, the optimiser and the history stay behind.
        """
        from . import _folding  # not above: few ask for it

        return _folding.folded(self)

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file: specs, weights, the optimiser with its state, the random stream, the history.

        The format is safetensors, see fastmlp.io. The file is there whole or not at all. A symbolic link is followed; a
        file that is replaced keeps its permissions, and where it has other names (hard links) these keep the old
        content. ValueError where the network holds functions of yours (a loss, a schedule), which no file can. OSError
        that names the path where it cannot be written or is no regular file: a folder, a device, a FIFO.
        """
        from ._files import document  # not above: it takes a tenth of the time that importing fastmlp does

        document.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The network that save wrote to a file. partial_fit goes on as if it had never stopped, to the bit.

        ValueError where the file is damaged, truncated, foreign or of a later format; OSError where it cannot be read.
        Nothing in a file is run, and of a foreign file no more than its header is read.
        """
        from ._files import document

        return document.load(cls, path)

    def summary(self) -> str:
        """A table of the layers as a string: shapes, parameters, memory, operations a row. print(net.summary()) prints
        it; as the last line of a notebook's cell net.summary() shows it as HTML."""
        return summary(self)

    def _repr_html_(self) -> str:
        return html(self)

    # ---- copies and pickles. The state's names are those of the first version, whose pickles load.

    def __getstate__(self) -> dict[str, Any]:
        network, parameters, progress = self._network, self._network.parameters, self._network.progress
        state = {name: value for name, value in vars(self).items() if name != "_network"}
        trained = progress.optimizer_state
        return {**state, "history": copy.deepcopy(self.history), "_dtype": self.dtype, "_loss": self.loss,
                "_precision": self.precision,
                "_shapes": self.shapes, "_layers": self.layers, "_d": self.d, "ties": self.ties,
                "_n_threads": network.n_threads, "_seed": progress.seed, "_epochs_ever": progress.epochs_ever,
                "_unfinished": progress.unfinished, "weights": parameters.all_weights(),
                "params": parameters.values() if self.ties else None,
                "statistics": network.core.statistics.copy(), "classes": network.classes,
                "training": None if trained is None else trained.export(parameters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        state.pop("_d")
        loss = Loss(state.pop("_loss").spec)
        network = Network(state.pop("_layers"), state.pop("_shapes"), loss, state.pop("_dtype"), state.pop("ties"),
                          state.pop("_precision", "full"))
        network.parameters.resume(state.pop("weights"), state.pop("params"))
        network.core.statistics[...] = state.pop("statistics", ())
        network.progress.seed, network.progress.epochs_ever = state.pop("_seed"), state.pop("_epochs_ever")
        network.classes = state.pop("classes", None)
        network.progress.unfinished = state.pop("_unfinished", None)
        network.n_threads, trained = state.pop("_n_threads", None), state.pop("training")
        if trained is not None:
            network.progress.optimizer_state = OptimizerState.restore(network.parameters, trained)
        self._network = network
        vars(self).update(state)

    def __repr__(self) -> str:
        inner = ", ".join(layer.brief() for layer in self.layers)
        first = self.d[0] if len(self.shapes[0]) == 1 else self.shapes[0]
        precision = "" if self.precision == "full" else f"precision={self.precision!r}, "
        return (f"MLP([{first}, {inner}], loss={self.loss.spec!r}, dtype={self.dtype.name!r}, {precision}"
                f"n_params={self.n_params})")
