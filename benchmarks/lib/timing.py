"""How everything here is timed: in rounds, each of which times every contestant once, so that a noisy moment hits all
alike; then the median, and how far the middle half of the rounds lies apart."""
import statistics
import time

from . import machine

PAUSE = 0.1  # before each timing: threads that still spin after the last one go to sleep
PATIENCE, TRIES = 60, 5  # seconds before a timing, and timings that may be disturbed; the last counts as it is
patience = 300  # seconds that a run may still lose to what disturbs it; after them every timing counts as it is
disturbed = kept = 0  # timings that were and are taken again, or count all the same


def seconds(call, least=0.2):
    """Of one call; short ones are repeated for a while, in growing numbers so that the clock costs nothing."""
    calls = 1
    while True:
        began = time.perf_counter()
        for _ in range(calls):
            call()
        taken = time.perf_counter() - began
        if taken >= least:
            return taken / calls
        calls = max(2 * calls, int(1.1 * calls * least / max(taken, 1e-9))) if taken > least / 100 else 10 * calls


def undisturbed(measure, tries=TRIES, near=True):
    """What measure() returns, called when the cores are all there and near to each other, and again where they are not
    just after it. near: whether that matters, as it does to threads that work together."""
    global disturbed, kept, patience
    for left in reversed(range(tries)):
        began = time.monotonic()
        while not machine.undivided(near) and time.monotonic() - began < min(PATIENCE, patience):
            time.sleep(0.2)
        patience -= time.monotonic() - began
        began, figure = time.monotonic(), measure()
        if machine.undivided(near):
            break
        if not left or patience <= 0:
            kept += 1
            break
        patience -= time.monotonic() - began
        disturbed += 1
    return figure


def interleaved(measures, rounds, pause=PAUSE, near=True, tries=TRIES):
    """{name: call that returns a figure} -> {name: [a figure a round]}; near, tries: see undisturbed"""
    figures = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            time.sleep(pause)
            figures[name].append(undisturbed(measure, tries, near))
    return figures


def compare(calls, rounds, least=0.2):
    """{name: call} -> {name: [seconds a round]}"""
    return interleaved({name: lambda call=call: seconds(call, least) for name, call in calls.items()}, rounds)


def spread(values):
    """Half of what the middle half spans, relative to the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle
