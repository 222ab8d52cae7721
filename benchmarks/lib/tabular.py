"""The page and the chart of how models do on tables."""
import math
import statistics

import numpy as np

from .tables import page, table

OURS = "fastmlp"
# peer: the share of tables that we mean to win by log loss or RMSE
GOALS = {"LightGBM": 0.85, "XGBoost": 0.85, "HistGradientBoosting": 0.85, "CatBoost": 0.65,
         "LightGBM stopped": 0.7, "XGBoost stopped": 0.7, "HistGradientBoosting stopped": 0.7,
         "scikit-learn's MLP": 0.95}

# of a row: (in words, digits)
CLOCKS = {"fit": ("fit, s in all", 0), "cpu": ("fit, s of processors", 0), "predict": ("predict, s in all", 2)}


def means(found, of):
    """{table: {model: the mean of a figure over the seeds}}, of tables and models that have it."""
    by_table = {}
    for row in found["rows"]:
        if row.get(of) is not None:
            by_table.setdefault(row["table"], {}).setdefault(row["model"], []).append(row[of])
    return {name: {model: statistics.fmean(values) for model, values in models.items()}
            for name, models in by_table.items()}


def models_of(found):
    return list(dict.fromkeys(row["model"] for row in found["rows"]))


def won(losses, model, peer):
    """(tables on which a model's figure is smaller, larger, the number of both)."""
    pairs = [(of[model], of[peer]) for of in losses.values() if model in of and peer in of]
    return sum(a < b for a, b in pairs), sum(a > b for a, b in pairs), len(pairs)


def ranks(losses, models):
    """{model: its mean rank}, 1 the best, over the tables that all were run on."""
    whole = [of for of in losses.values() if set(models) <= set(of)]
    rank = lambda of, model: 1 + sum(other < of[model] for other in of.values())
    return {model: statistics.fmean(rank(of, model) for of in whole) if whole else float("nan") for model in models}


def tables(found):
    models, losses, errors = models_of(found), means(found, "loss"), means(found, "error")
    place, summary = ranks(losses, models), []
    clocks = {words: [total(means(found, of), model, losses, digits) for model in models]
              for of, (words, digits) in CLOCKS.items()}
    clocks = {words: cells for words, cells in clocks.items() if {*cells} != {"-"}}
    for i, model in enumerate(models):
        wins, lost, n = won(losses, OURS, model)
        goal = f"{GOALS[model]:.0%}" if model in GOALS else ""
        share = f"{wins} of {n}, {wins / max(1, n):.0%}" if model != OURS else ""
        by_error = won(errors, OURS, model)
        summary.append([model, f"{place[model]:.2f}", share, goal, f"{by_error[0]}-{by_error[1]}" if share else "",
                        *(cells[i] for cells in clocks.values())])
    lines = [[name, *(mark(by_model, model) for model in models)] for name, by_model in losses.items()]
    seeds = len({row["seed"] for row in found["rows"]})
    failed = sorted({f"{row['model']} on {row['table']}: {row['failed']}" for row in found["rows"] if "failed" in row})
    aucs = means(found, "auc")
    return page("Tables", found["info"],
                f"{len(losses)} real tables, a quarter of the rows to test on, at most 6000 to train on, {seeds} "
                f"seed{'s' if seeds > 1 else ''}, {found['threads']} thread{'s' if found['threads'] > 1 else ''}. "
                "Models with their defaults; \"stopped\": at most 1000 trees at rate 0.05, stopped by a fifth of the "
                "rows. `python benchmarks/run/tables.py`" + (f"\n\n{found['note']}" if found.get("note") else ""),
                f"## Against others, {len(losses)} tables\n\n"
                + table(["model", "mean rank", "fastmlp has the smaller log loss or RMSE", "goal",
                         "by error or MAE, won-lost", *clocks], summary),
                "## Log loss, or RMSE\n\nThe best in bold.\n\n" + table(["table", *models], lines),
                "## Area under the curve\n\nOf two classes, or the mean of one against the rest.\n\n"
                + table(["table", *models], [[name, *(f"{of[m]:.4f}" if m in of else "-" for m in models)]
                                             for name, of in aucs.items()]),
                *(["Failed: " + "; ".join(failed) + "."] if failed else []))


def total(seconds, model, losses, digits):
    """The sum over the tables that a model was run on, where it is known for all of them."""
    run = [name for name, by_model in losses.items() if model in by_model]
    known = [seconds[name][model] for name in run if model in seconds.get(name, ())]
    return f"{sum(known):.{digits}f}" if known and len(known) == len(run) else "-"


def changes(rows, choice, base, task):
    """{table: mean change of the log of the loss from that of the base, %} of the tables of a task."""
    losses = {row["table"]: row["splits"] for row in rows if row["choice"] == base}
    change = lambda row: [math.log(a["loss"] / b["loss"]) for a, b in zip(row["splits"], losses[row["table"]])]
    return {row["table"]: 100 * statistics.fmean(change(row)) for row in rows
            if row["choice"] == choice and row["task"] == task}


def seconds_of(rows, choice, names):
    """Processor time of a choice on some tables."""
    return sum(one["cpu"] for row in rows if row["choice"] == choice and row["table"] in names for one in row["splits"])


def against(found, base, task):
    """The part of the page on choices in the place of a base."""
    rows, lines = found["rows"], []
    names = [row["table"] for row in rows if row["choice"] == base and row["task"] == task]
    for choice, said in found["choices"].items():
        by_table = changes(rows, choice, base, task) if said["base"] == base != choice else {}
        if by_table:
            cost = seconds_of(rows, choice, by_table) / seconds_of(rows, base, by_table)
            lines.append([said["words"], *(f"{by_table[name]:+.1f}" if name in by_table else "" for name in names),
                          f"{statistics.fmean(by_table.values()):+.1f}", f"{cost:.2f}"])
    return (f"## {task.capitalize()}, instead of: {found['choices'][base]['words']}\n\n"
            + table(["choice", *names, "mean", "time"], lines))


def tables_choices(found):
    made = [(row["choice"], row["task"]) for row in found["rows"]
            if row["choice"] == found["choices"][row["choice"]]["base"]]
    return page("Choices for tables", found["info"],
                "Change of log loss or RMSE, in %: less is better, and changes of one table by some 2 % are chance, of "
                "spambase and hpc_data by some 4 %. Four members to classify, three for regression. Some rows train, "
                "others judge, and none of them is among those on which [tables.md](tables.md) tests. time: of "
                "processors, over the base's; other work on the machine blurs it. "
                "`python benchmarks/run/tables_choices.py`", *(against(found, *one) for one in dict.fromkeys(made)))


def mark(by_model, model):
    if model not in by_model:
        return "-"
    text = f"{by_model[model]:.5g}"
    return f"**{text}**" if by_model[model] == min(by_model.values()) else text


def improvements(found, peer):
    """{table: by which part the peer's figure is larger than ours}, from the largest."""
    losses = means(found, "loss")
    gains = {name: 1 - of[OURS] / of[peer] for name, of in losses.items() if peer in of and of[peer] > 0}
    return dict(sorted(gains.items(), key=lambda item: -item[1]))


def chart(found, axes):
    """A panel for each peer: what is gained on each table, in parts of the peer's log loss or RMSE."""
    for ax, peer in zip(axes, [model for model in models_of(found) if not model.startswith("fastmlp")]):
        gains = improvements(found, peer)
        shown = 100 * np.clip(list(gains.values()), -0.5, 0.5)
        ax.barh(range(len(gains)), shown, color=["#c2410c" if gain > 0 else "#64748b" for gain in shown])
        ax.set_yticks(range(len(gains)), list(gains), fontsize=7)
        ax.invert_yaxis()
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(title=f"{peer}: {sum(shown > 0)} of {len(gains)}", xlim=(-52, 52), xlabel="less log loss or RMSE, %")
        ax.grid(axis="y", visible=False)
        ax.grid(axis="x", visible=True)
