"""The bytes of networks as C on a Cortex-M4 and as ONNX: python benchmarks/run/sizes.py --help

With arm-none-eabi-gcc, or clang in its stead, optimised for size; of sparse networks 80 % of the weights are 0. Writes
sizes.json and sizes.md.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import _path  # noqa: F401
from fastmlp import MLP, Dense
from lib import machine, options, report

CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-ffreestanding"]
COMPILERS = {"arm-none-eabi-gcc": [], "clang": ["--target=arm-none-eabi"]}
NETWORKS = {"16-32-4, tanh": [16, Dense(32, "tanh"), 4], "64-100-10, relu": [64, 100, 10],
            "784-128-10, relu": [784, 128, 10]}
KEPT = (None, "bfloat16", "int8", "sparse")
ZEROS = 0.8


def sparse(net):
    weights = np.abs(np.concatenate([W.ravel() for W in net.W[1:]]))
    return net.pruned(float(np.quantile(weights, ZEROS))).network


def in_c(net, kept, compiler):
    """Bytes of program and constants, and of variables."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "net.c"), pathlib.Path(folder, "net.o")
        net.to_c(source, weights=kept)
        subprocess.run([compiler, *COMPILERS[compiler], *CORTEX_M4, "-c", "-std=c99", "-Os", source, "-o", target],
                       check=True)
        said = subprocess.run(["size", target], check=True, capture_output=True, text=True).stdout
    text, data, bss = map(int, said.splitlines()[1].split()[:3])
    return text + data, data + bss


def main():
    args = options.parser(__doc__).parse_args()
    compiler = next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        sys.exit(f"sizes are of what one of {', '.join(COMPILERS)} compiles; none is here")
    said = subprocess.run([compiler, "--version"], check=True, capture_output=True, text=True).stdout
    found = {"info": machine.describe([]), "compiler": said.splitlines()[0], "rows": []}
    for name, entries in NETWORKS.items():
        net = MLP(entries, loss="cross_entropy", random_state=0)
        for kept in KEPT:
            of = sparse(net) if kept == "sparse" else net
            flash, memory = in_c(of, kept, compiler)
            found["rows"].append({"item": name, "kept": kept or "float32", "flash": flash, "memory": memory,
                                  "onnx": of.to_onnx(weights=kept).ByteSize()})
    report.write(found, args.out, "sizes")


if __name__ == "__main__":
    main()
