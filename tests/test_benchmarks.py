"""The benchmarks' own parts: workloads that can be built, contestants that compute the same, a proof that notices when
not."""
import argparse
import json
import pathlib
import shutil
import sys
import threading

import numpy as np
import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("benchmarks are not here", allow_module_level=True)
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "run")]     # at the end: run/distributed.py has the name of a package

import prove  # noqa: E402
import published  # noqa: E402
import quick  # noqa: E402
import readme  # noqa: E402
from lib import goals, machine, options, report, tables, timing  # noqa: E402
from lib.contestants import TABLE, TRAINING, contestant  # noqa: E402
from lib.subjects import Subject  # noqa: E402
from lib.workloads import TRAINED, WORKLOADS, Workload  # noqa: E402

DTYPES = ("float32", "float64")
DENSE = [name for name, w in WORKLOADS.items() if not w.convs]


class Here(Subject):
    """A subject without a process of its own."""

    def call(self, method, *arguments):
        return getattr(self, method)(*arguments)


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_can_be_built(name):
    w = WORKLOADS[name]
    small = Workload(**{**vars(w), "rows": 6})
    X, y = small.data("float32")
    assert X.dtype == np.float32 and len(X) == len(y) == 6
    assert [W.shape for W, _ in small.weights("float64")] == w.shapes
    assert w.flops > 0


def test_flops_of_a_convolution_count_every_position():
    lenet = WORKLOADS["lenet-5"]
    first, second = 24 * 24 * 25 * 6, 8 * 8 * 25 * 6 * 16
    assert lenet.flops == 6 * (first + second + 256 * 120 + 120 * 84 + 84 * 10) - 2 * first


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [n for n in DENSE if n != "wide"])
def test_fastmlp_and_numpy_compute_the_same(name, dtype):
    ours, theirs = (prove.trained(Here(contestant, dtype, 1), name) for contestant in ("fastmlp", "numpy"))
    assert prove.same(prove.distances(name, dtype, ours, theirs), dtype)


@pytest.mark.parametrize("name", [n for n in TRAINING if n not in ("fastmlp", "numpy", "pytorch compiled")])
def test_a_peer_that_is_installed_computes_the_same(name):
    try:
        contestant(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    ours, theirs = (prove.trained(Here(who, "float64", 1), "tiny-32") for who in ("fastmlp", name))
    assert prove.same(prove.distances("tiny-32", "float64", ours, theirs), "float64")


def test_ways_that_have_all_options():
    subject = Here("numpy", "float32", 1)
    subject.open("tiny-32")
    subject.contestant.ways = (("slices", "gathered"), ("fused", "foreach"), (2, 1, 3))
    assert subject.ways_with_all_options() == ["slices, fused, threads: 2", "gathered, foreach, threads: 1",
                                               "gathered, foreach, threads: 3"]
    subject.contestant.ways = ()
    assert subject.ways_with_all_options() == [""]


def test_the_proof_notices_a_different_step():
    ours = prove.trained(Here("fastmlp", "float64", 1), "tiny-32")
    other = Here("numpy", "float64", 1)
    other.open("tiny-32", {"rows": 176}, {"shuffle": False, "eps": 1e-6})
    assert not prove.same(prove.distances("tiny-32", "float64", ours, other.train(prove.EPOCHS)), "float64")


def test_gradients_and_predictions_agree():
    both = [Here(name, "float64", 1) for name in ("fastmlp", "numpy")]
    for subject in both:
        subject.open("gradient-200")
    (loss, _), (loss2, _) = (subject.contestant.gradient() for subject in both)
    assert loss == pytest.approx(loss2)
    for subject in both:
        subject.open("digits")
    (_, p), (_, p2) = (subject.rows(3) for subject in both)
    np.testing.assert_allclose(p, p2, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_c_file_predicts_the_same(dtype):
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    ours, theirs = Here("fastmlp", dtype, 1), Here("fastmlp's C file", dtype, 1)
    for subject in (ours, theirs):
        subject.open("digits")
        _, subject.found = subject.rows(3)
    np.testing.assert_allclose(theirs.found, ours.found, rtol=1e-5 if dtype == "float32" else 1e-12)
    assert theirs.predict_seconds() > 0


def test_rounds_are_interleaved(monkeypatch):
    monkeypatch.setattr(timing.machine, "undivided", lambda near: True)
    order = []
    figures = timing.interleaved({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, 3,
                                 pause=0)
    assert order == list("ababab") and figures == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_spread_and_units():
    assert timing.spread([1.0, 2.0, 3.0]) == 0.25
    assert tables.duration([2e-6] * 3) == "2.00 us ±0%"
    assert set(TRAINING) <= set(TABLE)


def test_a_timing_is_taken_again_while_the_cores_are_not_all_there(monkeypatch):
    there = iter([False, True, False, True, True])  # before, before, after; before and after
    monkeypatch.setattr(timing.machine, "undivided", lambda near: next(there))
    monkeypatch.setattr(timing, "disturbed", 0)
    figures = iter([1, 2])
    assert timing.undisturbed(lambda: next(figures)) == 2
    assert timing.disturbed == 1


@pytest.mark.skipif(machine.cores() == 1 or not machine.probe("float32"), reason="one core, or no C compiler")
def test_cores_that_are_not_there_and_cores_that_are_far(monkeypatch):
    assert 0 < machine.handover() < 1e6 and 0 < machine.all_cores() < 1.5
    monkeypatch.setattr(machine, "nearest", lambda: 60)
    for share, ns, alone, together in ((1.0, 30, True, True), (0.5, 30, False, False), (1.0, 170, True, False)):
        monkeypatch.setattr(machine, "all_cores", lambda share=share: share)
        monkeypatch.setattr(machine, "handover", lambda ns=ns: ns)
        assert (machine.undivided(False), machine.undivided(True)) == (alone, together)


def test_a_timing_that_is_disturbed_for_good_counts_as_it_is(monkeypatch):
    monkeypatch.setattr(timing.machine, "undivided", lambda near: False)
    monkeypatch.setattr(timing, "PATIENCE", 0)
    monkeypatch.setattr(timing, "disturbed", 0)
    monkeypatch.setattr(timing, "kept", 0)
    figures = iter([1, 2, 3])
    assert timing.undisturbed(lambda: next(figures), 3) == 3
    assert (timing.disturbed, timing.kept) == (2, 1)


def test_a_run_that_is_disturbed_for_good_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.machine, "undivided", lambda near: False)
    monkeypatch.setattr(timing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(timing.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(timing, "patience", 100)
    monkeypatch.setattr(timing, "disturbed", 0)
    monkeypatch.setattr(timing, "kept", 0)
    figures = timing.interleaved({"a": lambda: now.__setitem__(0, now[0] + 1)}, 40, pause=0)
    assert len(figures["a"]) == 40 and timing.kept + 1 >= 40 and timing.disturbed <= 5
    assert now[0] < 100 + 2 * timing.PATIENCE + 40


def test_threads_that_predict_at_once():
    subject = Here("fastmlp", "float32", 1)
    subject.open("digits")
    called = []
    predict = subject.contestant.predict
    subject.contestant.predict = lambda X: called.append((threading.get_ident(), X.shape)) or predict(X)
    rate = subject.rate_together(3, 2, 0.05)
    assert len({thread for thread, _ in called}) == 2 and {shape for _, shape in called} == {(3, 64)}
    assert rate == (len(called) - 2) / 0.05


def test_a_page_of_threads_at_once():
    rows = [{"item": "64-100-10", "rows": 1, "contestant": name, "workers": workers, "rates": [rate * workers] * 3}
            for name, rate in (("fastmlp", 1000.0), ("pytorch", 30.0)) for workers in (1, 2)]
    part, = report.together({"together": rows})
    assert "| 64-100-10 | 1 | fastmlp | 1,000 ±0% | 2,000 ±0% | 2.00 ±0% |" in part
    assert "| times as many |" in part and not list(report.together({}))


@pytest.mark.parametrize("workload, rows", [("tiny-32", 160), ("digits-200", 1000)])
@pytest.mark.parametrize("name", ["fastmlp", "numpy", "scikit-learn"])
def test_training_to_a_loss_stops_where_it_is_reached(name, workload, rows):
    subject, reference = Here(name, "float64", 1), Here("fastmlp", "float64", 1)
    for one in (subject, reference):
        one.open(workload, {"rows": rows}, {"shuffle": False})
    fourth, _ = reference.train(4)
    epochs, loss = subject.train_to(fourth * (1 + 1e-9), 2, 20)
    assert epochs == 4 and loss == pytest.approx(fourth, rel=1e-9)
    subject.open(workload, {"rows": rows}, {"shuffle": False})
    epochs, loss = subject.train_to(0.0, 2, 6)
    assert epochs == 6 and 0 < loss < fourth


def test_a_way_is_taken_by_its_name():
    subject = Here("numpy", "float64", 2)
    subject.open("tiny-32", {"rows": 64})
    subject.take("BLAS on all threads")
    assert subject.contestant.way == ["BLAS on all threads"]


@pytest.mark.parametrize("loss, expected", [(0.2, {"seconds": [1.5, 1.5], "epochs": 30, "loss": 0.2}),
                                            (0.3, {"refused": "not reached: 0.3 after 30 epochs"})])
def test_a_cold_start_that_does_not_reach_the_loss_has_no_time(monkeypatch, loss, expected):
    monkeypatch.setattr(timing.machine, "undivided", lambda near: True)
    monkeypatch.setattr(published, "cold", lambda row: (1.5, 30, loss))
    warm = {"item": "matrix-exponential", "dtype": "float32", "threads": 1, "contestant": "numpy"}
    row, = published.cold_rows([{**warm, "way": ""}, {**warm, "contestant": "jax", "refused": "not installed"}], 2)
    assert row == {**warm, "way": "", "cold": True, "target": 0.238, **expected}


def test_what_is_not_known_cannot_be_asked_for():
    assert options.several(str, ("a", "b"))("b,a") == ["b", "a"] and options.several(int)("3,4") == [3, 4]
    with pytest.raises(argparse.ArgumentTypeError, match="c not of a, b"):
        options.several(str, ("a", "b"))("a,c")


def test_goals_are_of_what_is_trained():
    assert set(goals.GOALS) == set(TRAINED) and set(goals.SPEED_UP) <= set(TRAINED)
    assert {what for wanted in goals.GOALS.values() for what, _ in wanted} <= {*TRAINING, "best", "peak", "rows/s"}
    assert {name for names in goals.SUMMARY.values() for name in names} <= set(TRAINING)


INFO = {"machine": "a machine", "cores": 2, "date": "2000-01-01", "fastmlp": "1.0", "commit": "abc1234 and changes",
        "instruction set": "generic", "peak of a core, GFLOP/s": {"float32": 53.0}, "versions": {"numpy": "2.0"}}


def test_pages_of_training(tmp_path):
    def row(item, threads, name, **what):
        return {"item": item, "dtype": "float32", "threads": threads, "contestant": name, "way": "", **what}

    rows = [row("lenet-5", 1, "fastmlp", rates=[1000.0] * 3),
            row("lenet-5", 2, "fastmlp", rates=[1500.0, 1900.0, 2000.0]),
            row("lenet-5", 2, "numpy", refused="no convolutions"), row("lenet-5", 2, "pytorch", rates=[190.0] * 3),
            row("lenet-5", 2, "pytorch compiled", rates=[500.0] * 3), row("lenet-5", 2, "jax", rates=[10.0] * 3)]
    (tmp_path / "training.json").write_text(json.dumps({"info": INFO, "rows": rows}))
    report.make(tmp_path, "training")
    training, summary, against = ((tmp_path / f"{name}.md").read_text() for name in ("training", "summary", "goals"))
    assert "| lenet-5 | 1,900 ±7% | " in training
    assert "| - | 10.00x of 190 ±0% | 3.80x of 500 ±0% | 190.00x of 10.0 ±0% |" in training
    assert "| lenet-5, batch 64 | 1,900 | - | - | 3.80x | 190x |" in summary
    assert "| 3.80x pytorch compiled; 1,900 rows/s, 9,500 scaled to 265 GFLOP/s |" in against
    assert "| lenet-5 | 1.8 | 1.90 |" in against
    for page in (training, summary, against):
        assert "fastmlp 1.0 (commit abc1234 and changes), generic; numpy 2.0; 2000-01-01." in page


COSTS = {  # what was measured, and a line of the page
    "latency": ({"imports": {"numpy": [0.1, 0.1], "fastmlp": [0.11, 0.13]}, "epochs a second": [5e4, 5e4]},
                "| of which over NumPy | 30 ms | 20 ms |"),
    "sizes": ({"compiler": "a compiler 1.0", "rows": [{"item": "16-32-4, tanh", "kept": "int8", "flash": 2345,
                                                       "memory": 128, "onnx": 3456}]},
              "| 16-32-4, tanh | int8 | 2,345 | 128 | 3,456 |"),
    "choices": ({"rows": [{"item": "wide", "choice": "tanh", "these": [3.0, 6.0], "those": [2.0, 4.0]}]},
                "| wide | 1.50 ±0% |"),
    "layers": ({"rows": [{"item": "64 units", "kind": kind, "these": [3.0, 6.0], "those": [4.0, 8.0], "goal": None,
                          "torch": torch} for kind, torch in (("Scale", None), ("16 bins", [6.0, 12.0]))]},
               "| 64 units | Scale | 0.75 ±0% | - | - |\n| 64 units | 16 bins | 0.75 ±0% | - | 2.00 ±0% |\n\n"
               "Of a step on columns an encoding by bins saves 25% with 16 bins (64 units)."),
    "estimators": ({"rows": [{"item": "wide", "contestant": name, "rates": [rate], "seconds": [s]} for name, rate, s in
                             (("fastmlp", 60.0, 1.0), ("scikit-learn, 1", 20.0, 5.0),
                              ("scikit-learn, all", 30.0, 6.0))],
                    "one row": {"fastmlp": [1e-5]}}, "| wide | 60.0 ±0% | 30.0 ±0% | 2.00 ±0% | 5.00 ±0% |"),
    "phases": ({"rows": [{"item": "xor-online", "threads": 1, "rate": 53e9 / 48,
                          "ticks": {"forward": 50, "barrier": 150}}]},
               "| xor-online | 1 | 1,104,166,667 | 25% (100%) | 75% |"),
    "ties": ({"rows": [{"threads": 2, "ties": ties, "rates": rates}
                       for ties, rates in (("untied", [10.0, 20.0]), ("tied", [9.0, 18.0]))]},
             "| 2 | tied | 13.5 ±17% | 90% ±0% |"),
    "distributed": ({"steps": [{"item": "wide", "batch": 256, "parameters": 10,
                                "seconds": {"one process": [2.0], "one rank": [2.02], "two ranks": [1.25]}}],
                     "sums": {"1024": 1e-6}, "alpha": 1e-6, "beta": 1e-9,
                     "out of core": {"in memory": [1.0], "in windows": [1.25]}},
                    "| wide | 2.00 s ±0% | 1.60 ±0% | 101% ±0% |"),
    "sensitivity": ({"passes": {"loss_and_grad": [2.0], "hvp": [3.0]},
                     "epochs": [{"item": "wide", "activation": "relu", "seconds": {"plain": [2.0], "penalty": [5.0]}}]},
                    "| hvp | 3.00 s ±0% | 1.50 ±0% |\n\nAn epoch of"),
}


@pytest.mark.parametrize("name", COSTS)
def test_pages_of_costs(name, tmp_path):
    measured, line = COSTS[name]
    (tmp_path / f"{name}.json").write_text(json.dumps({"info": INFO, **measured}))
    report.make(tmp_path, name)
    assert line in (tmp_path / f"{name}.md").read_text()


def test_a_network_in_words():
    assert goals.in_words("housing-200") == "8-64-64-1, batch 200"


def test_the_commit_is_known_in_a_checkout_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "BENCHMARKS", tmp_path / "benchmarks")
    assert machine.commit() is None
    said = {"log": "abc1234", "status": ""}
    monkeypatch.setattr(machine, "git", lambda what, *_: said[what])
    assert machine.commit() == "abc1234"
    said["status"] = " M setup.py"
    assert machine.commit() == "abc1234 and changes"


def test_what_another_machine_measured_stays(tmp_path):
    for name, wanted in (("Zen (model 17), 2 cores", tmp_path), ("Lake, 8 cores", tmp_path / "lake-8-cores"),
                         ("Zen (model 17), 2 cores", tmp_path)):
        assert report.place(tmp_path, "ties", name) == wanted
        wanted.mkdir(exist_ok=True)
        (wanted / "ties.json").write_text(json.dumps({"info": {"machine": name}}))


def test_blocks_hold_pages_and_parts(tmp_path):
    (tmp_path / "a.md").write_text(
        "# Title\n\na machine.\n\nwords `python benchmarks/run/a.py`\n\n"
        "## float32, 1 thread\n\nslow\n\n## float32, 8 threads\n\nfast\n\n## float64\n\nhalf\n")
    text = ("before\n<!-- results/a.md -->\nold\n<!-- end -->\nbetween\n"
            "<!-- results/a.md: float32 -->\n<!-- end -->\nafter\n")
    filled = readme.filled(text, tmp_path)
    assert ("before\n<!-- results/a.md -->\n\na machine.\n\nwords `python benchmarks/run/a.py`\n\n"
            "### float32, 1 thread\n") in filled
    assert "old" not in filled and "# Title" not in filled
    assert ("<!-- results/a.md: float32 -->\n\nfloat32, 8 threads:\n\nfast\n\n"
            "a machine. `python benchmarks/run/a.py`\n\n<!-- end -->\nafter\n") in filled
    assert readme.filled(filled, tmp_path) == filled
    (tmp_path / "b.md").write_text("# Title\n\n| a |\n|---|\n| 1 |\n| 2 |\n| 3 |\n\na machine.\n")
    assert readme.filled("<!-- results/b.md, rows 1, 3 -->\n<!-- end -->", tmp_path) == (
        "<!-- results/b.md, rows 1, 3 -->\n\n| a |\n|---|\n| 1 |\n| 3 |\n\na machine.\n\n<!-- end -->")


BLOCKS = [(path, found) for path in readme.READMES for found in readme.BLOCK.finditer(path.read_text())]


@pytest.mark.parametrize("path, found", BLOCKS,
                         ids=[f"{path.parent.name}/{path.name}, {found['page']}" for path, found in BLOCKS])
def test_a_readme_shows_what_the_results_say(path, found):
    assert readme.filled(found[0]) == found[0], f"python benchmarks/run/readme.py puts {found['page']} into {path.name}"


# ---- the history of counts


def counts(number, counter="callgrind"):
    return {"machine": "a machine", "compiler": "a compiler", "counter": counter,
            "workloads": {name: {"instructions": number, "ratio": 2.0, "spread": 0.01} for name in quick.NAMES}}


def test_counts_are_kept_by_commit_and_counter(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    path = tmp_path / "history.json"
    for commit, found in (("aaa", counts(100.0)), ("bbb", counts(110.0)), ("bbb", counts(90.0, "perf stat")),
                          ("bbb", counts(105.0))):
        monkeypatch.setattr(machine, "commit", lambda commit=commit: commit)
        quick.record(found, path)
    rows = json.loads(path.read_text())
    assert [(row["commit"], row["counter"], row["instructions"]["tiny-32"]) for row in rows] == [
        ("aaa", "callgrind", 100.0), ("bbb", "perf stat", 90.0), ("bbb", "callgrind", 105.0)]
    assert all(row["machine"] == "a machine" and row["compiler"] and row["date"] for row in rows)
    assert (tmp_path / "history.png").stat().st_size > 1000


@pytest.mark.parametrize("commit, counter", [("aaa and changes", "callgrind"), (None, "callgrind"), ("aaa", None)])
def test_a_history_has_counts_of_commits_alone(commit, counter, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "commit", lambda: commit)
    with pytest.raises(SystemExit, match="a history has counts of commits"):
        quick.record(counts(1.0, counter), tmp_path / "history.json")
    assert not (tmp_path / "history.json").exists()


def test_the_history_that_is_here_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from lib import charts

    rows = json.loads(quick.HISTORY.read_text())
    assert all(set(row["instructions"]) == set(quick.NAMES) for row in rows)
    (tmp_path / "history.json").write_text(json.dumps(rows))
    charts.history(tmp_path)
