"""The monitor that callbacks and estimators share: better or worse, waiting, and the best weights."""
import math
from types import SimpleNamespace

import pytest

from fastmlp._monitor import Monitor

pytest.importorskip("sklearn")
from fastmlp.estimators._watched import Patience  # noqa: E402

NAN = math.nan
both = pytest.mark.parametrize("kind", [Monitor, Patience])
ways = pytest.mark.parametrize("larger", [False, True], ids=["less is better", "more is better"])


def watch(monitor, numbers):
    """(best number, epochs waited, whether it was the best) after each of some numbers, of which less is better."""
    seen = []
    for number in numbers:
        is_best = monitor.look(-number if monitor.sign < 0 else number, lambda: f"weights of {number}")
        seen.append((abs(monitor.best), monitor.waited, is_best))
    return seen


@both
@ways
def test_without_a_least_gain(kind, larger):
    monitor = kind("loss", larger)
    assert monitor.best == (-math.inf if larger else math.inf)
    seen = watch(monitor, [3, 2, 2.5, 2.5, 1])
    assert seen == [(3, 0, True), (2, 0, True), (2, 1, False), (2, 2, False), (1, 0, True)]
    assert monitor.best_weights == "weights of 1"


@ways
def test_a_least_gain_of_callbacks(larger):
    """It counts from the last number that gained as much."""
    seen = watch(Monitor("loss", larger, 0.5), [3, 2.75, 2.5, 2.25])
    assert seen == [(3, 0, True), (3, 1, False), (3, 2, False), (2.25, 0, True)]


@ways
def test_a_least_gain_of_scikit_learn(larger):
    """It counts from the best number, and a gain of just that much is enough."""
    seen = watch(Patience("loss", larger, 0.5), [3, 2.75, 2.5, 2, 2])
    assert seen == [(3, 0, True), (2.75, 1, True), (2.5, 2, True), (2, 0, True), (2, 1, False)]


def test_what_is_no_number():
    assert [waited for _, waited, _ in watch(Monitor("loss", False), [2, NAN, NAN, 1])] == [0, 1, 2, 0]
    as_in_scikit_learn = watch(Patience("loss", False), [2, 3, NAN, 3])
    assert [waited for _, waited, _ in as_in_scikit_learn] == [0, 1, 0, 1]


def test_weights_are_asked_for_where_they_are_the_best_only():
    network = SimpleNamespace(learned="the last")
    monitor, net, asked = Monitor("loss", False), SimpleNamespace(_network=network), []
    monitor.restore(net)
    assert network.learned == "the last"
    for number in (2, 3, 1, 4):
        monitor.look(number, lambda: asked.append(number) or f"of {number}")
    monitor.restore(net)
    assert asked == [2, 1] and network.learned == "of 1"
