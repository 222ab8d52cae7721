"""Charts of what was measured; run/pages.py makes them again."""
import statistics

import matplotlib
import matplotlib.ticker
import numpy as np

from . import tables, tabular

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLORS = {"fastmlp": "#c2410c", "numpy": "#64748b", "scikit-learn": "#f59e0b", "pytorch": "#8b5cf6",
          "pytorch compiled": "#c4b5fd", "jax": "#0ea5e9", "onnxruntime": "#10b981", "fastmlp's C file": "#fdba74"}
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "font.size": 9,
         "axes.grid.axis": "y", "axes.grid": True, "grid.color": "#e5e7eb", "axes.titlesize": 10}


def bars(ax, groups, series, values, bottom=0):
    """Grouped bars from a bottom to their values; None leaves a gap."""
    width = 0.84 / max(1, len(series))
    for i, name in enumerate(series):
        heights = [np.nan if v is None else v - bottom for v in values[name]]
        at = np.arange(len(groups)) + (i - (len(series) - 1) / 2) * width
        ax.bar(at, heights, 0.92 * width, bottom, color=COLORS.get(name), label=name)
    ax.set_xticks(range(len(groups)), groups, rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(groups) - 0.4)


def ratio(row, ours):
    return None if row is None or "refused" in row else tables.rate(ours) / tables.rate(row)


def times(value, _):
    return f"{value:g}x"


def ratio_panel(ax, workloads, names):
    values = {n: [ratio(by_name.get(n), by_name["fastmlp"]) for by_name in workloads.values()] for n in names}
    ax.set_yscale("log")
    bars(ax, list(workloads), names, values, 1)
    ax.axhline(1, color="black", linewidth=0.8)
    ax.yaxis.set_major_formatter(times)


def grid(groups, height):
    """A panel for each dtype (down) and number of threads (across)."""
    down, across = len({d for d, _ in groups}), len({t for _, t in groups})
    figure, axes = plt.subplots(down, across, figsize=(6.2 * across, height * down + 0.5), sharey=True, squeeze=False,
                                layout="constrained")
    for ax in axes.flat:
        ax.set_visible(False)
    for ax, (dtype, threads) in zip(axes.flat, groups):
        ax.set_visible(True)
        ax.set_title(f"{dtype}, {tables.threads_in_words(threads)}", loc="left")
    return figure, axes


def save(figure, path):
    figure.savefig(path, dpi=130)
    plt.close(figure)


@matplotlib.rc_context(STYLE)
def training(folder):
    found = tables.load(folder, "training")
    groups, names = tables.grouped(found["rows"]), tables.contestants(found["rows"])
    peers = tables.peers(found["rows"])
    figure, axes = grid(groups, 2.9)
    for ax, workloads in zip(axes.flat, groups.values()):
        ratio_panel(ax, workloads, peers)
    for ax in axes[:, 0]:
        ax.set_ylabel("fastmlp's samples/s over the peer's")
    legend(figure, axes.flat[0], "training with Adam: fastmlp against")
    save(figure, folder / "training-ratios.png")
    peak_chart(folder, found, groups, names)


def peak_chart(folder, found, groups, names):
    figure, axes = grid(groups, 2.9)
    for ax, workloads in zip(axes.flat, groups.values()):
        values = {n: [share(by_name.get(n), found["info"]) for by_name in workloads.values()] for n in names}
        bars(ax, list(workloads), names, values)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for ax in axes[:, 0]:
        ax.set_ylabel("share of the FMA peak")
    legend(figure, axes.flat[0], "training with Adam: share of the FMA peak of the cores used")
    save(figure, folder / "training-peak.png")


def share(row, info):
    return None if row is None or "refused" in row else tables.share(row, info)


def slower(row, ours):
    return None if row is None or "refused" in row else tables.times(row, ours)


def short_scale(ax, words):
    """Labels between the powers of ten too."""
    ax.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    ax.yaxis.set_major_formatter(words)


def seconds_panel(ax, workloads, names):
    values = {n: [slower(by_name.get(n), by_name["fastmlp"]) for by_name in workloads.values()] for n in names}
    ax.set_yscale("log")
    bars(ax, [f"{item:,}" if isinstance(item, int) else item for item in workloads], names, values, 1)
    ax.axhline(1, color="black", linewidth=0.8)
    short_scale(ax, times)


def legend(figure, ax, title):
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, title=title)


@matplotlib.rc_context(STYLE)
def predict(folder):
    found = tables.load(folder, "predict")
    groups = tables.grouped(found["rows"])
    peers = tables.peers(found["rows"])
    figure, axes = grid(groups, 2.5)
    for ax, workloads in zip(axes.flat, groups.values()):
        seconds_panel(ax, workloads, peers)
        ax.set_xticks(ax.get_xticks(), ax.get_xticklabels(), rotation=0, ha="center")
    for ax in axes[-1]:
        ax.set_xlabel("rows predicted in a call")
    for ax in axes[:, 0]:
        ax.set_ylabel("the peer's time over fastmlp's")
    legend(figure, axes.flat[0], "predicting with 64-100-10: fastmlp against")
    save(figure, folder / "predict.png")


@matplotlib.rc_context(STYLE)
def published(folder):
    found = tables.load(folder, "published")
    peers = tables.peers(found["rows"])
    kinds = (("an epoch or call", False), ("from a cold start to the same loss", True))
    panels = [(f"{what}, {tables.threads_in_words(threads)}", workloads) for what, cold in kinds
              for (dtype, threads), workloads in tables.grouped(tables.started(found["rows"], cold)).items()
              if dtype == "float32"]
    down = -(-len(panels) // 2)
    figure, axes = plt.subplots(down, 2, figsize=(10, 3 * down + 0.5), sharey=True, squeeze=False, layout="constrained")
    for ax in axes.flat[len(panels):]:
        ax.set_visible(False)
    for ax, (title, workloads) in zip(axes.flat, panels):
        seconds_panel(ax, workloads, peers)
        ax.set_title(title, loc="left")
    for ax in axes[:, 0]:
        ax.set_ylabel("the peer's time over fastmlp's")
    legend(figure, axes.flat[0], "networks with published figures, float32: fastmlp against")
    save(figure, folder / "published.png")


OURS = "#c2410c"
CURVES = {  # panel of scaling.py: title, x axis, y axis
    "rows": ("8-32-1, batch 256", "rows", "ns a row"),
    "batch": ("64-100-10", "rows in a batch", "ns a row"),
    "width": ("64-h-h-10, batch 256", "units h of a hidden layer", "ps a row and weight"),
    "depth": ("64-64-..-64-10, batch 256", "hidden layers", "ps a row and weight"),
    "weights": ("backprop of 256 rows, one core", "weights Q", "ns a weight"),
}


def curve(ax, points, name):
    title, x_label, y_label = CURVES[name]
    x = [p["x"] for p in points]
    scale = 1e12 if y_label.startswith("ps") else 1e9
    ax.fill_between(x, [min(p["seconds"]) * scale for p in points], [max(p["seconds"]) * scale for p in points],
                    color=OURS, alpha=0.2)
    y = [statistics.median(p["seconds"]) * scale for p in points]
    ax.plot(x, y, "o-", color=OURS, markersize=4)
    ax.set(title=title, xlabel=x_label, ylabel=y_label, xscale="log")
    if max(y) > 12 * min(y):
        ax.set_yscale("log")
        short_scale(ax, lambda value, _: f"{value:g}")
    else:
        ax.set_ylim(0, None)
    if max(x) < 1e4:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def memory_curve(ax, memory):
    x = [m["rows"] for m in memory]
    ax.plot(x, [m["peak"] for m in memory], "o-", color=OURS, markersize=4, label="peak of the process")
    ax.plot(x, [m["bound"] for m in memory], "--", color="black", linewidth=1,
            label="bound: data + 3 x parameters + 64 MB")
    ax.plot(x, [m["data"] for m in memory], ":", color="gray", label="data")
    ax.set(title="memory of training 8-32-1", xlabel="rows", ylabel="MB", xscale="log", ylim=(0, None))
    ax.legend(frameon=False, fontsize=8)


def speed_up(ax, curves):
    for (name, points), color in zip(curves.items(), (OURS, "#0ea5e9", "#64748b")):
        one = statistics.median(points[0]["seconds"])
        ax.plot([p["x"] for p in points], [one / statistics.median(p["seconds"]) for p in points], "o-", color=color,
                markersize=4, label=name)
    ax.set(title="threads, up to twice the cores", xlabel="threads", ylabel="speed-up over 1 thread", ylim=(0, None))
    ax.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize=8)


@matplotlib.rc_context(STYLE)
def scaling(folder):
    found = tables.load(folder, "scaling")
    figure, axes = plt.subplots(2, 4, figsize=(16, 6.6), layout="constrained")
    memory_curve(axes[0, 1], found["memory"])
    for ax, name in zip((axes[0, 0], *axes[0, 2:], *axes[1]), CURVES):
        curve(ax, found["curves"][name], name)
    threads = {name.removeprefix("threads, "): points for name, points in found["curves"].items()
               if name.startswith("threads")}
    speed_up(axes[1, 2], threads)
    axes[1, 3].axis("off")
    info = found["info"]
    text = (f"{info['machine']}\nfastmlp {info['fastmlp']}, {info['instruction set']}, float32, Adam\n{info['date']}"
            "\n\nlines: medians of the rounds\nbands: from the least to the most")
    axes[1, 3].text(0, 0.9, text.replace(" (", "\n("), va="top")
    save(figure, folder / "scaling.png")


# what messages go through: seconds of a message and of a byte, None for what was measured
LINES_OF_RANKS = {"this machine": None, "10 Gbit/s, 20 us": (20e-6, 8 / 10e9), "100 Gbit/s, 2 us": (2e-6, 8 / 100e9)}


def speedups(row, ranks, alpha, beta, batches):
    """How many times as fast some ranks are as one, on a batch so many times as large, by the alpha-beta model: a
    message takes alpha seconds, a byte beta."""
    step = batches * statistics.median(row["seconds"]["one process"])
    summed = 2 * (ranks - 1) * alpha + 2 * (ranks - 1) / ranks * 4 * row["parameters"] * beta
    return step / (step / ranks + summed)


@matplotlib.rc_context(STYLE)
def distributed(folder):
    """Where more ranks stop paying: by the measured times of steps, and by networks of some speeds."""
    found = tables.load(folder, "distributed")
    figure, axes = plt.subplots(1, len(found["steps"]), figsize=(4.2 * len(found["steps"]), 3.6), sharey=True,
                                squeeze=False, layout="constrained")
    ranks = np.unique(np.logspace(0, 3, 60).round())
    for ax, row in zip(axes.flat, found["steps"]):
        for (name, speed), color in zip(LINES_OF_RANKS.items(), COLORS.values()):
            for batches, line in ((1, "-"), (16, "--")):
                alpha, beta = speed or (found["alpha"], found["beta"])
                ax.plot(ranks, speedups(row, ranks, alpha, beta, batches), line, color=color,
                        label=f"{name}, batch x{batches}" if batches > 1 else name)
        ax.plot(ranks, ranks, color="black", linewidth=0.5)
        ax.set(xscale="log", yscale="log", xlabel="ranks", ylim=(0.5, 1000))
        ax.set_title(f"{row['item']}, batch {row['batch']}", loc="left")
    axes[0, 0].set_ylabel("times as fast as one rank")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    save(figure, folder / "distributed.png")


@matplotlib.rc_context(STYLE)
def real_tables(folder):
    found = tables.load(folder, "tables")
    peers = [model for model in tabular.models_of(found) if not model.startswith("fastmlp")]
    across = -(-len(peers) // 2)
    figure, axes = plt.subplots(2, across, figsize=(3.6 * across, 8.4), layout="constrained", squeeze=False)
    tabular.chart(found, axes.flat)
    for ax in axes.flat[len(peers):]:
        ax.set_visible(False)
    figure.suptitle("TabularClassifier and TabularRegressor, defaults, against")
    save(figure, folder / "tables.png")


@matplotlib.rc_context(STYLE)
def history(folder):
    """Instructions a row by commit, a line for each compiler and counter, each over its first count."""
    rows = tables.load(folder, "history")
    commits = list(dict.fromkeys(row["commit"] for row in rows))
    names = list(rows[0]["instructions"])
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.2), sharey=True, layout="constrained")
    for ax, name in zip(axes, names):
        for kind in dict.fromkeys((row["compiler"], row["counter"]) for row in rows):
            line = [row for row in rows if (row["compiler"], row["counter"]) == kind]
            first = line[0]["instructions"][name]
            ax.plot([commits.index(row["commit"]) for row in line],
                    [row["instructions"][name] / first for row in line], "o-", markersize=4,
                    label=f"{', '.join(kind)}: {first:,.0f}")
        ax.set_xticks(range(len(commits)), commits, rotation=90)
        ax.set_title(name, loc="left")
        ax.legend(frameon=False, title="instructions a row, at first", fontsize=7, title_fontsize=7)
    axes[0].set_ylabel("instructions, over the first")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(min(low, 0.8), max(high, 1.2))
    save(figure, folder / "history.png")


CHARTS = {"training": training, "predict": predict, "published": published, "scaling": scaling, "tables": real_tables,
          "distributed": distributed}
