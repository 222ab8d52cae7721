"""Sphinx: make docs. The API reference is written here, from what the package says is public."""
import inspect
import shutil
import sys
from pathlib import Path

import fastmlp

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import api_pages  # noqa: E402
import docstrings  # noqa: E402

project, author, copyright = "fastmlp", "fastmlp developers", "the fastmlp developers"
version = release = fastmlp.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_parser", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "TESTING.md"]  # the latter is for work on the sources, with CONTRIBUTING.md
sphinx_gallery_conf = {
    "examples_dirs": str(DOCS.parent / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "within_subsection_order": "ExampleTitleSortKey",
    "abort_on_example_error": True,
    "show_memory": False,
    "write_computation_times": False,
}
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False, "show_toc_level": 2}
html_show_sourcelink = False
myst_heading_anchors = 3
linkcheck_ignore = [r"https://(github\.com/OWNER|OWNER\.github\.io)/"]  # until there is an owner's name
myst_enable_extensions = ["colon_fence"]
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
smartquotes = False


def process_docstring(app, what, name, obj, options, lines):
    lines[:] = docstrings.to_rst(inspect.cleandoc("\n".join(lines)).split("\n"))
    example = api_pages.example(name)
    if example:
        lines += ["", ".. rubric:: Example", "", *example, ""]


def copy_results():
    """The pages of benchmarks/results, with their pictures, into the documentation."""
    shutil.copytree(DOCS.parent / "benchmarks" / "results", DOCS / "results", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("*.json"))


def setup(app):
    api_pages.write(DOCS / "api")
    copy_results()
    app.connect("autodoc-process-docstring", process_docstring)
