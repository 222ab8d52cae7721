"""What summary, repr and show_config say."""
import copy
import dataclasses
import pickle
import platform
import re
from html import escape
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy

import fastmlp
from export_cases import KINDS
from fastmlp import MLP, Dense, Dropout


def table(net):
    """(first line, rows by column's name, last line) of a summary."""
    first, head, _, *rows, last = net.summary().splitlines()
    names = re.split(r"\s{2,}", head.strip())
    starts = [head.index(name) for name in names[:5]]  # columns of text begin where their names do
    cells = [[row[a:b].strip() for a, b in zip(starts, [*starts[1:], None])] for row in rows]
    # those of numbers, and W before them, are words
    return first, [dict(zip(names, [*c[:4], *(c[4].split() if len(c[4].split()) == 3 else ["", *c[4].split()])]))
                   for c in cells], last


def test_summary():
    first, rows, last = table(MLP([4, Dense(800, ("elu", 0.5)), Dropout(0.25), Dense(30, "tanh", bias=False), 2],
                                  loss="cross_entropy"))
    assert "4 inputs" in first and "cross_entropy" in first and "float32" in first
    assert rows == [
        {"layer": "1", "kind": "dense", "units": "800", "activation": "elu(0.5)", "W": "4x800", "parameters": "4,000",
         "flops/row": "6,400"},
        {"layer": "2", "kind": "Dropout(rate=0.25)", "units": "800", "activation": "", "W": "", "parameters": "0",
         "flops/row": "800"},
        {"layer": "3", "kind": "dense", "units": "30", "activation": "tanh", "W": "800x30", "parameters": "24,000",
         "flops/row": "48,000"},
        {"layer": "4", "kind": "dense", "units": "2", "activation": "identity", "W": "30x2", "parameters": "62",
         "flops/row": "120"}]
    # 4 x 800 + 800 and 800 x 30 and 30 x 2 + 2 weights, of 4 bytes
    assert re.match(r"28,062 parameters, 112,248 bytes; 55,320 floating point operations", last)


@pytest.mark.parametrize("dtype, size", [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize("sizes", [[1, 1], [3, 5, 2], [64, 100, 10], [700, 3, 1]])
def test_sums(sizes, dtype, size):
    net = MLP(sizes, dtype=dtype)
    _, rows, last = table(net)
    n = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", last)]
    assert numbers == [n, n * size, 2 * sum(a * b for a, b in zip(sizes, sizes[1:]))]
    assert sum(int(row["parameters"].replace(",", "")) for row in rows) == n == net.n_params


def test_html():
    """The table of summary, cell by cell, and what comes before and after it."""
    net = MLP([4, Dense(8, ("elu", 0.5)), Dropout(0.25), 2], loss=("huber", 0.5))
    html = net._repr_html_()
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]
    first, head, _, *rows, last = net.summary().split("\n")
    assert [" ".join(row).split() for row in cells] == [line.split() for line in (head, *rows)]
    assert escape(first) in html and escape(last) in html
    ElementTree.fromstring(html)  # well-formed
    nasty = MLP([2, 1], loss=type("<b>", (), {"__call__": lambda self, x, y: None, "__repr__": lambda self: "<b>"})())
    assert "<b>" not in nasty._repr_html_() and "&lt;b&gt;" in nasty._repr_html_()


def test_a_summary_in_a_notebook_is_the_networks_table():
    net = MLP([4, Dense(8, "tanh"), 2])
    summary = net.summary()
    assert isinstance(summary, str) and summary._repr_html_() == net._repr_html_()
    for twin in (copy.deepcopy(summary), pickle.loads(pickle.dumps(summary))):
        assert twin == summary and twin._repr_html_() == summary._repr_html_()


def test_repr():
    net = MLP([4, Dense(8, ("elu", 0.5)), Dropout(0.25), 3, 2], activation="tanh", loss=("huber", 0.5), dtype="float64")
    assert repr(net) == ("MLP([4, 8 elu(0.5), Dropout(rate=0.25), 3 tanh, 2 identity], loss=('huber', 0.5), "
                         "dtype='float64', n_params=75)")  # 40 + 27 + 8
    assert repr(MLP([1, 1])).startswith("MLP([1, 1 identity], loss='squared_error', dtype='float32'")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "lr_scale" in kind.__dataclass_fields__],
                         ids=lambda kind: kind.__name__)
def test_factors_of_its_own_are_shown(kind):
    plain = MLP(KINDS[kind])
    l = next(l for l, layer in enumerate(plain.layers) if type(layer) is kind)
    spec = dataclasses.replace(plain.layers[l], lr_scale=0.375)
    shape = plain.shapes[0] if len(plain.shapes[0]) > 1 else plain.d[0]
    net = MLP([shape, *plain.layers[:l], spec, *plain.layers[l + 1:]])
    assert repr(net).count("lr_scale=0.375") == 1 and "lr_scale=0.375" not in repr(plain)
    assert net.W[l + 1] is None and net.b[l + 1] is None or "(lr_scale=0.375)" in net.summary()


def test_an_activation_of_no_number_is_an_error():
    with pytest.raises(TypeError, match="number"):
        MLP([2, Dense(3, ("elu", None)), 1])


def test_show_config(capsys):
    assert fastmlp.show_config() is None
    lines = dict(re.split(r"\s+", line, maxsplit=1)
                 for line in capsys.readouterr().out.replace("instruction set", "isa").splitlines())
    assert lines["fastmlp"] == fastmlp.__version__
    assert lines["numpy"] == np.__version__ and lines["scipy"] == scipy.__version__
    assert lines["python"] == platform.python_version() and platform.machine() in lines["platform"]
    assert lines["isa"].startswith(fastmlp.instruction_set()) and "generic" in lines["isa"]
    assert int(lines["cores"]) >= 1 and lines["compiler"]
