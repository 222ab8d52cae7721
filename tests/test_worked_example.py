"""The worked example of the notes: d = (2, 2, 1), no biases, tanh units, e = (x1(2) - y)^2, every number by hand."""
import numpy as np
import pytest

from fastmlp import MLP, SGD, Dense

W1 = [[0.5, -0.25],  # w11(1) w12(1)
      [0.75, 1.0]]   # w21(1) w22(1)
W2 = [[2.0],         # w11(2)
      [-1.0]]        # w21(2)
X, Y = [[1.0, 2.0]], [0.5]


@pytest.fixture(params=["float32", "float64"])
def example(request):
    """The network, what back propagation gives, and a comparison to the dtype's precision."""
    net = MLP([2, Dense(2, "tanh", bias=False, init=W1), Dense(1, "tanh", bias=False, init=W2)], dtype=request.param)
    tolerance = 1e-13 if request.param == "float64" else 1e-6
    return net, net.backprop(X, Y), lambda a: pytest.approx(np.array(a), rel=0, abs=tolerance)


def test_forward(example):
    _, run, near = example
    assert run.s[1] == near([[0.5 * 1 + 0.75 * 2, -0.25 * 1 + 1 * 2]])              # 2, 1.75
    assert run.x[1] == near([[0.96402758007581688, 0.94137553849728736]])           # tanh 2, tanh 1.75
    assert run.s[2] == near([[2 * 0.96402758007581688 - 1 * 0.94137553849728736]])  # 0.98667962165434640
    assert run.x[2] == near([[0.75594294307695140]])                                # tanh 0.98667962165434640
    assert run.loss == near((0.75594294307695140 - 0.5) ** 2)                       # 0.06550679011089158


def test_delta(example):
    _, run, near = example
    # delta1(2) = 2 (x1(2) - y) theta'(s1(2)), theta' = 1 - x^2: 2 * 0.25594294307695140 * 0.42855026681215701
    delta2 = 0.21936883308863248
    assert 2 * (0.75594294307695140 - 0.5) * (1 - 0.75594294307695140**2) == pytest.approx(delta2, rel=1e-14)
    assert run.delta[2] == near([[delta2]])
    # delta1(1) = theta'(s1(1)) delta1(2) w11(2), delta2(1) = theta'(s2(1)) delta1(2) w21(2)
    assert run.delta[1] == near([[(1 - 0.96402758007581688**2) * delta2 * 2,
                                  (1 - 0.94137553849728736**2) * delta2 * -1]])
    assert run.delta[1] == near([[0.030997178009576085, -0.024966826585362336]])


def test_gradient(example):
    _, run, near = example
    # de/dw11(2) = x1(1) delta1(2), de/dw21(2) = x2(1) delta1(2)
    assert run.dW[2] == near([[0.96402758007581688 * 0.21936883308863248], [0.94137553849728736 * 0.21936883308863248]])
    # de/dwij(1) = xi(0) deltaj(1)
    assert run.dW[1] == near([[1 * 0.030997178009576085, 1 * -0.024966826585362336],
                              [2 * 0.030997178009576085, 2 * -0.024966826585362336]])
    assert run.db[1:] == [None, None]


def test_input_gradient(example):
    _, run, near = example
    # de/dx1(0) = delta1(1) w11(1) + delta2(1) w12(1), de/dx2(0) = delta1(1) w21(1) + delta2(1) w22(1)
    assert run.dX == near([[0.030997178009576085 * 0.5 + 0.024966826585362336 * 0.25,
                            0.030997178009576085 * 0.75 - 0.024966826585362336 * 1]])


def test_one_step_of_descent(example):
    net, run, near = example
    net.fit(X, Y, SGD(0.1), epochs=1)
    assert net.W[2] == near([[2 - 0.1 * 0.96402758007581688 * 0.21936883308863248],
                             [-1 - 0.1 * 0.94137553849728736 * 0.21936883308863248]])
    assert net.W[1] == near([[0.5 - 0.1 * 0.030997178009576085, -0.25 + 0.1 * 0.024966826585362336],
                             [0.75 - 0.2 * 0.030997178009576085, 1 + 0.2 * 0.024966826585362336]])
