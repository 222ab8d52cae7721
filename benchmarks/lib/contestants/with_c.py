"""The C file that fastmlp writes of a network, compiled here, which predicts only, on the caller's thread. Calls are
timed in C, as by programs that have the file."""
import ctypes
import pathlib
import subprocess
import tempfile

import numpy as np

from .. import timing
from .ours import FastMLP

REPEATED = """
void again(const {real} *x, size_t n, {real} *out, size_t times)
{{
    for (size_t i = 0; i < times; i++) predict_rows(x, n, out);
}}
"""


class CFile(FastMLP):
    def build(self):
        super().build()
        real = {"float32": "float", "float64": "double"}[self.dtype]
        text = self.net.to_c(dtype=self.dtype) + REPEATED.format(real=real)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "net.c")
            file.write_text(text)
            try:
                subprocess.run(["cc", "-std=c99", "-O3", "-march=native", "-DPREDICT_STACK", "-shared", "-fPIC", "-o",
                                f"{folder}/net.so", str(file)], check=True, capture_output=True)
            except FileNotFoundError as error:
                raise NotImplementedError("no C compiler") from error
            self.again = ctypes.CDLL(f"{folder}/net.so").again
        self.again.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
        self.again.restype = None

    def settle(self, X):
        return np.ascontiguousarray(X)

    def predict(self, X, times=1):
        out = np.empty((len(X), self.net.d[-1]), self.dtype)
        self.again(X.ctypes.data, len(X), out.ctypes.data, times)
        return out

    def predict_seconds(self, X):
        """Of a call without what ctypes takes."""
        times = max(1, 1000 // len(X))
        return timing.seconds(lambda: self.predict(X, times)) / times

    def epoch(self):
        raise NotImplementedError("cannot train")
