"""What the figures were measured on: processor, versions, and the peak of fused multiply-adds."""
import contextlib
import ctypes
import datetime
import functools
import os
import pathlib
import platform
import subprocess
import tempfile
import threading
import time
from importlib import metadata

BENCHMARKS = pathlib.Path(__file__).parents[1]
RESULTS = BENCHMARKS / "results"
ALL_THERE = 0.9  # of the cores' peaks
CACHE_NS, NEAR = 60, 1.5  # a handover as short as this is through a cache; how much longer than the shortest it may be
PACKAGES = ("numpy", "scikit-learn", "torch", "jax", "onnxruntime", "lightgbm", "xgboost", "xgboost-cpu", "catboost")


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def one_and_all():
    """The numbers of threads that are measured."""
    return sorted({1, cores()})


@functools.cache
def probe(dtype):
    """peak.c, or None without a C compiler."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            real = {"float32": "float", "float64": "double"}[dtype]
            subprocess.run(["cc", "-O3", "-march=native", f"-DREAL={real}", "-shared", "-fPIC", "-o", f"{folder}/peak",
                            str(BENCHMARKS / "lib" / "peak.c")], check=True, capture_output=True)
            found = ctypes.CDLL(f"{folder}/peak")
        except (OSError, subprocess.CalledProcessError):
            return None
    found.gflops.argtypes, found.gflops.restype = [ctypes.c_double], ctypes.c_double
    found.handover.argtypes, found.handover.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], ctypes.c_double
    return found


@functools.cache
def peak(dtype):
    """GFLOP/s of fused multiply-adds on one core, or None without a C compiler."""
    here = probe(dtype)
    return here and round(max(here.gflops(0.02) for _ in range(20)), 1)


def at_once(calls):
    """{core: call} -> what they return, each in a thread on its core, all at the same time."""
    begin, found = threading.Barrier(len(calls)), []

    def run(core, call):
        os.sched_setaffinity(0, {core})  # of this thread alone
        begin.wait()
        found.append(call())

    threads = [threading.Thread(target=run, args=item) for item in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def all_cores(seconds=0.005):
    """How much of their peaks all cores reach together, from 0 to 1: a virtual machine's may for a while be one core of
    its host."""
    reached = at_once({core: functools.partial(probe("float32").gflops, seconds) for core in os.sched_getaffinity(0)})
    return sum(reached) / (len(reached) * peak("float32"))


def handover(times=2000):
    """The ns from a write of one core to another's read of it, of the farthest from the first: some tens where they
    have a cache together. A virtual machine's may for a while be cores of its host that have none."""
    first, *others = sorted(os.sched_getaffinity(0))
    slowest = 0.0
    for other in others:
        turn = ctypes.c_int(0)
        give = [functools.partial(probe("float32").handover, ctypes.addressof(turn), who, times) for who in (0, 1)]
        slowest = max(slowest, *at_once({first: give[0], other: give[1]}))
    return slowest


@functools.cache
def nearest():
    """The least handover of half a minute, or the first that is as short as in a cache."""
    found, given_up = [handover()], time.monotonic() + 30
    while min(found) > CACHE_NS and time.monotonic() < given_up:
        time.sleep(0.5)
        found.append(handover())
    return max(CACHE_NS, min(found))


def undivided(near):
    """Whether all cores are there just now, and, if asked, as near to each other as they can be."""
    if cores() == 1 or not hasattr(os, "sched_setaffinity") or not probe("float32"):
        return True
    return all_cores() > ALL_THERE and (not near or handover() < NEAR * nearest())


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        codes = {k: next(line.split(":")[1].strip() for line in lines if line.startswith(k + "\t"))
                 for k in ("cpu family", "model")}
        return f"{name} (family {codes['cpu family']}, model {codes['model']}), {cores()} cores"
    except (OSError, StopIteration):
        return f"{platform.processor() or platform.machine()}, {cores()} cores"


def versions():
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def git(*arguments):
    """What git says in the root of the checkout, or nothing where there is none."""
    try:
        return subprocess.run(["git", *arguments, "--", "fastmlp", "setup.py", "pyproject.toml"], cwd=BENCHMARKS.parent,
                              capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


CHANGED = " and changes"  # since a commit


def commit():
    """The last that changed the package, and whether there are changes since; None where that is not known."""
    last = git("log", "-1", "--format=%h")
    return last + CHANGED if last and git("status", "--porcelain") else last or None


def describe(dtypes=("float32", "float64")):
    import fastmlp

    return {"machine": processor(), "cores": cores(), "date": datetime.date.today().isoformat(),
            "fastmlp": fastmlp.__version__, "commit": commit(), "instruction set": fastmlp.instruction_set(),
            "peak of a core, GFLOP/s": {dtype: peak(dtype) for dtype in dtypes}, "versions": versions()}


def in_words(info):
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    peaks = ", ".join(f"{value:.0f} GFLOP/s in {dtype}" for dtype, value in info["peak of a core, GFLOP/s"].items()
                      if value)
    source = f" (commit {info['commit']})" if info.get("commit") else ""
    again = "".join(f"; {number} timings disturbed {what}" for number, what in
                    ((info.get("timings taken again"), "and taken again"),
                     (info.get("timings kept"), "that count all the same")) if number)
    return (f"{info['machine']}; FMA peak of a core {peaks or 'not measured'}; fastmlp {info['fastmlp']}{source}, "
            f"{info['instruction set']}; {versions}; {info['date']}{again}.")
