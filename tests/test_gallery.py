"""The gallery's examples: each runs, in seconds and without warnings, and draws something that is not empty."""
import runpy
import warnings

import pytest

import sources

SCRIPTS = sorted((sources.ROOT / "examples" / "gallery").glob("*.py"))
for package in ("sklearn", "matplotlib", "pandas", "narwhals", "palmerpenguins"):
    pytest.importorskip(package)

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402


@pytest.fixture
def figures(monkeypatch):
    """Matplotlib's, drawn in memory."""
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    plt.close("all")
    yield lambda: [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")


def test_there_are_some():
    assert len(SCRIPTS) >= 10 and all(path.name.startswith("plot_") for path in SCRIPTS)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example(path, figures, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        runpy.run_path(str(path), run_name="__main__")
    drawn = figures()
    assert drawn
    for figure in drawn:
        figure.canvas.draw()
        assert len(np.unique(np.asarray(figure.canvas.buffer_rgba()).reshape(-1, 4), axis=0)) > 10
