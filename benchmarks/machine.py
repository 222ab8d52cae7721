"""What the figures were measured on: processor, versions, and the peak of fused multiply-adds."""
import ctypes
import datetime
import functools
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import threading
from importlib import metadata

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results"
PACKAGES = ("numpy", "scikit-learn", "torch", "jax", "onnxruntime")


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@functools.cache
def multiply_adds(dtype):
    """seconds -> the GFLOP/s that a core reached in them; None without a C compiler."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["cc", "-O3", "-march=native", f"-DREAL={'float' if dtype == 'float32' else 'double'}", "-shared", "-fPIC",
                            "-o", f"{folder}/peak", str(HERE / "peak.c")], check=True, capture_output=True)
            call = ctypes.CDLL(f"{folder}/peak").gflops
        except (OSError, subprocess.CalledProcessError):
            return None
    call.argtypes, call.restype = [ctypes.c_double], ctypes.c_double
    return call


@functools.cache
def peak(dtype):
    """GFLOP/s of fused multiply-adds on one core, or None without a C compiler."""
    call = multiply_adds(dtype)
    return call and round(max(call(0.02) for _ in range(20)), 1)


def all_cores(seconds=0.005):
    """How much of their peaks all cores reach together, from 0 to 1: a virtual machine's may for a while be one core of its host."""
    top, reached = peak("float32"), []
    if not top or not hasattr(os, "sched_setaffinity"):
        return 1.0
    at_once = threading.Barrier(cores())

    def run(core):
        os.sched_setaffinity(0, {core})  # of this thread alone
        at_once.wait()
        reached.append(multiply_adds("float32")(seconds))

    threads = [threading.Thread(target=run, args=(core,)) for core in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(reached) / (len(reached) * top)


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        codes = {k: next(line.split(":")[1].strip() for line in lines if line.startswith(k + "\t")) for k in ("cpu family", "model")}
        return f"{name} (family {codes['cpu family']}, model {codes['model']}), {cores()} cores"
    except (OSError, StopIteration):
        return f"{platform.processor() or platform.machine()}, {cores()} cores"


def versions():
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


def describe(dtypes=("float32", "float64")):
    import fastmlp

    return {"machine": processor(), "cores": cores(), "date": datetime.date.today().isoformat(), "fastmlp": fastmlp.__version__,
            "instruction set": fastmlp.instruction_set(), "peak of a core, GFLOP/s": {dtype: peak(dtype) for dtype in dtypes},
            "versions": versions()}


def in_words(info):
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    peaks = ", ".join(f"{value:.0f} GFLOP/s in {dtype}" for dtype, value in info["peak of a core, GFLOP/s"].items() if value)
    return (f"{info['machine']}; FMA peak of a core {peaks or 'not measured'}; fastmlp {info['fastmlp']}, {info['instruction set']}; "
            f"{versions}; {info['date']}.")


def again(makers):
    """name -> what makes something of <name>.json in a folder, for those that are in the one given on the command line, or in RESULTS."""
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    for name, make in makers.items():
        if (folder / f"{name}.json").exists():
            make(folder)
