"""What the pages and charts of results are made of: figures in words, tables in Markdown, rows in groups."""
import json
import statistics

from . import machine, timing
from .workloads import WORKLOADS

UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "us"))


def load(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def number(x):
    return f"{x:,.{0 if x >= 100 else 1 if x >= 10 else 2}f}"


def figure(values):
    """Median and spread."""
    return f"{number(statistics.median(values))} ±{timing.spread(values):.0%}"


def percent(values):
    """Median and spread of shares."""
    return f"{statistics.median(values):.0%} ±{timing.spread(values):.0%}"


def duration(values):
    """Median and spread of seconds."""
    middle = statistics.median(values)
    size, unit = next((u for u in UNITS if middle >= u[0]), UNITS[-1])
    return f"{number(middle / size)} {unit} ±{timing.spread(values):.0%}"


def threads_in_words(n):
    return "1 thread" if n == 1 else f"{n} threads"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|",
                      *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def page(title, info, words, *parts):
    """What every page begins with, then its parts."""
    return "\n\n".join([f"# {title}", machine.in_words(info), words, *parts])


def ratios(these, those):
    """Of two contestants' figures, round by round."""
    return [a / b for a, b in zip(these, those)]


def rate(row):
    return statistics.median(row["rates"])


def share(row, info):
    """Of the FMA peak of the cores used, or None where it was not measured."""
    peak = info["peak of a core, GFLOP/s"].get(row["dtype"])
    if not peak:
        return None
    return rate(row) * WORKLOADS[row["item"]].flops / 1e9 / (peak * min(row["threads"], info["cores"]))


def share_in_words(row, info):
    part = share(row, info)
    return f"{part:.0%}" if part else "-"


def times(row, ours):
    """A peer's seconds over ours."""
    return statistics.median(row["seconds"]) / statistics.median(ours["seconds"])


def started(rows, cold):
    """The rows timed with a cold start, or those timed without."""
    return [row for row in rows if bool(row.get("cold")) == cold]


def grouped(rows):
    """{(dtype, threads): {workload: {contestant: row}}}"""
    groups = {}
    for row in rows:
        groups.setdefault((row["dtype"], row["threads"]), {}).setdefault(row["item"], {})[row["contestant"]] = row
    return groups


def contestants(rows):
    return list(dict.fromkeys(row["contestant"] for row in rows))


def peers(rows):
    return [name for name in contestants(rows) if name != "fastmlp"]
