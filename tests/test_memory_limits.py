"""Too little memory is an error that says so, wherever it runs out; the network is what it was, and computes on."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from fastmlp import MLP, BatchNorm, Conv2D, MLPRegressor, sensitivity, tie_transpose

if not os.path.exists("/proc/self/statm") or "san.so" in os.environ.get("LD_PRELOAD", ""):
    pytest.skip("needs a limit of the address space, which sanitizers do not go with", allow_module_level=True)
import resource

MEGABYTES = (0.5, 3, 10)  # beside what the process has: the calls fail at different places
RNG = np.random.default_rng(0)


def rows_of(net, n):
    """X and y of the network's type, which are used as they are."""
    return RNG.random((n, net.d[0]), net.dtype), RNG.random((n, net.d[-1]), net.dtype)


def calls(net, n, folder):
    """What needs far more than there is, of a network with so many rows, by name."""
    X, y = rows_of(net, n)
    path = os.path.join(folder, "net")
    net.save(path)
    return {
        "fit": lambda: net.fit(X, y, epochs=1, batch_size=None),
        "fit of integers": lambda: net.fit(X.astype(int), y.astype(int)),
        "fit, two threads": lambda: net.fit(X, y, epochs=1, batch_size=None, n_threads=2),
        "fit, held out": lambda: net.fit(X, y, epochs=1, validation_fraction=0.5, batch_size=n),
        "predict": lambda: net.predict(np.repeat(X, 20, axis=0)),
        "forward": lambda: net.forward(X),
        "backprop": lambda: net.backprop(X, y),
        "loss_and_grad": lambda: net.loss_and_grad(X, y),
        "hvp": lambda: net.hvp(np.ones(net.n_params), X, y),
        "jacobian": lambda: net.jacobian(X),
        "pgd": lambda: sensitivity.pgd(net, X, y, eps=0.1, max_iter=1),
        "load": lambda: [MLP.load(path) for _ in range(3)],
    }


# a network, and how many rows make its calls take far more than the largest of MEGABYTES
LARGE = {
    "wide": (lambda: MLP([200, 2000, 300], random_state=0), 10_000),
    "batch norm": (lambda: MLP([100, 200, BatchNorm(), 30], random_state=0), 20_000),
    "convolution": (lambda: MLP([(50, 50, 1), Conv2D(8, 5), 10], random_state=0, dtype="float64"), 900),
}
CONSTRUCTED = {
    "network": lambda: MLP([5000, 5000, 10]),
    "ties": lambda: MLP([3000, 1000, 3000], ties=[tie_transpose(1, 2)]),
    "estimator": lambda: MLPRegressor(hidden_layer_sizes=(3000, 3000)).fit(np.ones((5, 2)), np.arange(5.0)),
}


def limited(call, megabytes):
    """What the call raises with so much memory beside what there is now: the exception, or None."""
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (now + int(megabytes * 2**20), most))
    try:
        call()
    except Exception as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return None


def is_clear(error):
    """Whether an exception says that memory was short, and not that a file is damaged."""
    says_so = type(error) is MemoryError or "llocate" in str(error) or "memory" in str(error)
    return isinstance(error, (MemoryError, ValueError)) and says_so and "is not a network" not in str(error)


def use(name, folder):
    """Every call of a network at each limit: how many failed for want of memory, and the faults that were found."""
    make, n = LARGE[name]
    net, failed, faults = make(), 0, []
    X, y = rows_of(net, 20)
    np.linalg.eigvalsh(np.eye(300) @ np.eye(300))   # OpenBLAS takes its memory at first, or ends the process
    for call in calls(make(), 2, folder).values():  # what is imported or made at a first call is there
        call()
    net.fit(X, y, epochs=1)
    wanted, params = net.predict(X).tobytes(), net.params.tobytes()
    for what, call in calls(net, n, folder).items():
        for megabytes in MEGABYTES:
            error = limited(call, megabytes)
            failed += error is not None
            if error is not None and not is_clear(error):
                faults.append(f"{what}, {megabytes} MB: {error!r}")
            if error is None:
                net.params = np.frombuffer(params, net.dtype)
            elif net.params.tobytes() != params or net.predict(X).tobytes() != wanted:
                faults.append(f"{what}, {megabytes} MB: the network is another one")
    net.fit(X, y, epochs=2)
    return failed, faults


def construct():
    """The errors of everything that is too large to be made."""
    for make in (lambda: MLP([5, 5, 1]), lambda: MLPRegressor(hidden_layer_sizes=(3,), max_iter=1)):
        make()
    return [repr(error) for make in CONSTRUCTED.values() for error in [limited(make, 15)] if not is_clear(error)]


def run(*arguments):
    # glibc keeps 64 MB for each thread, in which it finds room where the limit leaves none
    done = subprocess.run([sys.executable, "-P", "-W", "ignore", __file__, *map(str, arguments)], capture_output=True,
                          text=True, env={**os.environ, "MALLOC_ARENA_MAX": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", LARGE)
def test_calls(name, tmp_path):
    failed, faults = run(name, tmp_path)
    assert faults == []
    assert failed > 18  # of 36


def test_what_is_made():
    assert run("construct") == []


if __name__ == "__main__":
    print(json.dumps(construct() if sys.argv[1] == "construct" else use(*sys.argv[1:])))
