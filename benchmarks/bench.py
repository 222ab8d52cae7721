"""Training speed, fastmlp and its peers, in one run: python benchmarks/bench.py --help

Every contestant trains the same network on the same rows with Adam (contestants.py). Rounds are interleaved: each
round times each contestant once, and medians are reported, so that a noisy moment hits all alike. BLAS threads are
set before NumPy is imported.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workloads", help="comma-separated; default all")
    p.add_argument("--contestants", help="comma-separated; default all that are installed")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", help="write the figures here")
    return p.parse_args()


def peak(dtype):
    """GFLOP/s of fused multiply-adds on one core, or None without a C compiler."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["cc", "-O3", "-march=native", f"-DREAL={'float' if dtype == 'float32' else 'double'}",
                            "-o", f"{folder}/peak", str(HERE / "peak.c")], check=True, capture_output=True)
            return float(subprocess.run([f"{folder}/peak"], check=True, capture_output=True, text=True).stdout)
        except (OSError, subprocess.CalledProcessError):
            return None


def seconds(contestant, least=0.2):
    """Of one epoch; short ones are repeated for a while."""
    if hasattr(contestant, "seconds"):
        return contestant.seconds()
    began, epochs = time.perf_counter(), 0
    while epochs == 0 or time.perf_counter() - began < least:
        contestant.epoch()
        epochs += 1
    return (time.perf_counter() - began) / epochs


def measure(workload, names, table, dtype, threads, rounds):
    """{contestant: samples/s, one a round}"""
    made = {}
    for name in names:
        try:
            made[name] = table[name](workload, dtype, threads)
            seconds(made[name], 0)
        except ImportError:
            pass
    rates = {name: [] for name in made}
    for _ in range(rounds):
        for name, contestant in made.items():
            time.sleep(0.1)  # peers' threads stop spinning
            rates[name].append(workload.rows / seconds(contestant))
    return rates


def main():
    args = arguments()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    sys.path.insert(0, str(HERE))
    from contestants import CONTESTANTS
    from workloads import WORKLOADS

    import fastmlp

    core_peak = peak(args.dtype)
    names = args.contestants.split(",") if args.contestants else list(CONTESTANTS)
    workloads = args.workloads.split(",") if args.workloads else list(WORKLOADS)
    info = {"fastmlp": fastmlp.__version__, "instruction set": fastmlp.instruction_set(), "machine": processor(),
            "threads": args.threads, "dtype": args.dtype, "FMA peak of a core, GFLOP/s": core_peak, "versions": versions()}
    print(json.dumps(info), flush=True)
    peers = [n for n in names if n != "fastmlp"]
    print("| workload | samples/s | GFLOP/s | share of peak | " + " | ".join(f"x {n}" for n in peers) + " |")
    print("|---" * (4 + len(peers)) + "|", flush=True)
    results = {}
    for name in workloads:
        w = WORKLOADS[name]
        rates = results[name] = measure(w, names, CONTESTANTS, args.dtype, args.threads, args.rounds)
        ours = statistics.median(rates["fastmlp"])
        gflops = ours * w.flops / 1e9
        share = f"{gflops / (core_peak * args.threads):.0%}" if core_peak else "-"
        ratios = [f"{ours / statistics.median(rates[n]):.2f}" if n in rates else "-" for n in peers]
        print(f"| {name} | {ours:,.0f} | {gflops:.1f} | {share} | " + " | ".join(ratios) + " |", flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"info": info, "rates": results}, indent=1) + "\n")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        codes = {k: next(line.split(":")[1].strip() for line in lines if line.startswith(k + "\t")) for k in ("cpu family", "model")}
        return f"{name} (family {codes['cpu family']}, model {codes['model']}), {os.cpu_count()} cores"
    except (OSError, StopIteration):
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def versions():
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in ("numpy", "scikit-learn", "torch", "jax"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


if __name__ == "__main__":
    main()
