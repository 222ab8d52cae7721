"""Methods of MLP by which a network leaves Python, and comes back; `fastmlp.export` does the work."""
from __future__ import annotations

import os
from typing import Any, Self

from . import _lazy


class Exits:
    """What MLP has of them. All that leaves computes in full precision, whatever the network's is."""

    def to_onnx(self, path: str | os.PathLike[str] | None = None, dtype: Any = None, weights: str | None = None) -> Any:
        """The network as an ONNX model, whose output is what predict gives: see fastmlp.export.to_onnx.

        path : where it is written, None for nowhere. dtype : "float32" or "float64", None for the network's. weights :
        "int8" or "bfloat16" to keep them in a quarter or half of the room, as those of net.quantized(weights); "sparse"
        to leave out those that are 0, as of net.pruned(threshold).network. Returns the onnx.ModelProto. Its input X is
        (n, *shapes[0]), its output `output` (n, d(L)).
        """
        return _lazy.load("export").to_onnx(self, path, dtype, weights)

    @classmethod
    def from_onnx(cls, path: str | os.PathLike[str]) -> Self:
        """The network that to_onnx, of an MLP or of an MLPClassifier or MLPRegressor, wrote to a file: the same
        predictions to the bit, and the names of its classes. It has no ties, history or optimiser's state, which ONNX
        has no place for.

        ValueError where the file is none of ours, or of a network with functions of yours; OSError where it cannot be
        read; ImportError without onnx.
        """
        return _lazy.load("export").from_onnx(cls, path)

    def to_c(self, path: str | os.PathLike[str] | None = None, dtype: Any = "float32", name: str = "predict",
             weights: str | None = None) -> str:
        """The network as one self-contained C99 file, which may also be included in C++, with

            void predict(const float *x, float *out);                  out (d(L),) of a row x (d(0),)
            void predict_rows(const float *x, size_t n, float *out);   of n rows, one after the other

        path : where it is written, None for nowhere. dtype : "float32" or "float64", of the weights and of all that is
        computed; then with double. name : of the first function, and what all other names begin with, so that a program
        can have several networks. weights : "int8" or "bfloat16" to keep them in a quarter or half of the room, as
        those of net.quantized(weights), which tells what that costs, or "sparse" to keep a bit for each and those that
        are not 0, as of net.pruned(threshold).network (where vectors multiply, that is slower); biases stay. Whatever
        the network's precision is, it computes in full precision. The comment at the top says how many bytes numbers
        and values of layers take, and by how much weights are changed by the way they are kept.

        No memory is allocated and no library is needed: exp and its like are the library's own. In the network's dtype
        and compiled with fused multiply-add (-O3 -march=native, say) it gives the bits of predict, except where numbers
        below the normal range are met, which the library takes for 0. Returns the text. ValueError where a layer has no
        C, or weights are not finite in dtype; OSError where path cannot be written.
        """
        return _lazy.load("export").to_c(self, path, dtype, name, weights)

    def to_torch(self, link: bool = True) -> Any:
        """The network as a module of PyTorch, with copies of the weights, in the network's dtype and in eval mode: an
        nn.Sequential, in which layers that read others than the one before are one module.

        link : whether the loss's link follows, as in predict; False for outputs x(L), which losses such as
        nn.CrossEntropyLoss want. The module takes rows (n, d(0)); maps also as (n, h, w, c). ImportError without torch.

        What PyTorch has no word for stays behind: of a Dropout whose rate is a schedule the module has the rate of
        epoch 0; tied weights have equal numbers, but training there moves each by itself; factors of learning rates and
        of decays are not kept.
        """
        return _lazy.load("export").to_torch(self, link)

    @classmethod
    def from_torch(cls, module: Any, input_shape: Any = None, loss: Any = None) -> Self:
        """The network of an nn.Sequential of Linear, Conv1d and Conv2d, pools, BatchNorm, LayerNorm and RMSNorm of
        rows, Dropout, Flatten and activations, or of what to_torch gave; the weights are copies. A BatchNorm without
        weights of its own comes with ones and zeros that stay so (lr_scale=0).

        input_shape : of maps, (h, w, c) or (length, c), channels last as all maps here, where the module begins with
        them; d(0) where it begins with what does not say how many features it reads. loss : as of MLP; None for
        squared_error or, by a Softmax, Sigmoid or Exp at the end, cross_entropy, binary_cross_entropy or poisson, whose
        links these are.

        ValueError names what a network here cannot be; ImportError without torch.
        """
        return _lazy.load("export").from_torch(cls, module, input_shape, loss)

    @classmethod
    def from_sklearn(cls, est: Any) -> Self:
        """The network of scikit-learn's fitted MLPClassifier or MLPRegressor: the same weights to the bit.

        Its loss is the one that est minimises, half_squared_error for squares. TypeError where est is another;
        ValueError where it is not fitted.
        """
        return _lazy.load("export").from_sklearn(cls, est)

    def pruned(self, threshold: float, X: Any = None) -> Any:
        """A copy of the network in which weights of at most a size are 0, biases as they were, and what that costs.

        threshold : at least 0. X : (n, d(0)), rows on which the predictions of both are compared, None for none.
        Returns a named tuple: `network`; `zeros`, the share of weights that are 0; `largest` and `mean`, absolute
        differences of predictions, None without X. Ties, and the optimiser and history with them, stay behind.

        to_onnx and to_c of `network` leave zeros out with weights="sparse": where 70 % are zeros, files are a third as
        large.
        """
        return _lazy.load("export").pruned(self, threshold, X)

    def quantized(self, kind: str, X: Any = None) -> Any:
        """A copy of the network whose weights are few numbers, in the network's dtype, and what that costs.

        kind : "int8", whole numbers -127 .. 127 times a factor for each unit or filter, or "bfloat16", the numbers with
        8 bits of precision. Biases stay. X and what is returned are as of pruned.

        It tells what such weights cost. Files that are smaller by them come of the network itself: to_onnx and to_c
        have weights="int8" and "bfloat16".
        """
        return _lazy.load("export").quantized(self, kind, X)
