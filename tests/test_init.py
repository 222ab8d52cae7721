"""Where weights begin: the variances of Glorot and Bengio 2010, He et al. 2015, LeCun et al. 1998; and what is the
default."""
import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, AdamW, Conv2D, Dense, schedules
from fastmlp.initializers import INITIALIZERS

VARIANCE = {"glorot": lambda n_in, n_out: 2 / (n_in + n_out), "he": lambda n_in, n_out: 2 / n_in,
            "lecun": lambda n_in, n_out: 1 / n_in}


def check(W, name, n_in, n_out):
    variance, draw = name.split("_")
    wanted = VARIANCE[variance](n_in, n_out)
    assert np.var(W) == pytest.approx(wanted, rel=0.02) and abs(np.mean(W)) < 0.02 * np.sqrt(wanted)
    fourth = np.mean((W / np.std(W)) ** 4)  # 9/5 of a uniform distribution, 3 of a normal one
    assert fourth == pytest.approx({"uniform": 1.8, "normal": 3.0}[draw], rel=0.05)


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_variances(name):
    net = MLP([400, Dense(200, init=name), 1], random_state=0)
    check(net.W[1], name, 400, 200)
    assert (net.b[1] == 0).all()
    kernel = MLP([(8, 8, 50), Conv2D(80, 5, init=name), 1], random_state=0).W[1]
    check(kernel, name, 25 * 50, 25 * 80)


def test_defaults():
    """Of the papers, and of other libraries; glorot_uniform where nothing is said."""
    check(MLP([400, 300], random_state=0).W[1], "glorot_uniform", 400, 300)
    assert (MLP([4, Dense(3, init="zeros")]).W[1] == 0).all()
    for spec, wanted in ((Adam(), (0.001, 0.9, 0.999, 1e-8, 0.0)), (AdamW(), (0.001, 0.9, 0.999, 1e-8, 0.01)),
                         (SGD(), (0.01, 0.0, 0.0, 0.0, 0.0))):
        step = spec.at_rate(spec.lr)
        assert (step.lr, step.beta1, step.beta2, step.eps) == wanted[:4]
        assert getattr(spec, "weight_decay", 0.0) == wanted[4]
    cycle = schedules.OneCycle(1.0, 101)
    assert [cycle(0), cycle(30), cycle(100)] == pytest.approx([1 / 25, 1.0, 1e-4])
