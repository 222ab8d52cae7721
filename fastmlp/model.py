"""MLP: a multilayer perceptron."""
from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _checks, _core, _derivatives, _labels, _layer_list
from . import layers as specs
from ._export_methods import ExportMethods
from ._fit.history import History
from ._fit.measures import labels_of, score
from ._fit.mlp import fit
from ._fit.options import Callbacks, ClassWeight, Metrics, Options, ValidationData
from ._network import Network
from ._parameters import OptimizerState
from ._robustness import Attack
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


class MLP(ExportMethods):
    """A multilayer perceptron: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), l = 1..L.

    Parameters
    ----------
    layers : list. The first entry is d(0), the number of inputs; or the shape of a map, (h, w, c) or (length, c),
        channels last; or Columns, if some columns of X are categories. Each entry after it is an int, for a Dense layer
        of that many units with the network's `activation` (the last one linear: the loss supplies its link), a layer
        spec, or a block of layers, Residual or Concat.
    activation : a name (`fastmlp.activations()`) or a pair (name, argument). "swish", "logistic" and "linear" are
        aliases of "silu", "sigmoid" and "identity".
    loss : a name (`fastmlp.losses()`), a pair (name, number) for "huber" (threshold) and "quantile", or a callable
        loss(x, y) -> values (m,), derivatives (m, d(L)). The link of predictions is softmax for "cross_entropy",
        sigmoid for "binary_cross_entropy", exp for "poisson", else the identity. "mse", "mae" and "log_loss" are
        aliases of "squared_error", "absolute_error" and "cross_entropy"; Keras' names are known, too.
        ("quantile", (q1, q2, ..)), with increasing numbers between 0 and 1, predicts several quantiles of each target:
        the last layer has that many units for each column of y, those of the first column first, and the loss is the
        sum of theirs. ("ordered_quantile", (q1, q2, ..)) is the same with predictions that never cross, p1 = x1 and
        pk = p(k-1) + softplus(xk).
    dtype : "float32" or "float64", of the weights and all computations.
    init : the initializer of the weights of int layers: a name of `fastmlp.initializers()`.
    random_state : None, an int, or a numpy Generator or RandomState, for the initial weights and the order of rows.
    ties : TiedGroup, Frozen, tie_transpose, tie_layers, tie_map: weights that share a parameter or are frozen, see
        fastmlp.ties.
    precision : "full", or "bfloat16" with dtype "float32": in fit, predict, evaluate, score and forward, the operands
        of products in Dense layers and convolutions (x, W, delta) are rounded to bfloat16, which has 8 bits of
        mantissa. Sums, weights and the optimiser stay float32. backprop, loss_and_grad and all other derivatives, a fit
        with adversarial, gradient_penalty or jacobian_penalty, and exported networks use full precision.

    ValueError or TypeError names the wrong argument.

    Attributes
    ----------
    W, b : tuples by layer; entry 0 is None, as is that of a layer without W or b. W[l] is a view (d(l-1), d(l)), b[l] a
        view (d(l),); of a convolution (kh, kw, c_in, c_out) and (c_out,), of g groups (g, d(l-1) / g, d(l) / g), of
        layers that scale and shift by feature (features,) and (features,), of Columns (elements of all tables,).
        Writing into them changes the network; those of layers with tied or frozen weights are read-only, set `params`
        instead.
    shapes : the shapes of x(0) .. x(L) for one row; d their sizes. X may be given as maps, (n, h, w, c), or (n, h, w)
        for one channel, or flat in C order; results are flat, (n, d(l)).
    params : all W and b, layer by layer, as one flat array; with ties the free parameters, in the order of their first
        places. A copy; settable.
    n_params : the number of params.
    classes : if labels are text, the names of the classes (d(L),), or of the two classes of a single output; otherwise
        None. Found by fit in y, in alphabetical order, or set by you: needed before fit with batches, windows or rows
        on several ranks, where fit cannot see all labels beforehand. Set it to None to use other classes.
    history : the log of the last fit and of the partial_fits since.
    """

    def __init__(self, layers: Sequence[int | Sequence[int] | specs.Layer | specs.Residual | specs.Concat], *,
                 activation: specs.Theta = "relu", loss: LossName | LossFunction = "squared_error",
                 dtype: Any = "float32", init: str = "glorot_uniform",
                 random_state: int | np.random.Generator | np.random.RandomState | None = None,
                 ties: Sequence[Tie] = (), precision: str = "full") -> None:
        floating = _checks.floating(dtype)
        precision = _checks.precision(precision, floating)
        minimised = Loss(loss, floating)
        shapes, checked = _layer_list.checked_layers(_layer_list.entries_to_specs(layers, activation, init), floating)
        if not isinstance(ties, (list, tuple)):
            raise TypeError(f"ties must be a list of ties, got {type(ties).__name__}")
        rng = _checks.generator(random_state)
        with _checks.within_memory("layers"):
            self._network = Network(checked, shapes, minimised, floating, tuple(ties), precision)
            self._network.start(rng)
        self._network.progress.seed = int(rng.integers(2**63))
        self.history = History()

    # ---- fixed properties

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
        """The forward pass, with all intermediate results.

        X : (n, d(0)). Returns an object with lists `s`, `x` indexed by layer, of (n, d(l)) arrays; x[0] is the input,
        s[0] is None. x[L] is before the loss's link.
        """
        return self._network.forward(X)

    def predict(self, X: Any) -> Floats:
        """The predictions, x(L) after the loss's link, (n, d(L)): probabilities, means. X : (n, d(0))."""
        out = self._network.core.predict_small(X)
        return self._network.predict(X) if out is None else out

    def predict_labels(self, X: Any) -> Any:
        """The most probable class of each row, (n,): its name in `classes`, or its index if that is None. With
        "binary_cross_entropy" and several outputs 0 or 1 for each of them, (n, d(L)).

        X : (n, d(0)). ValueError if the loss is not one of classification.
        """
        return labels_of(self._network, self.predict(X))

    def evaluate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The mean loss over rows, weighted by sample_weight.

        X : (n, d(0)); y : (n,) or (n, d(L)); sample_weight : (n,) or None.
        """
        return self._network.evaluate(X, y, sample_weight)

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The quality of predictions, at best 1: with "cross_entropy" and "binary_cross_entropy" the accuracy (with
        several yes-or-no outputs, the fraction of rows with all outputs right); with several quantiles 1 - pinball loss
        / that of y's own quantiles, the mean over them (Koenker and Machado 1999); with other losses R^2, the mean over
        outputs.

        X, y, sample_weight : as in evaluate.
        """
        return score(self._network, X, y, sample_weight)

    # ---- derivatives by the parameters

    def backprop(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> SimpleNamespace:
        """Forward pass and delta sweep, with all intermediate results.

        X : (n, d(0)); y : (n,) or (n, d(L)); sample_weight : (n,) or None. Returns an object with `loss` (the weighted
        mean over rows), `s`, `x`, `delta` (lists by layer of (n, d(l)); delta is per row, de_i/ds), `dW`, `db` (lists
        by layer, gradients of `loss`) and `dX` (n, d(0)), per row, de_i/dx(0).
        """
        return _derivatives.backprop(self._network, X, y, sample_weight)

    def loss_and_grad(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, gradient_penalty: float = 0.0,
                      jacobian_penalty: float = 0.0) -> tuple[float, Floats]:
        """(mean loss, its gradient by `params`), for scipy.optimize and checks. Memory does not grow with the rows.

        gradient_penalty, jacobian_penalty : as in fit; included in the loss here. The projections of the second are the
        same in each call.

        If the loss is not finite, for example after an overflow, the whole gradient is NaN, so that no optimiser takes
        it for a minimum.
        """
        return _derivatives.loss_and_gradient(self._network, X, y, sample_weight, gradient_penalty=gradient_penalty,
                                              jacobian_penalty=jacobian_penalty)

    def hvp(self, v: ArrayLike, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Floats:
        """The Hessian of the mean loss by `params` times v, (n_params,), in two sweeps (Pearlmutter 1994).

        v : (n_params,). The loss must be one of `fastmlp.losses()`. NaN if the loss is not finite.
        """
        return _derivatives.hessian_product(self._network, v, X, y, sample_weight)

    # ---- derivatives by the input. If a softmax is saturated, those of probabilities vanish, but those of logits still
    # show which inputs matter.

    def input_gradient(self, X: Any, y: Any = None, output: int | None = None, at: str = "logits") -> Floats:
        """de_i/dx_i(0), the sensitivity of each row's error to its input, or dx_k(L)/dx(0) for output k.

        X : (n, d(0)). y : targets, for the loss; or output : k, 0 .. d(L) - 1. at : "logits", outputs before the loss's
        link, or "probabilities", the results of predict. Returns (n, d(0)).
        """
        return _derivatives.input_gradient(self._network, X, y, output, at)

    def jacobian(self, X: Any, at: str = "logits") -> Floats:
        """dx_k(L)/dx_j(0) of each row, (n, d(L), d(0)), by one sweep for each output. at : as in input_gradient."""
        return _derivatives.jacobian(self._network, X, at)

    def jvp(self, X: Any, V: ArrayLike, at: str = "logits") -> Floats:
        """sum_j v_j dx(L)/dx_j(0) of each row.

        X : (n, d(0)). V : (n, d(0)). at : as in input_gradient. Returns (n, d(L)). Takes one sweep, whatever d(0).
        """
        return _derivatives.jvp(self._network, X, V, at)

    def vjp(self, X: Any, U: ArrayLike, at: str = "logits") -> Floats:
        """sum_k u_k dx_k(L)/dx(0) of each row.

        X : (n, d(0)). U : (n, d(L)). at : as in input_gradient. Returns (n, d(0)). Takes one sweep, whatever d(L).
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
        """Train from the present weights, with a new optimiser state and a new History; random numbers continue.

        X : (n, d(0)), dense of any real dtype and strides, or scipy sparse. y : (n,) or (n, d(L)), which may be
            scipy sparse too; for "cross_entropy" labels 0..d(L)-1 or rows of probabilities. Labels may be text, also
            for "binary_cross_entropy" of one output: see `classes`. Sparse rows are made dense a few at a time, but y
            as a whole for metrics.
        optimizer : SGD, Adam, AdamW, NAdam, RMSprop, Adagrad or Lion, or a name in lower case, such as "adam", for its
            defaults; default SGD(0.01). A schedule is called for the first 10,000 epochs before training begins, for
            later ones when they begin.
        epochs : how many times all rows are trained on.
        batch_size : rows per step; the last batch of an epoch may be smaller. None: all rows.
        sample_weight : (n,). Only ratios count: the gradient of a batch is that of the mean of w_i e_i over its rows,
            with w scaled to mean 1 over the data.
        validation_data : (X, y) or (X, y, sample_weight); its mean loss is logged after each epoch as "val_loss". Or
            several such by name, {"train": (X, y), "new": (X_new, y_new)}, logged as "train_loss" and "new_loss".
        callbacks : a `Callback`, see fastmlp.callbacks, or a function (net, epoch, logs), called at the end of each
            epoch, whose true result stops the fit; or a list of them.
        shuffle : whether rows come in a new random order in each epoch.
        n_threads : threads to use, or None for as many as are useful and allowed by OMP_NUM_THREADS and threadpoolctl.
            Results do not depend on it.
        verbose : 1 shows a progress bar or, without a terminal, a line per epoch.
        validation_fraction : the fraction of rows, chosen at random, to hold out for "val_loss", instead of
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
            rows of probabilities; shares are drawn anew in each epoch, from the distribution Beta(alpha, alpha) (Zhang
            et al. 2018). "loss" is that of the mixed rows; each row keeps its own sample weight. 0: no mixing. Not with
            a function as the loss, categories, comm or batches.
        class_weight : factors of the sample weights by class, if y are labels: a dict {label: factor}, 1 for labels
            that it does not contain, or "balanced", n / (classes * rows of the class). For "cross_entropy" and, with 0
            and 1 in one output, "binary_cross_entropy". Rows are counted on all ranks of comm. Not used in validation.
            Not with window or batches: use sample_weight there.
        comm : the processes that train the network together, each with its own rows in X, y, sample_weight and
            validation_data: an mpi4py communicator such as MPI.COMM_WORLD, or an object like those of
            fastmlp.distributed. They start from the weights and random numbers of rank 0, and end with equal weights.
            Each rank contributes rows to a batch in proportion to its number of rows, which may be 0; logged values are
            over the rows of all ranks; callbacks are called on rank 0 (see Callback.every_rank); an error on one rank
            ends the fit on all.
        sync : "step": the ranks of comm sum their gradients before each step, as one process would. A number H: each
            rank takes H steps of its own between two averages of the weights and the optimiser's state, weighted by the
            rows that each has trained on since the last one; the last average of an epoch is at its end: local SGD
            (Stich 2019), for slow networks. Logged values are then means over each rank's own steps; if a loss is not
            finite, the weights before the epoch are restored. Not with callbacks that have an on_batch_end.
        window : for data larger than memory: the number of rows in a window; two windows are in memory at a time. X and
            y are anything with shape, dtype and slicing by rows (memory maps, h5py, zarr, fastmlp.data.Parquet). While
            one window is trained on, a thread reads the next. With shuffle, each epoch takes runs of rows in a new
            order, about 32 per window, or chunks of the file if these are larger, and shuffles the rows of a window;
            the result depends on the seed, the window and the chunks. Without shuffle, the bits are the same as with
            the data in memory, except with Dropout or input_noise, whose random numbers depend on a row's number in its
            window. Rows are checked when they are read: if one is wrong, the fit ends there. Use validation_data for
            held-out rows; it is in memory. If an exception or Ctrl-C ends the fit, the network returns to the end of
            the last window, and partial_fit, also of a saved network, continues there with the rest of that epoch, if
            the number of rows, batch_size and window are the same; not with comm, ema or callbacks that have an
            on_batch_end.
        batches : instead of X and y, for rows from any source: tuples (X, y) or (X, y, sample_weight), each the rows of
            a step, in a list or other iterable, or from a function that returns a new iterator for each epoch.
            batch_size and shuffle are ignored then, and weights are relative within their batch.

        Returns the History: lists "loss" (mean over the epoch's rows, each with the weights before its batch's step),
        "lr", "val_loss" and the metrics, by epoch. If a loss is not finite, the fit warns and stops, with the weights
        before the step that made it so. TypeError or ValueError names the wrong argument, before anything is changed.
        ScaleWarning if X or y has columns with values of thousands or more (checked only in fits so long that the check
        costs no noticeable time). RuntimeError if the network is already being fitted, by an enclosing call, as from a
        callback, or another thread; that fit is not affected.
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
        """Continue training: as fit, but with the previous optimiser state, count of epochs and History.

        Callbacks start anew in each call: EarlyStopping has no best value yet. validation_fraction holds out the same
        rows as before if their number is the same.

        optimizer : None for the present one. Another one of the same kind continues with the state; another kind
            begins with a new state.
        ema : the average begins anew in each call, from the weights that the last one left.
        """
        return fit(self, X, y, Options(
            optimizer=optimizer, epochs=epochs, batch_size=batch_size, sample_weight=sample_weight,
            validation_data=validation_data, callbacks=callbacks, shuffle=shuffle, n_threads=n_threads, verbose=verbose,
            validation_fraction=validation_fraction, metrics=metrics, input_noise=input_noise,
            gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty, adversarial=adversarial, ema=ema,
            label_smoothing=label_smoothing, mixup=mixup, class_weight=class_weight, comm=comm, sync=sync,
            window=window, batches=batches), fresh=False)

    def folded(self) -> Self:
        """A new network with the same predictions, without layers that only scale and shift features: BatchNorm with
        its running statistics, Scale and Shift are folded into the weights of the Dense layer or convolution before
        them, if that has no activation and no other readers, otherwise into those of all layers that read them. Then an
        Activation is moved into such a layer before it. What cannot be folded, for example before a sum, a
        normalisation of rows, a maximum, or a convolution with zero padding, becomes a Scale and a Shift.

        Ties, optimiser state and history are not copied.
        """
        from . import _folding  # here: seldom needed

        return _folding.folded(self)

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file: specs, weights, the optimiser with its state, the random seed, the history.

        The format is safetensors, see fastmlp.io. The file is written completely or not at all. A symbolic link is
        followed; a replaced file keeps its permissions, and its other hard links keep the old content. ValueError if
        the network contains functions of yours (a loss, a schedule), which cannot be saved. OSError that names the path
        if it cannot be written or is not a regular file (a folder, a device, a FIFO).
        """
        from ._files import document  # here: it takes a tenth of the import time of fastmlp

        document.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a network from a file that save wrote. partial_fit then gives exactly the same bits as without saving.

        ValueError if the file is damaged, truncated, of another kind or of a later format; OSError if it cannot be
        read. Nothing in a file is executed, and of another kind of file only the header is read.
        """
        from ._files import document

        return document.load(cls, path)

    def summary(self) -> str:
        """A table of the layers as a string: shapes, parameters, memory, operations per row. print(net.summary())
        prints it; as the last line of a notebook cell, net.summary() shows it as HTML."""
        return summary(self)

    def _repr_html_(self) -> str:
        return html(self)

    # ---- copies and pickles. The state uses the names of the first version, so that its pickles can be loaded.

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
