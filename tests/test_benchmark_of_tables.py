"""The page of how models do on tables, from figures by hand."""
import math
import pathlib
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("benchmarks are not here", allow_module_level=True)
sys.path[:0] = [str(BENCHMARKS)]

from lib import machine, report, tabular  # noqa: E402

# loss by table and model, one for each seed
LOSSES = {"a": {"fastmlp": [1.0, 3.0], "LightGBM": [4.0, 4.0]}, "b": {"fastmlp": [1.0, 1.0], "LightGBM": [0.5, 0.5]},
          "c": {"fastmlp": [2.0, 2.0]}}
ROWS = [{"table": name, "task": "regression", "seed": seed, "model": model, "loss": loss, "error": loss, "auc": None,
         "fit": 1.5, "predict": 0.5}
        for name, models in LOSSES.items() for model, losses in models.items() for seed, loss in enumerate(losses)]
for row in ROWS:
    if row["model"] == "fastmlp":
        row["cpu"] = 2.5
ROWS.append({"table": "c", "task": "regression", "seed": 0, "model": "LightGBM", "failed": "it is not there"})


def test_wins_ranks_and_gains():
    losses = tabular.means({"rows": ROWS}, "loss")
    assert losses == {"a": {"fastmlp": 2, "LightGBM": 4}, "b": {"fastmlp": 1, "LightGBM": 0.5}, "c": {"fastmlp": 2}}
    assert tabular.won(losses, "fastmlp", "LightGBM") == (1, 1, 2)
    assert tabular.ranks(losses, ["fastmlp", "LightGBM"]) == {"fastmlp": 1.5, "LightGBM": 1.5}
    assert tabular.improvements({"rows": ROWS}, "LightGBM") == {"a": 0.5, "b": -1.0}


def test_page_and_chart(tmp_path):
    info = machine.describe(["float32"])
    report.write({"info": info, "threads": 1, "note": "A note.", "rows": ROWS}, tmp_path, "tables", charted=True)
    page = (tmp_path / "tables.md").read_text()
    assert "| fastmlp | 1.50 |  |  |  | 4 | 8 | 1.50 |" in page
    assert "| LightGBM | 1.50 | 1 of 2, 50% | 85% | 1-1 | 3 | - | 1.00 |" in page
    assert "| a | **2** | 4 |" in page and "| c | **2** | - |" in page
    assert "A note." in page and "LightGBM on c: it is not there" in page
    assert (tmp_path / "tables.png").stat().st_size > 1000


def test_changes_of_choices():
    row = lambda choice, name, *splits: {"choice": choice, "table": name, "task": "regression",
                                         "splits": [{"loss": loss, "cpu": cpu} for loss, cpu in splits]}
    rows = [row("base", "a", (1.0, 2.0), (1.0, 2.0)), row("base", "b", (5.0, 8.0)),
            row("other", "a", (math.e, 3.0), (1 / math.e, 3.0)), row("other", "b", (5.0 * math.exp(0.01), 4.0))]
    assert tabular.changes(rows, "other", "base", "regression") == pytest.approx({"a": 0, "b": 1})
    choices = {"base": {"words": "as it is", "base": "base"}, "other": {"words": "Another way", "base": "base"}}
    found = {"info": machine.describe(["float32"]), "choices": choices, "rows": rows}
    assert "| Another way | +0.0 | +1.0 | +0.5 | 0.83 |" in tabular.tables_choices(found)
