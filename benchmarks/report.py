"""Tables in Markdown from what was measured: python benchmarks/report.py [folder] makes them again."""
import json
import statistics

import machine
import timing
from workloads import WORKLOADS


def load(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "us"))


def figure(values):
    """Median and spread."""
    return f"{number(statistics.median(values))} ±{timing.spread(values):.0%}"


def number(x):
    return f"{x:,.{0 if x >= 100 else 1 if x >= 10 else 2}f}"


def duration(values):
    """Median and spread of seconds."""
    middle = statistics.median(values)
    size, unit = next((u for u in UNITS if middle >= u[0]), UNITS[-1])
    return f"{number(middle / size)} {unit} ±{timing.spread(values):.0%}"


def line(row):
    """A measured row in words."""
    where = f"{row['item']}, {row['dtype']}, {threads_in_words(row['threads'])}, {row['contestant']}: "
    if "refused" in row:
        return where + row["refused"]
    way = f" ({row['way']})" if row["way"] else ""
    cold = f", cold start, {row['epochs']} epochs, loss {row['loss']:.6g}" if row.get("cold") else ""
    return where + (f"{figure(row['rates'])} samples/s" if "rates" in row else duration(row["seconds"])) + way + cold


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def share(row, info):
    """Of the FMA peak of the cores used, or None where it was not measured."""
    peak = info["peak of a core, GFLOP/s"].get(row["dtype"])
    rate = statistics.median(row["rates"]) * WORKLOADS[row["item"]].flops / 1e9
    return rate / (peak * min(row["threads"], info["cores"])) if peak else None


def grouped(rows):
    """{(dtype, threads): {workload: {contestant: row}}}"""
    groups = {}
    for row in rows:
        groups.setdefault((row["dtype"], row["threads"]), {}).setdefault(row["item"], {})[row["contestant"]] = row
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
    chosen = [[r["item"], r["dtype"], r["threads"], r["contestant"], r.get("refused") or r["way"]] for r in rows
              if r.get("refused") or r["way"]]
    parts.append("## Ways that peers settled on, and who was left out\n\n" + table(["workload", "dtype", "threads", "peer", ""], chosen))
    (folder / "training.md").write_text("\n\n".join(parts) + "\n")


def times(row, ours):
    """A peer's seconds over ours."""
    return statistics.median(row["seconds"]) / statistics.median(ours["seconds"])


def seconds_table(head, workloads, names):
    """A line an item: the seconds of each contestant and how many times ours they are."""
    lines = []
    for item, by_name in workloads.items():
        ours = by_name["fastmlp"]
        cells = [f"{times(by_name[n], ours):.2f}x, {duration(by_name[n]['seconds'])}" if "seconds" in by_name.get(n, {}) else "-" for n in names]
        lines.append([f"{item:,}" if isinstance(item, int) else item, duration(ours["seconds"]), *cells])
    return table([head, "fastmlp", *names], lines)


def predict(folder):
    found = load(folder, "predict")
    names = [name for name in contestants(found["rows"]) if name != "fastmlp"]
    parts = [f"# Predicting, 64-100-10\n\n{machine.in_words(found['info'])}\n\nTime of a call: median of the rounds and half of what their "
             "middle half spans; for each peer, how many times fastmlp's its time is. `python benchmarks/predict.py`"]
    for (dtype, threads), workloads in grouped(found["rows"]).items():
        parts.append(f"## {dtype}, {threads_in_words(threads)}\n\n" + seconds_table("rows", workloads, names))
    (folder / "predict.md").write_text("\n\n".join(parts) + "\n")


OTHERS = """Published by others, on their machines: SimpleChains.jl, matrix-exponential, 41 us a step on 18 cores of an i9-10980XE, 164 us on 4
cores of an i7-1165G7; gradient-200, 5.7 us. OpenNN, higgs-shaped, 72,000 rows/s on an i9-12900K. They were not run here."""


def published(folder):
    found = load(folder, "published")
    names = [name for name in contestants(found["rows"]) if name != "fastmlp"]
    parts = [f"# Networks with published figures, float32\n\n{machine.in_words(found['info'])}\n\n{OTHERS}\n\nmatrix-exponential is 4-32-16-4, "
             "tanh, 10,000 rows in one batch; higgs-shaped 28-300x5-1, tanh, 10,000 rows in batches of 100; both the time of an epoch. gradient-200 "
             "is the loss and gradient of 200 rows through 24-8-2. `python benchmarks/published.py`"]
    for threads, rows in by_threads([r for r in found["rows"] if not r.get("cold")]):
        parts.append(f"## {threads_in_words(threads)}\n\n" + seconds_table("network", grouped(rows)["float32", threads], names))
        parts += [f"higgs-shaped: {number(WORKLOADS[r['item']].rows / statistics.median(r['seconds']))} rows/s." for r in rows
                  if r["item"] == "higgs-shaped" and r["contestant"] == "fastmlp"]
    for threads, rows in by_threads([r for r in found["rows"] if r.get("cold")]):
        lines = [[r["item"], r["epochs"], r["contestant"], duration(r["seconds"]), f"{r['loss']:.6g}"] for r in rows]
        parts.append(f"## To the same loss from a cold start, {threads_in_words(threads)}\n\n"
                     + table(["network", "epochs", "contestant", "time", "loss"], lines))
    (folder / "published.md").write_text("\n\n".join(parts) + "\n")


def by_threads(rows):
    return [(n, [r for r in rows if r["threads"] == n]) for n in sorted({r["threads"] for r in rows})]


UNITS_OF = {"rows": ("rows", "row"), "batch": ("batch", "row"), "width": ("width", "row and weight"), "depth": ("hidden layers", "row and weight"),
            "weights": ("weights", "weight of a backprop of 256 rows")}


def scaling(folder):
    found = load(folder, "scaling")
    parts = [f"# Scaling, float32\n\n{machine.in_words(found['info'])}\n\n`python benchmarks/scaling.py`", "## Memory of training by rows\n\n"
             + table(["rows", "data, MB", "peak, MB", "bound, MB", ""], [[f"{m['rows']:,}", f"{m['data']:.1f}", f"{m['peak']:.0f}", f"{m['bound']:.0f}",
                                                                  "" if m["peak"] <= m["bound"] else "above"] for m in found["memory"]])]
    for name, points in found["curves"].items():
        head, unit = UNITS_OF.get(name, ("threads", "row"))
        lines = [[f"{p['x']:,}", f"{statistics.median(p['seconds']) * 1e9:.3g} ±{timing.spread(p['seconds']):.0%}"] for p in points]
        parts.append(f"## {name}\n\n" + table([head, f"ns a {unit}"], lines))
    (folder / "scaling.md").write_text("\n\n".join(parts) + "\n")


REPORTS = {"training": training, "predict": predict, "published": published, "scaling": scaling}


if __name__ == "__main__":
    machine.again(REPORTS)
