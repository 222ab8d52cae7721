"""ONNX Runtime, which predicts only: the dense layers as Gemm nodes."""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from . import Contestant

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


def graph(w, dtype):
    nodes, constants, x = [], [], "x0"
    layers = w.weights(dtype)
    for l, (W, b) in enumerate(layers, 1):
        constants += [numpy_helper.from_array(W, f"W{l}"), numpy_helper.from_array(b, f"b{l}")]
        nodes.append(helper.make_node("Gemm", [x, f"W{l}", f"b{l}"], [f"s{l}"]))
        kind = ACTIVATIONS[w.activation] if l < len(layers) else "Softmax" if w.classes else "Identity"
        nodes.append(helper.make_node(kind, [f"s{l}"], [x := f"x{l}"]))
    real = TensorProto.FLOAT if np.dtype(dtype) == np.float32 else TensorProto.DOUBLE
    ends = [helper.make_tensor_value_info(name, real, ["n", size])
            for name, size in (("x0", w.sizes[0]), (x, w.sizes[-1]))]
    made = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class OnnxRuntime(Contestant):
    def build(self):
        self.ways = (tuple(sorted({1, self.threads})),)
        model = graph(self.w, self.dtype)
        onnx.checker.check_model(model)
        self.sessions = {threads: session(model, threads) for threads in self.ways[0]}

    def predict(self, X):
        return self.sessions[self.way[0]].run(None, {"x0": X})[0]


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # a session that is not used is not to keep a core busy
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
