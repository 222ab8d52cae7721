"""Export to and import from ONNX, C, PyTorch and scikit-learn; and networks with simpler weights.

`_table.py` has what each kind of layer, activation and link becomes in each format. The packages of a format are
imported only when it is used. The methods of MLP and of the estimators with the same names call these functions.
"""
from __future__ import annotations

import os
from typing import Any

from .. import _checks
from ..model import MLP
from ..sensitivity._target import required_mlp

__all__ = ["to_onnx", "from_onnx", "to_c", "to_torch", "from_torch", "from_sklearn", "to_sklearn", "pruned",
           "quantized", "register_skl2onnx"]


def to_onnx(model: Any, path: str | os.PathLike[str] | None = None, dtype: Any = None,
            weights: str | None = None) -> Any:
    """An MLP or a fitted estimator as an ONNX model.

    path : file to write, None for none. dtype : "float32" or "float64", of its input X and all computations, None for
    the network's; in float64 only operators are used that onnxruntime has in float64. weights : "int8" or "bfloat16" to
    store the values of quantized(weights) in a quarter or half of the space of float32; "sparse" to store one bit for
    each weight and the values that are not 0, as after pruned; biases stay as they are. Runtimes convert them to dtype
    when they load the model, so that it is as fast.

    For an MLP, X has the shape of its input, (n, *shapes[0]), maps with channels last, and `output` (n, d(L)) is the
    result of predict. For estimators, outputs have skl2onnx's names: `label` (n,) and `probabilities` (n, n_classes) of
    classifiers, `variable` (n, n_outputs) of regressors, `variable` (n, units of the code) and `reconstruction`
    (n, n_features) of MLPAutoencoder. Labels are int64, or strings.

    For estimators of tables, the model contains the encodings of columns, the mean of the members and the scale of
    targets. If all columns are numbers, including booleans and durations in seconds, X (n, n_features_in_) has them in
    the order of fit. Otherwise there is an input (n, 1) for each, with its name (for arrays x0, x1, ..), categories as
    strings: "" for a missing one, "3" for the number 3. Missing numbers are NaN. Columns of times are not possible, nor
    in float32 numbers that differ by less than its precision. New categories in columns with more than 128 are hashed
    by predict, but not in ONNX: a UserWarning says so.

    Opset 17, IR 8; checked by onnx.checker. Returns the onnx.ModelProto. ValueError if a layer or column cannot be
    written in ONNX, weights are not finite in dtype, or the model would have 2 GiB; TypeError for another kind of
    model; ImportError without the package onnx; OSError if path cannot be written.
    """
    from . import _onnx, _onnx_estimators

    one_of = _onnx.of_network if isinstance(model, MLP) else _onnx_estimators.of_estimator
    return one_of(model, path, dtype, weights)


def from_onnx(cls: type[MLP], path: str | os.PathLike[str]) -> Any:
    """The network of an ONNX model that to_onnx wrote, as an instance of cls: see MLP.from_onnx."""
    from . import _from_onnx

    return _from_onnx.network(_class(cls), path)


def to_c(model: Any, path: str | os.PathLike[str] | None = None, dtype: Any = "float32", name: str = "predict",
         weights: str | None = None) -> str:
    """An MLP, or an estimator of tables, as one self-contained C99 file, which is also a header for C++: see MLP.to_c.

    For TabularClassifier, `out` is the result of predict_proba, for TabularRegressor that of predict; x has the columns
    in the order of fit, NaN for missing values. A column of categories has a code for each label, which is returned by

        float predict_category(size_t column, const char *label);   label in UTF-8, "3" for the number 3, or NULL

    (NaN for a missing one). New labels in columns with more than 128 are hashed by predict, but not in C: a UserWarning
    says so. ValueError for columns of times: it says what to do instead.
    """
    from . import _c, _c_tables

    one_of = _c.of_network if isinstance(model, MLP) else _c_tables.of_estimator
    return one_of(model, path, dtype, name, weights)


def to_torch(net: MLP, link: bool = True) -> Any:
    """A network as a PyTorch module: see MLP.to_torch."""
    from . import _torch

    return _torch.of_network(required_mlp(net), link)


def from_torch(cls: type[MLP], module: Any, input_shape: Any = None, loss: Any = None) -> Any:
    """The network from a PyTorch module, as an instance of cls: see MLP.from_torch."""
    from . import _from_torch

    return _from_torch.network(_class(cls), module, input_shape, loss)


def from_sklearn(cls: type[Any], est: Any) -> Any:
    """Convert scikit-learn's perceptron to cls, MLP or one of fastmlp's estimators: see MLP.from_sklearn and
    MLPClassifier.from_sklearn."""
    from . import _sklearn

    return (_sklearn.network if _is_class(cls) else _sklearn.estimator)(cls, est)


def to_sklearn(est: Any) -> Any:
    """Convert an estimator to scikit-learn's: see MLPClassifier.to_sklearn."""
    from . import _sklearn

    return _sklearn.theirs(est)


def pruned(net: MLP, threshold: float, X: Any = None) -> Any:
    """A network without its small weights, and the effect of that: see MLP.pruned."""
    from . import _smaller

    return _smaller.pruned(required_mlp(net), threshold, X)


def quantized(net: MLP, kind: str, X: Any = None) -> Any:
    """A network with quantized weights, and the effect of that: see MLP.quantized."""
    from . import _smaller

    return _smaller.quantized(required_mlp(net), kind, X)


def register_skl2onnx() -> None:
    """Register fastmlp's estimators with skl2onnx, also as the last step of a Pipeline: call once before
    convert_sklearn.

    For MLPAutoencoder, transform is converted. Estimators of tables with categories need a type for each column, as
    skl2onnx.to_onnx(model, frame[:1]) provides, or an input that a ColumnTransformer makes from such columns; a
    ValueError says which type is wrong. ImportError without the package skl2onnx.
    """
    from . import _skl2onnx

    _skl2onnx.register()


def _is_class(cls: Any) -> bool:
    """Whether it is a class of networks."""
    return isinstance(cls, type) and issubclass(cls, MLP)


def _class(cls: Any) -> type[MLP]:
    """cls, which must be a class of networks."""
    if not _is_class(cls):
        raise TypeError(f"cls must be MLP or a class derived from it, got {_checks.described(cls)}")
    return cls
