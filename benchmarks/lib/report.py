"""Writes what was measured: JSON, and pages in Markdown made from it; run/pages.py makes them again."""
import json
import re
import statistics

from . import timing
from .costs import bfloat16, builds, choices, distributed, estimators, latency, layers, phases, sensitivity, sizes, ties
from .goals import goals, summary
from .tables import (
    duration,
    figure,
    grouped,
    load,
    number,
    page,
    peers,
    rate,
    ratios,
    share_in_words,
    started,
    table,
    threads_in_words,
    times,
)
from .tabular import tables, tables_choices
from .workloads import WORKLOADS


def line(row):
    """A measured row in words."""
    where = f"{row['item']}, {row['dtype']}, {threads_in_words(row['threads'])}, {row['contestant']}: "
    if "refused" in row:
        return where + row["refused"]
    way = f" ({row['way']})" if row["way"] else ""
    cold = f", cold start, {row['epochs']} epochs, loss {row['loss']:.6g}" if row.get("cold") else ""
    return where + (f"{figure(row['rates'])} samples/s" if "rates" in row else duration(row["seconds"])) + way + cold


def cell(row, ours):
    """A peer's rate and how many times ours is that."""
    if row is None or "refused" in row:
        return "-"
    return f"{rate(ours) / rate(row):.2f}x of {figure(row['rates'])}"


def training(found):
    info, rows = found["info"], found["rows"]
    names, parts = peers(rows), []
    for (dtype, threads), workloads in grouped(rows).items():
        lines = []
        for workload, by_name in workloads.items():
            ours = by_name["fastmlp"]
            lines.append([workload, figure(ours["rates"]), share_in_words(ours, info),
                          *(cell(by_name.get(n), ours) for n in names)])
        parts.append(f"## {dtype}, {threads_in_words(threads)}\n\n"
                     + table(["workload", "fastmlp", "of FMA peak", *names], lines))
    chosen = [[r["item"], r["dtype"], r["threads"], r["contestant"], r.get("refused") or r["way"]] for r in rows
              if r.get("refused") or r["way"]]
    return page("Training speed", info,
                "Samples/s with Adam: median of the rounds and half of what their middle half spans; for each peer, "
                "how many times its figure fastmlp's is. `python benchmarks/run/bench.py`", *parts,
                "## Ways that peers settled on, and who was left out\n\n"
                + table(["workload", "dtype", "threads", "peer", ""], chosen))


def seconds_table(head, workloads, names):
    """A line an item: the seconds of each contestant and how many times ours they are."""
    lines = []
    for item, by_name in workloads.items():
        ours = by_name["fastmlp"]
        cells = [f"{times(by_name[n], ours):.2f}x, {duration(by_name[n]['seconds'])}"
                 if "seconds" in by_name.get(n, {}) else "-" for n in names]
        lines.append([f"{item:,}" if isinstance(item, int) else item, duration(ours["seconds"]), *cells])
    return table([head, "fastmlp", *names], lines)


def predict(found):
    names = peers(found["rows"])
    return page("Predicting, 64-100-10", found["info"],
                "Time of a call: median of the rounds and half of what their middle half spans; for each "
                "peer, how many times fastmlp's its time is. The goal of one row in float32: 1.5 us. `python "
                "benchmarks/run/predict.py`",
                *(f"## {dtype}, {threads_in_words(threads)}\n\n" + seconds_table("rows", workloads, names)
                  for (dtype, threads), workloads in grouped(found["rows"]).items()), *together(found))


def together(found):
    """A part on predictions of threads at once."""
    if "together" not in found:
        return
    workers = max(row["workers"] for row in found["together"])
    by_call = {}
    for row in found["together"]:
        by_call.setdefault((row["item"], row["rows"], row["contestant"]), {})[row["workers"]] = row["rates"]
    lines = [[*call, figure(rates[1]), figure(rates[workers]), figure(ratios(rates[workers], rates[1]))]
             for call, rates in by_call.items()]
    yield (f"## Threads at once, float32\n\nCalls a second of one thread and of {workers} Python threads that predict "
           "rows of their own with one network; none of them starts others.\n\n"
           + table(["network", "rows a call", "", "1 thread", f"{workers} threads", "times as many"], lines))


OTHERS = (
    "Published by others, on their machines: SimpleChains.jl, matrix-exponential, 41 us a step on 18 cores of an "
    "i9-10980XE, 164 us on 4\ncores of an i7-1165G7; gradient-200, 5.7 us. OpenNN, higgs-shaped, 72,000 rows/s on an "
    "i9-12900K. They were not run here.")


def published(found):
    names, parts = peers(found["rows"]), []
    for (dtype, threads), workloads in grouped(started(found["rows"], cold=False)).items():
        parts.append(f"## {dtype}, {threads_in_words(threads)}\n\n" + seconds_table("network", workloads, names))
        parts += [f"{item}: {number(WORKLOADS[item].rows / statistics.median(by_name['fastmlp']['seconds']))} rows/s."
                  for item, by_name in workloads.items() if item == "higgs-shaped"]
    for (dtype, threads), workloads in grouped(started(found["rows"], cold=True)).items():
        lines = [cold_cells(row) for by_name in workloads.values() for row in by_name.values()]
        parts.append(f"## To the same loss from a cold start, {dtype}, {threads_in_words(threads)}\n\n"
                     + table(["network", "contestant", "time", "loss to reach", "loss reached", "epochs"], lines))
    return page("Networks with published figures", found["info"],
                f"{OTHERS}\n\nmatrix-exponential is 4-32-16-4, tanh, 10,000 rows in one batch; "
                "higgs-shaped 28-300x5-1, tanh, 10,000 rows in batches of 100; both the time of an epoch. gradient-200 "
                "is the loss and gradient of 200 rows through 24-8-2. With a cold start a new process imports, builds, "
                "compiles, and trains until the loss over all rows, which all look at after the same epochs, is at "
                "most the one to reach. `python benchmarks/run/published.py`", *parts)


def cold_cells(row):
    if "refused" in row:
        return [row["item"], row["contestant"], row["refused"], "", "", ""]
    return [row["item"], row["contestant"], duration(row["seconds"]), row["target"], f"{row['loss']:.6g}",
            row["epochs"]]


UNITS_OF = {"rows": ("rows", "row"), "batch": ("batch", "row"), "width": ("width", "row and weight"),
            "depth": ("hidden layers", "row and weight"),
            "weights": ("weights", "weight of a backprop of 256 rows")}


def scaling(found):
    memory = [[f"{m['rows']:,}", f"{m['data']:.1f}", f"{m['peak']:.0f}", f"{m['bound']:.0f}",
               "" if m["peak"] <= m["bound"] else "above"]
              for m in found["memory"]]
    parts = ["## Memory of training by rows\n\n" + table(["rows", "data, MB", "peak, MB", "bound, MB", ""], memory)]
    for name, points in found["curves"].items():
        head, unit = UNITS_OF.get(name, ("threads", "row"))
        lines = [[f"{p['x']:,}", f"{statistics.median(p['seconds']) * 1e9:.3g} ±{timing.spread(p['seconds']):.0%}"]
                 for p in points]
        parts.append(f"## {name}\n\n" + table([head, f"ns a {unit}"], lines))
    return page("Scaling, float32", found["info"], "`python benchmarks/run/scaling.py`", *parts)


# .json: the pages made from it, <function's name>.md
REPORTS = {"training": (training, summary, goals), "predict": (predict,), "published": (published,),
           "scaling": (scaling,), "latency": (latency,), "choices": (choices,), "layers": (layers,),
           "estimators": (estimators,), "phases": (phases,), "ties": (ties,), "sensitivity": (sensitivity,),
           "tables": (tables,), "tables_choices": (tables_choices,), "distributed": (distributed,),
           "bfloat16": (bfloat16,), "builds": (builds,), "sizes": (sizes,)}


def make(folder, name):
    for text in REPORTS[name]:
        (folder / f"{text.__name__}.md").write_text(text(load(folder, name)) + "\n")


def place(folder, name, measured_on):
    """The folder, or one in it named after the machine where the folder has what another machine measured."""
    if not (folder / f"{name}.json").exists() or load(folder, name)["info"]["machine"] == measured_on:
        return folder
    return folder / re.sub(r"[^a-z0-9]+", "-", measured_on.lower()).strip("-")


def write(found, folder, name, charted=False):
    """JSON, pages and, of what has any, charts. What another machine measured stays."""
    found["info"] |= {"timings taken again": timing.disturbed, "timings kept": timing.kept}
    folder = place(folder, name, found["info"]["machine"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    make(folder, name)
    if charted:
        from . import charts  # not above: each contestant's process imports this module, and its start is timed too

        charts.CHARTS[name](folder)
    print(f"written: {folder / name}.json, .md{' and charts' if charted else ''}")
