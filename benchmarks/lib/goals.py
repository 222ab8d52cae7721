"""Pages of what training comes to: a line a network, and what was wanted against what was measured."""
from . import machine
from .tables import grouped, number, page, peers, rate, share_in_words, table, threads_in_words
from .workloads import WORKLOADS

# float32, all threads: (what, how much); what is a contestant's name or "best", for times its speed, or "peak", for a
# share of the cores'
GOALS = {
    "xor-online": [("jax", 4)],
    "tiny-32": [("jax", 8), ("jax", 10), ("scikit-learn", 50)],
    "housing-32": [("jax", 4)],
    "housing-200": [("jax", 5), ("peak", 0.6)],
    "digits-200": [("jax", 4.5)],
    "mnist-100": [("best", 2)],
    "mnist-512": [("best", 2.3), ("peak", 0.75)],
    "wide": [("best", 2.4), ("peak", 0.7), ("peak", 0.75)],
    "lenet-5": [("best", 7), ("rows/s", 100_000)],
}
GOALS_PEAK = 265  # GFLOP/s of a core of the machine that the goals were set on
SPEED_UP = {"mnist-100": 1.8, "mnist-512": 1.8, "wide": 1.8, "lenet-5": 1.8}  # all threads over one
SUMMARY = {"NumPy": ["numpy"], "scikit-learn": ["scikit-learn"], "PyTorch": ["pytorch", "pytorch compiled"],
           "JAX": ["jax"]}


def measured(found, threads):
    """{workload: {contestant: row}} of what was timed in float32"""
    return grouped(found["rows"]).get(("float32", threads), {})


def most_threads(found):
    return max(row["threads"] for row in found["rows"])


def times_as_fast(by_name, names):
    """(How many times the fastest of them fastmlp's speed is, its name), or None where none could."""
    able = [name for name in names if "rates" in by_name.get(name, {})]
    fastest = max(able, key=lambda name: rate(by_name[name]), default=None)
    return fastest and (rate(by_name["fastmlp"]) / rate(by_name[fastest]), fastest)


def in_words(name):
    """A network's sizes."""
    w = WORKLOADS[name]
    return f"{name if w.convs else '-'.join(map(str, w.sizes))}, batch {w.batch}"


def summary(found):
    threads, info, lines = most_threads(found), found["info"], []
    for item, by_name in measured(found, threads).items():
        against = [times_as_fast(by_name, names) for names in SUMMARY.values()]
        lines.append([in_words(item), number(rate(by_name["fastmlp"])),
                      *(f"{number(pair[0])}x" if pair else "-" for pair in against)])
    return "\n\n".join(["# Training against its peers", table(["network", "rows/s", *SUMMARY], lines),
                        f"Training with Adam in float32, {threads_in_words(threads)}: fastmlp's rows a second, and how "
                        f"many times as fast it is as each peer at the best of its settings, PyTorch eager or "
                        f"compiled. {machine.in_words(info)} `make bench`"])


def goal_in_words(what, much):
    forms = {"peak": f"{much:.0%} of the peak", "rows/s": f"{much:,} rows/s on cores of {GOALS_PEAK} GFLOP/s",
             "best": f"{much:g}x the best"}
    return forms.get(what, f"{much:g}x {what}")


def against(what, by_name, info):
    """What there is to hold against a goal, or None where the table has it, or nothing was measured."""
    if what == "peak":
        return None
    if what == "rows/s":
        here, peak = rate(by_name["fastmlp"]), info["peak of a core, GFLOP/s"]["float32"]
        scaled = f", {number(here * GOALS_PEAK / peak)} scaled to {GOALS_PEAK} GFLOP/s" if peak else ""
        return f"{number(here)} rows/s{scaled}"
    pair = times_as_fast(by_name, peers(by_name.values()) if what == "best" else [what])
    return pair and f"{number(pair[0])}x {pair[1]}"


def goals(found):
    threads, info = most_threads(found), found["info"]
    one, all_of_them = (measured(found, n) for n in (1, threads))
    lines, faster = [], []
    for item, by_name in all_of_them.items():
        wanted = GOALS[item]
        # once what two goals ask for
        said = dict.fromkeys(filter(None, (against(what, by_name, info) for what, _ in wanted)))
        shares = [share_in_words(rows[item]["fastmlp"], info) if item in rows else "-" for rows in (one, all_of_them)]
        lines.append([item, "; ".join(goal_in_words(*goal) for goal in wanted), "; ".join(said), *shares])
        if item in SPEED_UP and item in one and threads > 1:
            faster.append([item, SPEED_UP[item], number(rate(by_name["fastmlp"]) / rate(one[item]["fastmlp"]))])
    parts = [table(["workload", "goal", "measured", "of FMA peak, 1 thread",
                    f"of FMA peak, {threads_in_words(threads)}"], lines)]
    if faster:
        parts += [f"The speed of {threads_in_words(threads)} over that of one:",
                  table(["workload", "goal", "measured"], faster)]
    return page("Training against its goals", info,
                f"Float32, {threads_in_words(threads)}; the goals were set on a machine with {GOALS_PEAK} "
                "GFLOP/s a core. `python benchmarks/run/bench.py`", *parts)
