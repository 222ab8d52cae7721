"""Tables in Markdown from what was measured: python benchmarks/report.py [folder] makes them again."""
import json
import pathlib
import statistics
import sys

import machine
import timing
from workloads import WORKLOADS


def load(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def figure(values, unit=""):
    """Median and spread."""
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    return f"{middle:,.{digits}f}{unit} ±{timing.spread(values):.0%}"


def line(row):
    """A measured row in words."""
    where = f"{row['workload']}, {row['dtype']}, {threads_in_words(row['threads'])}, {row['contestant']}: "
    way = f" ({row['way']})" if row.get("way") else ""
    return where + (row["refused"] if "refused" in row else f"{figure(row['rates'])} samples/s{way}")


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def share(row, info):
    """Of the FMA peak of the cores used, or None where it was not measured."""
    peak = info["peak of a core, GFLOP/s"].get(row["dtype"])
    rate = statistics.median(row["rates"]) * WORKLOADS[row["workload"]].flops / 1e9
    return rate / (peak * min(row["threads"], info["cores"])) if peak else None


def grouped(rows):
    """{(dtype, threads): {workload: {contestant: row}}}"""
    groups = {}
    for row in rows:
        groups.setdefault((row["dtype"], row["threads"]), {}).setdefault(row["workload"], {})[row["contestant"]] = row
    return groups


def contestants(rows):
    return list(dict.fromkeys(row["contestant"] for row in rows))


def threads_in_words(n):
    return "1 thread" if n == 1 else f"{n} threads"


def cell(row, ours):
    """A peer's rate and how many times ours is that."""
    if row is None or "refused" in row:
        return "-"
    return f"{statistics.median(ours['rates']) / statistics.median(row['rates']):.2f}x of {figure(row['rates'])}"


def training(folder):
    found = load(folder, "training")
    info, rows = found["info"], found["rows"]
    parts = [f"# Training speed\n\n{machine.in_words(info)}\n\nSamples/s with Adam: median of the rounds and half of what their middle half "
             "spans; for each peer, how many times its figure fastmlp's is. `python benchmarks/bench.py`"]
    for (dtype, threads), workloads in grouped(rows).items():
        names = [name for name in contestants(rows) if name != "fastmlp"]
        lines = []
        for workload, by_name in workloads.items():
            ours = by_name["fastmlp"]
            part = share(ours, info)
            lines.append([workload, figure(ours["rates"]), f"{part:.0%}" if part else "-", *(cell(by_name.get(n), ours) for n in names)])
        parts.append(f"## {dtype}, {threads_in_words(threads)}\n\n" + table(["workload", "fastmlp", "of FMA peak", *names], lines))
    chosen = [[r["workload"], r["dtype"], r["threads"], r["contestant"], r.get("refused") or r["way"]] for r in rows
              if r.get("refused") or r["way"]]
    parts.append("## Ways that peers settled on, and who was left out\n\n" + table(["workload", "dtype", "threads", "peer", ""], chosen))
    (folder / "training.md").write_text("\n\n".join(parts) + "\n")


REPORTS = {"training": training}


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else machine.RESULTS
    for name, write in REPORTS.items():
        if (folder / f"{name}.json").exists():
            write(folder)
