"""MLP's methods for export and import, and for smaller weights; `fastmlp.export` implements them."""
from __future__ import annotations

import os
from typing import Any, Self

from . import _lazy


class ExportMethods:
    """The export and import methods of MLP. Exported networks compute in full precision, whatever the network's is."""

    def to_onnx(self, path: str | os.PathLike[str] | None = None, dtype: Any = None, weights: str | None = None) -> Any:
        """The network as an ONNX model with the output of predict: see fastmlp.export.to_onnx.

        path : file to write, None for none. dtype : "float32" or "float64", None for the network's. weights : "int8" or
        "bfloat16" to store them in a quarter or half of the space, with the values of net.quantized(weights); "sparse"
        to store only those that are not 0, as in net.pruned(threshold).network. Returns the onnx.ModelProto. Its input
        X is (n, *shapes[0]), its output `output` (n, d(L)).
        """
        return _lazy.load("export").to_onnx(self, path, dtype, weights)

    @classmethod
    def from_onnx(cls, path: str | os.PathLike[str]) -> Self:
        """The network from a file that to_onnx of an MLP, MLPClassifier or MLPRegressor wrote: with exactly the same
        predictions, and the names of its classes. It has no ties, history or optimiser state, which ONNX cannot store.

        ValueError if fastmlp did not write the file, or the network has user-defined functions; OSError if it cannot be
        read; ImportError without onnx.
        """
        return _lazy.load("export").from_onnx(cls, path)

    def to_c(self, path: str | os.PathLike[str] | None = None, dtype: Any = "float32", name: str = "predict",
             weights: str | None = None) -> str:
        """The network as one self-contained C99 file, which may also be included in C++, with

            void predict(const float *x, float *out);                  out (d(L),) of a row x (d(0),)
            void predict_rows(const float *x, size_t n, float *out);   of n rows, one after the other

        path : file to write, None for none. dtype : "float32" or "float64", of the weights and of all computations;
        "float64" uses double. name : of the first function, and prefix of all other names, so that a program can
        contain several networks. weights : "int8" or "bfloat16" to store them in a quarter or half of the space, with
        the values of net.quantized(weights), which measures the loss of accuracy; or "sparse" to store one bit for each
        and the values of those that are not 0, as in net.pruned(threshold).network (slower where products use vector
        instructions); biases stay as they are. It computes in full precision, whatever the network's precision. The
        comment at the top of the file gives the memory for weights and activations, and how much storing has changed
        the weights.

        The code allocates no memory and needs no library: it has its own exp and similar functions. In the network's
        dtype and compiled with fused multiply-add (-O3 -march=native, for example) it gives the same bits as predict,
        except with subnormal numbers, which the library treats as 0. Returns the text. ValueError if a layer cannot be
        written in C, or weights are not finite in dtype; OSError if path cannot be written.
        """
        return _lazy.load("export").to_c(self, path, dtype, name, weights)

    def to_torch(self, link: bool = True) -> Any:
        """The network as a PyTorch module, with copies of the weights, in the network's dtype and in eval mode: an
        nn.Sequential, in which layers that do not just read the previous one are grouped into one module.

        link : whether to apply the loss's link at the end, as predict does; False for outputs x(L), which losses such
        as nn.CrossEntropyLoss need. The module takes rows (n, d(0)), or maps (n, h, w, c). ImportError without torch.

        Some properties have no equivalent in PyTorch: a Dropout whose rate is a schedule gets the rate of epoch 0; tied
        weights have equal values but would be trained separately; factors of learning rates and decays are dropped.
        """
        return _lazy.load("export").to_torch(self, link)

    @classmethod
    def from_torch(cls, module: Any, input_shape: Any = None, loss: Any = None) -> Self:
        """The network from an nn.Sequential of Linear, Conv1d and Conv2d, pooling, BatchNorm, LayerNorm and RMSNorm of
        rows, Dropout, Flatten and activations, or from a result of to_torch; the weights are copied. A BatchNorm
        without weights gets ones and zeros, which are not trained (lr_scale=0).

        input_shape : if the module reads maps, their shape (h, w, c) or (length, c), channels last as everywhere in
        fastmlp; d(0) if its first layer does not determine the number of features. loss : as in MLP; None for
        squared_error or, if the module ends with Softmax, Sigmoid or Exp, for the loss with this link: cross_entropy,
        binary_cross_entropy or poisson.

        ValueError names what cannot be converted; ImportError without torch.
        """
        return _lazy.load("export").from_torch(cls, module, input_shape, loss)

    @classmethod
    def from_sklearn(cls, est: Any) -> Self:
        """The network of scikit-learn's fitted MLPClassifier or MLPRegressor, with exactly the same weights.

        Its loss is the one that est minimises; for squared errors half_squared_error. TypeError if est is of another
        class; ValueError if it is not fitted.
        """
        return _lazy.load("export").from_sklearn(cls, est)

    def pruned(self, threshold: float, X: Any = None) -> Any:
        """A copy of the network with weights of absolute value at most threshold set to 0, and the effect of that.
        Biases are unchanged.

        threshold : at least 0. X : (n, d(0)), rows on which the predictions of both are compared, or None.
        Returns a named tuple: `network`; `zeros`, the fraction of weights that are 0; `largest` and `mean`, absolute
        differences of predictions, None without X. Ties, optimiser state and history are not copied.

        to_onnx and to_c of `network` omit zeros with weights="sparse": with 70 % zeros, files are a third as large.
        """
        return _lazy.load("export").pruned(self, threshold, X)

    def quantized(self, kind: str, X: Any = None) -> Any:
        """A copy of the network with quantized weights, stored in the network's dtype, and the effect of that.

        kind : "int8", integers -127 .. 127 times a factor for each unit or filter, or "bfloat16", numbers with 8 bits
        of precision. Biases are unchanged. X and the result are as in pruned.

        This measures the effect only. For smaller files, use to_onnx or to_c of the network itself with weights="int8"
        or "bfloat16".
        """
        return _lazy.load("export").quantized(self, kind, X)
