"""Pages in Markdown of what things cost: imports, choices, layers, phases of a step, estimators, ties, ranks."""
import statistics

from .tables import duration, figure, number, page, percent, ratios, table, threads_in_words
from .workloads import WORKLOADS

# phases that are matrix products, and the first layer that has one in them
PRODUCTS = {"forward": 0, "delta": 1, "weight": 0}


def latency(found):
    over = [(ours - numpy) * 1e3 for ours, numpy in zip(found["imports"]["fastmlp"], found["imports"]["numpy"])]
    lines = [["`import numpy`", "", duration(found["imports"]["numpy"])],
             ["`import fastmlp`", "", duration(found["imports"]["fastmlp"])],
             ["of which over NumPy", "30 ms", f"{statistics.median(over):.0f} ms"],
             ["2-2-1, 4 rows in one batch, Adam", "30,000 epochs/s", f"{figure(found['epochs a second'])} epochs/s"]]
    return page("Latency", found["info"],
                "Imports, each in a process of its own, and a network so small that only what a step costs besides "
                "arithmetic is measured. `python benchmarks/run/latency.py`", table(["", "goal", "measured"], lines))


def builds(found):
    before, after = found["names"]
    by_item = {}
    for row in found["rows"]:
        by_item.setdefault(row["item"], {})[row["threads"]] = figure(ratios(row["after"], row["before"]))
    threads = list(dict.fromkeys(row["threads"] for row in found["rows"]))
    return page("Two builds by turns", found["info"],
                f"The time of {after} over that of {before}: training with Adam in float32, each build in a process of "
                "its own, by turns; median of the rounds' ratios and half of what their middle half spans. "
                "`python benchmarks/run/builds.py`",
                table(["", *map(threads_in_words, threads)],
                      [[item, *(cells.get(n, "") for n in threads)] for item, cells in by_item.items()]))


def sizes(found):
    lines = [[row["item"], row["kept"], *(f"{row[what]:,}" for what in ("flash", "memory", "onnx"))]
             for row in found["rows"]]
    return page("Sizes", found["info"],
                f"Bytes of a network with its softmax on a Cortex-M4, by {found['compiler']}, -Os: program with "
                "weights and all constants, and memory; and of its ONNX file. Of sparse ones 80 % of the weights are "
                "0. "
                "`python benchmarks/run/sizes.py`", table(["network", "weights", "C", "memory", "ONNX"], lines))


def choices(found):
    by_item = {}
    for row in found["rows"]:
        by_item.setdefault(row["item"], {})[row["choice"]] = figure(ratios(row["these"], row["those"]))
    titles = list(dict.fromkeys(row["choice"] for row in found["rows"]))
    return page("What a choice costs", found["info"],
                "Ratios of times of training with Adam, all variants of a network by turns in one process: "
                "median of the rounds and half of what their middle half spans. threads: as many as pay "
                "(`n_threads=None`) in the place of one. The goals: tanh 1.3, float64 2.2, threads over one 1.05. "
                "`python benchmarks/run/choices.py`",
                table(["workload", *titles], [[item, *(cells.get(title, "-") for title in titles)]
                                              for item, cells in by_item.items()]))


def bfloat16(found):
    speed = [[row["item"], *(figure(ratios(row[what]["full"], row[what]["bfloat16"]))
                             for what in ("training", "predict"))] for row in found["speed"]]
    accuracy = []
    for row in found["accuracy"]:
        full, rounded = (row["accuracy"][precision] for precision in ("full", "bfloat16"))
        means = [statistics.fmean(values) for values in (full, rounded)]
        accuracy.append([row["data"], row["rows"], row["inputs"], *(f"{mean:.2f} %" for mean in means),
                         f"{means[1] - means[0]:+.2f}"])
    return page("Products in bfloat16", found["info"],
                "How many times as fast as full precision, both float32 and by turns in one process: median of the "
                "rounds and half of what their middle half spans. Adam, threads as many as pay (goal without AMX: "
                "0.8). `python benchmarks/run/bfloat16.py`",
                table(["workload", "training", "predictions"], speed),
                "Accuracy on a quarter of the rows, mean of twelve splits: two hidden layers of 128, 40 epochs of "
                "Adam, the same start and order (goal: within 0.3 points).",
                table(["data", "rows", "inputs", "full", "bfloat16", "points"], accuracy))


def layers(found):
    lines = [[row["item"], row["kind"], figure(ratios(row["these"], row["those"])), row["goal"] or "-",
              figure(ratios(row["torch"], row["these"])) if row["torch"] else "-"] for row in found["rows"]]
    saved = [f"{1 - statistics.median(ratios(row['these'], row['those'])):.0%} with {row['kind']} ({row['item']})"
             for row in found["rows"] if row["kind"].endswith(" bins")]
    return page("What a kind of layer costs", found["info"],
                "Ratios of times of training with Adam at batch 256, float32, all networks by turns in one process: "
                "median of the rounds and half of what their middle half spans. Four Dense layers, a layer of the kind "
                "after each, a Residual around each; groups are held against one of their blocks alone, times their "
                "number, an encoding of 32 features by bins against a Dense layer on the encoding as columns. PyTorch, "
                "eager, trains the same networks with as many threads (goal: 2 times as long). "
                "threads: as many as pay (`n_threads=None`) in the place of one. `python benchmarks/run/layers.py`",
                table(["units", "kind", "with it over without", "goal, at 256 units", "PyTorch over ours"], lines),
                *[f"Of a step on columns an encoding by bins saves {', '.join(saved)}."] * bool(saved))


def estimators(found):
    by_item, lines = {}, []
    for row in found["rows"]:
        by_item.setdefault(row["item"], {})[row["contestant"]] = row
    for item, by_name in by_item.items():
        ours, *others = by_name.values()
        best = max(others, key=lambda row: statistics.median(row["rates"]))
        shortest = min(others, key=lambda row: statistics.median(row["seconds"]))
        lines.append([item, figure(ours["rates"]), figure(best["rates"]), figure(ratios(ours["rates"], best["rates"])),
                      figure(ratios(shortest["seconds"], ours["seconds"]))])
    rows = [[name, duration(seconds)] for name, seconds in found["one row"].items()]
    return page("The estimators against scikit-learn's", found["info"],
                "Float64, all defaults; an epoch is the difference of two fits; scikit-learn "
                "with its BLAS on one thread or all, whichever is faster. Disturbed timings, which last seconds, are "
                "not taken again. The goals: 4 times at batch 200 on small networks, 20 at batch 32, never below 2. "
                "`python benchmarks/run/estimators.py`",
                table(["workload", "fastmlp, samples/s", "scikit-learn, samples/s", "ratio", "ratio of whole fits"],
                      lines),
                "`predict_proba` of one row, 64-100-10 (goal: 12 us):", table(["", "time"], rows))


def phases(found):
    top, names, lines = found["info"]["peak of a core, GFLOP/s"]["float32"], list(found["rows"][0]["ticks"]), []
    for row in found["rows"]:
        total = sum(row["ticks"].values())
        cells = [phase_cell(row, phase, ticks / total, top) for phase, ticks in row["ticks"].items()]
        lines.append([row["item"], row["threads"], number(row["rate"]), *cells])
    return page("Where the time of a step goes", found["info"],
                "Float32, Adam, by a build that measures it: the share of the threads' time in each "
                "phase, in brackets the share of the FMA peak in those that are matrix products. Row-wise: gather, "
                "forward, loss, delta (the backward sweep); then weight (gradients) and update (steps, and other forms "
                "of W); barrier is waiting for the other thread. `make phases`",
                table(["workload", "threads", "rows/s", *names], lines))


def phase_cell(row, phase, share, top):
    """The share of time, and of the peak of the cores used."""
    if phase not in PRODUCTS or not share or not top:
        return f"{share:.0%}"
    done = row["rate"] * 2 * sum(WORKLOADS[row["item"]].uses[PRODUCTS[phase]:])
    return f"{share:.0%} ({done / (share * row['threads'] * top * 1e9):.0%})"


def ties(found):
    untied = {row["threads"]: row for row in found["rows"] if row["ties"] == "untied"}
    lines = [[row["threads"], row["ties"], figure(row["rates"]),
              percent(ratios(row["rates"], untied[row["threads"]]["rates"]))]
             for row in found["rows"]]
    return page("A tied autoencoder", found["info"],
                "784-128-784, float32, Adam, batch 128: rows a second, and their share of the untied one's in "
                "the same round (goal: 80 %). `python benchmarks/run/ties.py`",
                table(["threads", "ties", "rows/s", "of the untied"], lines))


def sensitivity(found):
    passes, whats = found["passes"], list(found["epochs"][0]["seconds"]) if found["epochs"] else []
    lines = [[name, duration(seconds), figure(ratios(seconds, passes["loss_and_grad"]))]
             for name, seconds in passes.items()]
    epochs = [[row["item"], row["activation"],
               *(figure(ratios(row["seconds"][what], row["seconds"]["plain"])) for what in whats[1:])]
              for row in found["epochs"]]
    return page("What sensitivity costs", found["info"], "`python benchmarks/run/sensitivity.py`",
                "10,000 rows through 784-512-512-10, float32, all threads (goal of `input_gradient`: 1.6):",
                table(["", "time", "over loss_and_grad"], lines),
                "An epoch of at most 5000 rows, float32, all threads, ratio of its time to a plain one's (goal of the "
                "penalty: 2.5):",
                table(["workload", "activation", *whats[1:]], epochs))


def distributed(found):
    steps, core = [], found["out of core"]
    for row in found["steps"]:
        alone = row["seconds"]["one process"]
        steps.append([row["item"], duration(alone), figure(ratios(alone, row["seconds"]["two ranks"])),
                      percent(ratios(row["seconds"]["one rank"], alone))])
    sums = [[f"{int(size):,}", duration([seconds])] for size, seconds in found["sums"].items()]
    return page("Ranks, and data out of core", found["info"],
                "Float32, Adam, one thread a rank. `python benchmarks/run/distributed.py`",
                "A step of one process, how many times as fast two ranks take one of as many rows, and the time of one "
                "rank with a communicator (goals: 1.8x, of mnist-100 1.5x; 102 %):",
                table(["workload", "step", "two ranks", "one rank"], steps),
                "A sum over two ranks:", table(["bytes", "time"], sums),
                "An epoch of mnist-512 from a memory map in the page cache has "
                f"{percent(ratios(core['in memory'], core['in windows']))} of the speed in memory (goal: 90 %).",
                f"The model of the chart: {found['alpha'] * 1e6:.3g} us a message and {found['beta'] * 1e9:.3g} ns a "
                "byte on this machine. A sum over p ranks is 2 (p - 1) messages of each, together 2 (p - 1) / p of the "
                "gradient; a step's time goes with its rows.")
