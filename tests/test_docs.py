"""The documentation: each public name is on one page of the API reference, docstrings are read as they are meant, and
the whole builds without warnings."""
import doctest
import importlib
import pathlib
import subprocess
import sys
import tomllib

import pytest

import fastmlp
import sources
from fastmlp import _lazy

DOCS = sources.ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not here", allow_module_level=True)


@pytest.fixture(autouse=True)
def docs_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))


def test_every_public_name_is_on_one_page():
    import api_pages

    names = [f"{module}.{name}" for _, _, listed, module in api_pages.PAGES.values() for name in listed]
    assert len(names) == len(set(names))
    wanted = {f"fastmlp.{name}" for name in fastmlp.__all__ if name not in api_pages.MODULES}
    for module in (fastmlp.schedules, fastmlp.sensitivity, fastmlp.export, fastmlp.distributed, fastmlp.data):
        wanted |= {f"{module.__name__}.{name}" for name in module.__all__}
    metrics = {f"fastmlp.metrics.{name}" for name in fastmlp.metrics.METRICS}
    assert set(names) == wanted | metrics
    assert set(api_pages.MODULES) <= {*_lazy.MODULES, "callbacks", "metrics"}


def test_every_public_name_has_a_docstring():
    import api_pages

    for _, _, listed, module in api_pages.PAGES.values():
        for name in listed:
            thing = getattr(sys.modules[module], name, None) or getattr(fastmlp, name)
            assert (thing.__doc__ or "").strip(), name


@pytest.mark.parametrize("text, expected", [
    ("Adds a*b to |x|.", ["Adds a\\*b to \\|x\\|.", ""]),
    ("Of `params` and coefs_.", ["Of ``params`` and coefs\\_.", ""]),
    ("X : (n, d).\n    More of it.\ny : (n,).", ["", "- **X** : (n, d).", "  More of it.", "- **y** : (n,).", ""]),
    ("W, b : arrays.", ["", "- **W, b** : arrays.", ""]),
    ("Parameters\n----------\nlr: a rate.", [".. rubric:: Parameters", "", "", "- **lr** : a rate.", ""]),
    (">>> 1 + 1\n2", [">>> 1 + 1", "2", ""]),
    ("Errors: none.", ["Errors: none.", ""]),
    ("As\n\n    a picture", ["As", "", "::", "", "    a picture", ""])])
def test_docstrings(text, expected):
    import docstrings

    assert docstrings.to_rst(text.split("\n")) == expected


PACKAGE = pathlib.Path(fastmlp.__file__).parent
WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_examples_in_docstrings(path):
    pytest.importorskip("sklearn")
    name = ".".join(("fastmlp", *path.relative_to(PACKAGE).with_suffix("").parts))
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def names_with_examples():
    sys.path.insert(0, str(DOCS))
    import api_pages

    sys.path.remove(str(DOCS))
    return [pytest.param(module, name, *api_pages.examples(page).get(name, ("", ())), id=f"{page}-{name}")
            for page, (_, _, names, module) in api_pages.PAGES.items() for name in names]


@pytest.mark.parametrize("module, name, needs, lines", names_with_examples())
def test_each_public_name_has_an_example_that_runs(module, name, needs, lines, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if needs:
        pytest.importorskip(needs)
    here = ">>>" in (getattr(importlib.import_module(module), name).__doc__ or "")
    assert here != bool(lines)      # in the docstring, whose examples run above, or in docs/api_examples
    example = doctest.DocTestParser().get_doctest("\n".join([*lines, ""]), {}, name, None, 0)
    failed, _ = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(example)
    assert not failed


def test_drawings_are_what_their_code_draws():
    import drawings

    assert drawings.DRAWINGS
    for name, drawn in drawings.DRAWINGS.items():
        assert (DOCS / name).read_text() == drawn(), "python docs/drawings.py"


@pytest.mark.slow
def test_it_builds_without_warnings(tmp_path):
    for package in ("sphinx", "sphinx_gallery", "pydata_sphinx_theme", "myst_parser", "palmerpenguins"):
        pytest.importorskip(package)
    command = [sys.executable, "-P", "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "MLPClassifier" in (tmp_path / "api" / "estimators.html").read_text()
    assert "sphx_glr_plot_attacks_001.png" in (tmp_path / "gallery" / "plot_attacks.html").read_text()


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor", "MLPAutoencoder", "TabularClassifier",
                                  "TabularRegressor"])
def test_pictures_of_estimators_link_to_their_documentation(name):
    pytest.importorskip("sklearn")
    import api_pages

    kind = getattr(fastmlp, name)
    assert name in api_pages.PAGES["estimators"][2]
    address = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["project"]["urls"]["Documentation"]
    assert f'href="{address}/api/estimators.html#fastmlp.{name}"' in kind()._repr_html_()
    assert type("Mine", (kind,), {"__module__": "mine"})()._get_doc_link() == ""
