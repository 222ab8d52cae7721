"""The benchmarks' own parts: workloads that can be built, contestants that compute the same, a proof that notices when not."""
import pathlib
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent.parent / "benchmarks"
if not HERE.is_dir():
    pytest.skip("benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(HERE))

import machine  # noqa: E402
import prove  # noqa: E402
import report  # noqa: E402
import timing  # noqa: E402
from contestants import TABLE, TRAINING, contestant  # noqa: E402
from subjects import Subject  # noqa: E402
from workloads import WORKLOADS, Workload  # noqa: E402

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
    assert max(prove.distances(name, dtype, ours, theirs)) <= prove.TOLERANCE[dtype]


@pytest.mark.parametrize("name", [n for n in TRAINING if n not in ("fastmlp", "numpy", "pytorch compiled")])
def test_a_peer_that_is_installed_computes_the_same(name):
    try:
        contestant(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    ours, theirs = (prove.trained(Here(who, "float64", 1), "tiny-32") for who in ("fastmlp", name))
    assert max(prove.distances("tiny-32", "float64", ours, theirs)) <= prove.TOLERANCE["float64"]


def test_the_proof_notices_a_different_step():
    ours = prove.trained(Here("fastmlp", "float64", 1), "tiny-32")
    other = Here("numpy", "float64", 1)
    other.open("tiny-32", {"rows": 176}, {"shuffle": False, "eps": 1e-6})
    assert max(prove.distances("tiny-32", "float64", ours, other.train(prove.EPOCHS))) > prove.TOLERANCE["float64"]


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


def test_rounds_are_interleaved(monkeypatch):
    monkeypatch.setattr(timing.machine, "undivided", lambda near: True)
    order = []
    figures = timing.interleaved({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, 3, pause=0)
    assert order == list("ababab") and figures == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_spread_and_units():
    assert timing.spread([1.0, 2.0, 3.0]) == 0.25
    assert report.duration([2e-6] * 3) == "2.00 us ±0%"
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
    figures = iter([1, 2, 3])
    assert timing.undisturbed(lambda: next(figures), 3) == 3
