"""The common base class of TabularClassifier and TabularRegressor."""
from __future__ import annotations

import os
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names, _check_n_features, check_is_fitted

from .. import _arrays, _checks, _core, _lazy
from .._running_fits import alone
from .._types import Floats, Integers
from ..callbacks import Callback
from ..data import Parquet
from ..estimators import _constraints, _state
from ..estimators._doc_link import Documented
from ..estimators._input import parts_to_watch, rows_to_watch, validate_weight
from ..model import MLP
from . import _files, ensemble, importances, joint, streamed
from . import columns as tables
from .columns import Column
from .encode import Encoder
from .pieces import Block, held_out_outputs
from .presets import PRESETS, Kind, Preset

FORMAT = 1  # of pickled state
ROWS = 4096  # rows that are predicted at a time

PARAMETERS = """\
    preset : "fast", "default" or "best": how large the networks are, how many, and how long they train.
    n_members : how many networks, None for as the preset has it.
    members : "separate": each is trained by itself, on rows of its own. "shared": they train as one network, whose
        matrices all have in common, with factors and biases of their own for each unit (TabM: Gorishniy, Kotelnikov and
        Babenko 2024, arXiv 2410.24210). "grouped": they train as one network and have nothing in common. As one they
        see the same batches, hold out the same part of the rows and stop together, so that bagging must be "folds",
        and `oof_prediction_` is of that part alone.
    bagging : "folds": each member holds out a part of the rows, by which it stops; "bootstrap": each trains on rows
        drawn with replacement, and stops by those not drawn.
    categorical_features : numbers or names of columns that are categories though they hold numbers, or a mask; None for
        those of text and of categorical types.
    max_iter : most epochs of a member, None for as the preset has it.
    time_limit : seconds, after which members stop; rates fall accordingly. None for none. A fit with a limit is not the
        same each time.
    random_state : None, an int or a RandomState: folds, weights, the order of rows, dropout.
    n_threads : threads to use, None for as many as OMP_NUM_THREADS and threadpoolctl allow. Results do not depend on
        it.
    callbacks : fastmlp.Callback objects, or functions of (net, epoch, logs), one or a list; with them members train one
        after another."""

ATTRIBUTES = """\
    n_features_in_, feature_names_in_ : of X.
    kinds_ : of each column "number", "category" or "time".
    networks_ : the members, MLPs of one input for each encoded feature.
    n_iter_ : epochs of the longest member; n_iter_by_member_ of all."""

OUT_OF_FOLD = """\
    oof_prediction_ : for each row of fit what those members say that held it out; NaN where none did."""


class BaseTabular(Documented, BaseEstimator):
    """Subclasses define how y is handled (`_read_y`, `_prepare_y`, `_targets`, `_n_outputs`, `_weighted`,
    `_keep_held_out`) and what is trained (`_loss`, `_members_of`); for tables in pieces also what has to be known of
    all y (`_look_at_y`, `_learn_y`), `_weighted_piece` and `_keep_residuals`.

    Of its private names, other packages use these: `export` uses `_encoder`, `_members`, `_scale` (of the targets)
    and `_names` (of the columns); `sensitivity` uses `_as_networks`; `distributed` uses `_nets`, to copy them."""

    _parameter_constraints = {
        "preset": [StrOptions(set(PRESETS))],
        "n_members": [Interval(Integral, 1, 10_000, closed="both"), None],
        "members": [StrOptions({"separate", *joint.WAYS})],
        "bagging": [StrOptions({"folds", "bootstrap"})],
        "categorical_features": ["array-like", None],
        "max_iter": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "time_limit": [Interval(Real, 0, 1e9, closed="neither"), None],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, _core.MOST_THREADS, closed="both"), None],
        "callbacks": [list, tuple, callable, Callback, None],
    }

    def _validate_params(self) -> None:
        """Check the parameters; scikit-learn calls this before each fit."""
        _constraints.check_kinds(self)
        _constraints.check_bounds(self, np.float64)

    def _set_parameters(self, parameters: dict[str, Any]) -> None:
        """Set attributes from __init__'s locals()."""
        self.__dict__.update((k, v) for k, v in parameters.items() if k not in ("self", "__class__"))

    # ---- fitting

    @alone
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None,
            validation_data: tuple[Any, ...] | None = None, *, X_val: Any = None, y_val: Any = None,
            sample_weight_val: ArrayLike | None = None, window: int = 65_536) -> Self:
        """Fit to a table.

        X : (n_samples, n_features), a DataFrame of pandas, polars or pyarrow with columns of numbers, booleans, text,
            categories or times, with or without missing values; or an array; or a fastmlp.data.Parquet, which need not
            fit in memory.
        y : (n_samples,); None with a Parquet, which contains its target.
        sample_weight : (n_samples,), at least 0: the weight of each row's loss. Rows of weight 0 are ignored. A row of
            weight 2 does not give exactly the same result as two equal rows: these may get into different members or
            batches, and count twice in quantiles of columns.
        validation_data : (X, y) or (X, y, sample_weight): rows that decide when members stop, instead of held-out rows
            of X; all rows of X are then trained on.
        X_val, y_val, sample_weight_val : the same as separate arguments, as in scikit-learn's HistGradientBoosting.
        window : for a Parquet, the number of rows in a window; the features of two windows are in memory at a time. A
            Parquet with no more rows is fitted as if it were in memory. Otherwise one pass collects what the encodings
            need, by sketches (see fastmlp.tabular.sketch); then each epoch reads row groups in a new order and encodes
            them, while the previous ones are trained on. All members see each window, and together hold out as many
            rows as one window has.

        Returns self. ValueError or TypeError names the wrong argument, for X the column. RuntimeError if the estimator
        is already being fitted by another call.
        """
        watched = rows_to_watch(validation_data, X_val, y_val, sample_weight_val)
        if watched is not None:
            watched = parts_to_watch(watched)
        window = _checks.integer("window", window, ensemble.FEWEST)
        fitted = object.__new__(type(self))  # replaces this one once it is completely fitted
        fitted.__dict__.update(self.__dict__)
        if isinstance(X, Parquet):
            if y is not None:
                raise ValueError("y must be None where X is a Parquet, which has its target, got "
                                 + _checks.described(y))
            if len(X) > window:
                streamed.fit(fitted, X, sample_weight, watched, window)
            else:
                fitted._fit(*streamed.whole(X), sample_weight, watched)
        else:
            fitted._fit(X, y, sample_weight, watched)
        self.__dict__.clear()
        self.__dict__.update(fitted.__dict__)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, watched: tuple[Any, ...] | None) -> None:
        """Fit this object to rows in memory, some attributes after others."""
        preset, as_one = PRESETS[self.preset], self.members != "separate"
        if as_one and self.bagging != "folds":
            raise ValueError(f"bagging must be 'folds' where members are {self.members!r}, which all train on the same "
                             f"rows, got {self.bagging!r}")
        callbacks = ensemble.callbacks_of(self.callbacks)
        columns = self._read(X, reset=True)
        y = self._prepare_y(y, columns, reset=True)
        weight = self._weighted(y, None if sample_weight is None else _weights(sample_weight, columns))
        weight = ensemble.of_a_size(weight)
        counting = np.ones(len(y), bool) if weight is None else weight > 0
        if not counting.all():
            columns, y, weight = _some_rows(columns, y, weight, counting)
        rng = _checks.generator(self.random_state)
        encoder = Encoder(preset).fit(columns)
        targets = self._targets(y, weight, reset=True)
        if watched is not None:
            with _checks.under("validation_data, or X_val and y_val"):
                watched = self._watched(encoder, *watched)
        kinds = self._kinds(preset)
        parts = ensemble.deal(y, len(kinds), preset.folds, self.bagging, rng)
        if as_one:
            parts = parts[:1] * len(kinds)
        if watched is not None:
            parts = [ensemble.Part(np.arange(len(y)), np.empty(0, np.int64))] * len(kinds)
        features = encoder.transform(columns)
        seeds = rng.integers(2**31, size=len(kinds))
        nets = [ensemble.network(preset, kind, features.shape[1], self._n_outputs(), self._loss, int(seed))
                for kind, seed in zip(kinds, seeds)]
        training = ensemble.Training(preset, features, encoder.stacked, targets, weight, watched, self.time_limit,
                                     callbacks, self.n_threads)
        self.n_iter_by_member_ = (joint.train(self.members, training, nets, kinds[0], parts[0], rng) if as_one
                                  else training(nets, kinds, parts))
        self.n_iter_ = max(self.n_iter_by_member_)
        self._encoder, self._nets = encoder, nets
        self._importances: Floats | None = None
        rows = Block(features, targets, weight, parts)
        held_out = self._keep_held_out(*held_out_outputs(nets, rows), targets)
        self.oof_prediction_ = np.full((len(counting), *held_out.shape[1:]), np.nan)
        self.oof_prediction_[counting] = held_out
        self._held = importances.HeldOut.some(features, targets, weight, parts, rng)

    def _n_members(self, preset: Preset) -> int:
        return self._members_of(preset)[0] if self.n_members is None else self.n_members

    def _kinds(self, preset: Preset) -> list[Kind]:
        """The kind of each member, one for all that train as one network."""
        _, by_turns = self._members_of(preset)
        if self.members != "separate":
            by_turns = by_turns[-1:]
        of_numbers = sum(kind != tables.CATEGORY for kind in self.kinds_)
        changes: dict[str, Any] = {} if of_numbers >= preset.many else {"dropped": 0.0}
        if self.max_iter is not None:
            changes["epochs"] = self.max_iter
        return [replace(by_turns[m % len(by_turns)], **changes) for m in range(self._n_members(preset))]

    def _watched(self, encoder: Encoder, X: Any, y: Any, weight: Any) -> tuple[Any, ...]:
        """Validation rows as the networks take them."""
        columns = self._read(X)
        y = self._prepare_y(y, columns, reset=False)
        weight = ensemble.of_a_size(self._weighted(y, None if weight is None else _weights(weight, columns)))
        return encoder.transform(columns), self._targets(y, weight, reset=False), weight

    # ---- using

    def _read(self, X: Any, reset: bool = False, kinds: list[str] | None = None) -> list[Column]:
        """The columns of X; with reset their names and kinds, as found or given, are stored."""
        with _checks.asking("X"):
            return self._read_table(tables.table(X, self), reset, kinds)

    def _read_table(self, X: Any, reset: bool, kinds: list[str] | None = None) -> list[Column]:
        """The same for a result of `table`."""
        names = tables.names_of(X) if tables.is_frame(X) else None
        if reset:
            with _checks.under("categorical_features"):
                categorical = _categorical(self.categorical_features, X.shape[1], names)
            columns = tables.read(X, kinds, categorical=categorical)
            self._take_names(names, [column.kind for column in columns])
            return columns
        if names is None or self._names is None:  # columns are identified by position
            _check_feature_names(self, X, reset=False)
            _check_n_features(self, X, reset=False)
        return tables.read(X, self.kinds_, names if self._names is None else self._names)

    def _take_names(self, names: list[Any] | None, kinds: list[str]) -> None:
        """Store the columns' names, None if they have none, and kinds."""
        self.n_features_in_ = len(kinds)
        self.__dict__.pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, object)
        self._names, self.kinds_ = names, kinds

    def _members(self) -> list[MLP]:
        """The networks, set to the estimator's present n_threads."""
        check_is_fitted(self, "n_iter_by_member_")
        for net in self._nets:
            net._network.n_threads = self.n_threads
        return self._nets

    def _outputs(self, X: Any) -> Floats:
        """x(L) of each member, before the link, (n_members, n_samples, d(L))."""
        check_is_fitted(self, "n_iter_by_member_")
        return self._outputs_of(self._read(X))

    def _outputs_of(self, columns: list[Column]) -> Floats:
        """The same from columns; a few rows at a time, so that features stay in the cache and memory is bounded."""
        members, n = self._members(), tables.n_rows(columns)
        out = np.empty((len(members), n, members[0].d[-1]))
        for begin in range(0, n, ROWS):
            some = slice(begin, begin + ROWS)
            features = self._encoder.transform(tables.rows_of(columns, some))
            for net, outputs in zip(members, out):
                outputs[some] = net._network.predict(features, linked=False)
        return out

    def _as_networks(self, X: Any, y: Any = None) -> tuple[list[MLP], Floats, Any, Integers, int]:
        """(members, X as they take it, y as they take it, the column of each feature, how many columns there are)."""
        members, columns = self._members(), self._read(X)
        if y is not None:
            y = self._targets(self._prepare_y(y, columns, reset=False), None, reset=False)
        return members, self._encoder.transform(columns), y, self._encoder.source, len(columns)

    @property
    def networks_(self) -> list[MLP]:
        """The members, networks from encoded features to x(L): logits of classes, or the standardised y. Not copies."""
        return list(self._members())

    def to_onnx(self, path: str | os.PathLike[str] | None = None, dtype: Any = None, weights: str | None = None) -> Any:
        """The fitted estimator as an ONNX model that takes the raw table: see fastmlp.export.to_onnx.

        path : file to write, None for none. dtype : "float32" or "float64", None for float32.
            weights : "int8", "bfloat16" or "sparse" for a smaller model. Returns the onnx.ModelProto.
        """
        check_is_fitted(self, "n_iter_by_member_")
        return _lazy.load("export").to_onnx(self, path, dtype, weights)

    def to_c(self, path: str | os.PathLike[str] | None = None, dtype: Any = "float32", name: str = "predict",
             weights: str | None = None) -> str:
        """The fitted estimator as one self-contained C99 file, with a function that returns the codes of categories:
        see fastmlp.export.to_c; the parameters are those of MLP.to_c.

        path : file to write, None for none. Returns the text.
        """
        check_is_fitted(self, "n_iter_by_member_")
        return _lazy.load("export").to_c(self, path, dtype, name, weights)

    @property
    def feature_importances_(self) -> Floats:
        """The increase of the loss of held-out rows when a column is shuffled, for each column, (n_features_in_,).

        Computed on first access, from at most 2,000 rows for each member, which are kept in memory but not saved to
        files. AttributeError if the estimator was loaded from a file and the importances were not computed before
        saving, or if no rows were held out. `permutation_importances` takes rows of yours.
        """
        check_is_fitted(self, "n_iter_by_member_")
        if self._importances is None:
            held: importances.HeldOut | None = vars(self).get("_held")
            if held is None:
                raise AttributeError("feature_importances_ needs rows that fit held out, which files do not keep, and "
                                     "which there are none of where validation rows were given: use "
                                     "permutation_importances(X, y)")
            self._importances = held.rises(self._members(), self._encoder.source, self.n_features_in_)
        return self._importances

    def permutation_importances(self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, n_repeats: int = 5,
                                random_state: Any = 0) -> Floats:
        """The decrease of the score when a column is shuffled, for each column of X, (n_features,) (Breiman 2001).

        X, y, sample_weight : rows that were not trained on, as in score. n_repeats : shuffles of each column, 1 to
        1000, of which the mean is returned. ValueError or TypeError for wrong arguments.
        """
        check_is_fitted(self, "n_iter_by_member_")
        rows = self._rows(X, y, sample_weight)
        return importances.of_score(self, *rows, n_repeats, _checks.generator(random_state))

    def _score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """The score of rows."""
        check_is_fitted(self, "n_iter_by_member_")
        return float(self._score_of(*self._rows(X, y, sample_weight)))

    def _rows(self, X: Any, y: Any, sample_weight: Any) -> tuple[list[Column], Any, Floats | None]:
        """The columns of X, y and sample_weight or None, checked."""
        columns = self._read(X)
        y = self._read_y(y, columns)
        return columns, y, None if sample_weight is None else _weights(sample_weight, columns)

    # ---- state

    def __getattr__(self, name: str) -> Any:
        """Called for missing attributes: explains why oof_prediction_ is missing."""
        if name == "oof_prediction_" and "n_iter_by_member_" in vars(self):
            raise AttributeError("oof_prediction_ is of tables in memory; of a table in pieces members hold out some "
                                 "rows alone: predict rows that were kept from fit")
        return super().__getattribute__(name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to a file, fitted or not: parameters, encodings, networks, labels, the targets' scale,
        held-out predictions. The format is that of MLP.save; the file is written completely or not at all. It contains
        `feature_importances_` only if they were computed before, and not the rows that they need.

        ValueError that names a parameter or attribute which is or contains a function or another object, such as a
        callback, that cannot be saved. OSError that names the path if it cannot be written.
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load an estimator from a file that save of the same class wrote; its predictions have exactly the same bits.

        ValueError if the file is damaged, of another kind or class, or of a later format; OSError if it cannot be read.
        Nothing in a file is executed.
        """
        return _files.load(cls, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_format": FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _state.take(self, state, FORMAT)


def _some_rows(columns: list[Column], y: Any, weight: Any, chosen: Any) -> tuple[list[Column], Any, Any]:
    """(columns, y, weight) of some rows. chosen: a mask. ValueError if it selects none."""
    if not chosen.any():
        raise ValueError("sample_weight times class_weight must be above 0 for some row, got 0 for all")
    return tables.rows_of(columns, chosen), y[chosen], weight[chosen]


def _weights(sample_weight: Any, columns: list[Column]) -> Floats | None:
    """sample_weight, checked: (n,) of float64, not all 0."""
    weight = validate_weight(sample_weight, np.empty((tables.n_rows(columns), 1)), np.float64)
    if weight.min() < 0:
        raise ValueError(f"sample_weight must be at least 0, got {weight.min():g}")
    if not weight.max() > 0:
        raise ValueError("Sample weights must contain at least one non-zero number: sample_weight is all 0")
    return ensemble.of_a_size(weight)


def _categorical(given: Any, n: int, names: list[Any] | None) -> set[int]:
    """The numbers of the columns that the user declares to be categories. n: of all columns."""
    numbers: set[int] = set()
    if given is None:
        return numbers
    if _arrays.as_array("categorical_features", given).ndim != 1:
        raise ValueError(f"categorical_features must be a list of columns or a mask, got {_checks.described(given)}")
    given = list(given)
    if given and all(isinstance(v, (bool, np.bool_)) for v in given):
        if len(given) != n:
            raise ValueError(f"categorical_features must have a value for each of {n} columns as a mask, got "
                             f"{len(given)}")
        return set(np.flatnonzero(given).tolist())
    for v in given:
        if names is not None and v in names:
            numbers.add(names.index(v))
        elif _checks.is_integer(v) and -n <= v < n:
            numbers.add(int(v) % n)
        else:
            raise ValueError(f"categorical_features must be columns of X, by number 0..{n - 1} or by name, got "
                             + _checks.described(v))
    return numbers
