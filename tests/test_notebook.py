"""What a notebook shows: it is executed, and its outputs are looked at."""
import re

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
pytest.importorskip("ipywidgets")

CELLS = [
    "import numpy as np; from fastmlp import MLP; X, y = np.random.default_rng(0).standard_normal((2, 50, 3))",
    "net = MLP([3, 8, 3], random_state=0); history = net.fit(X, y, epochs=3, verbose=1)",
    "net.fit(X, y, epochs=2)",
    "net",
    "net.summary()",
]


@pytest.fixture(scope="module")
def notebook():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


@pytest.fixture(scope="module")
def outputs(notebook):
    return [cell["outputs"] for cell in notebook["cells"]]


@pytest.mark.slow
def test_a_bar_and_no_lines(notebook, outputs):
    shown, = outputs[1]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    state, = notebook["metadata"]["widgets"].values()
    texts = [model["state"].get("value", "") for model in state["state"].values()]
    assert any(re.search(r"3/3\s\[.*loss=", str(text)) for text in texts)


@pytest.mark.slow
def test_a_fit_in_the_last_line_prints_one(outputs):
    shown, = outputs[2]
    assert shown["data"]["text/plain"].startswith("History(2 epochs: loss ") and "\n" not in shown["data"]["text/plain"]
    assert shown["data"]["text/html"].startswith("<div>History(2 epochs: loss ")


@pytest.mark.slow
def test_a_network_is_a_table(outputs):
    assert "<table>" in outputs[3][0]["data"]["text/html"]
    assert outputs[4][0]["data"]["text/html"] == outputs[3][0]["data"]["text/html"]
