"""The Python in README.md and in docs/: each page's blocks are one script that runs, in order, and prints what its
comments say."""
import os
import re
import subprocess
import sys

import pytest

import pages
import sources

PAGES = [sources.ROOT / "README.md", *sorted((sources.ROOT / "docs").rglob("*.md"))]


def of_page(path):
    """Packages that few pages import."""
    return [package for package in ("onnxruntime",) if f"import {package}" in path.read_text()]


@pytest.mark.parametrize("path", [path for path in PAGES if pages.blocks(path.read_text())],
                         ids=lambda path: str(path.relative_to(sources.ROOT)))
def test_a_page_runs(path, tmp_path):
    for package in ("sklearn", "matplotlib", "pandas", "threadpoolctl", "onnx", *of_page(path)):
        pytest.importorskip(package)
    done = subprocess.run([sys.executable, "-P", pages.__file__, path], cwd=tmp_path, text=True, capture_output=True,
                          env={**os.environ, "MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stderr


READ = [*PAGES, *(sources.ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md",
                                                   "benchmarks/README.md"))]


def anchors(path):
    """The anchors of the titles of a page, as GitHub and the documentation make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(sources.ROOT)))
def test_links_lead_somewhere(path, monkeypatch):
    monkeypatch.syspath_prepend(str(sources.ROOT / "docs"))
    import api_pages

    written = {sources.ROOT / "docs" / "api" / f"{name}.rst" for name in api_pages.PAGES}  # by make docs
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if target not in written and not target.exists() or anchor and anchor not in anchors(target):
                lost.append(link)
    assert not lost


# ---- what runs the pages


@pytest.mark.parametrize("printed, comment", [
    ("0.9731", "0.97"), ("0.9731", "0.97, the accuracy"), ("[2 8 2]", "[2 8 2]"), ("1.25e-07", "1.3e-07"),
    ("-0.5", "-0.50"), ("a long text", "a long ..."), ("[[0.12 3.0]]", "[[0.1 3.0]] of x"), ("True", "True")])
def test_comments_that_agree(printed, comment):
    assert pages.agrees(printed, comment)


@pytest.mark.parametrize("printed, comment", [
    ("0.9731", "0.95"), ("0.9731", ""), ("[2 8 2]", "[2 8 3]"), ("12", "13"), ("[1 2]", "[1"), ("True", "False"),
    ("0.9731", "the accuracy: 0.97"), ("-0.5", "0.5")])
def test_comments_that_do_not(printed, comment):
    assert not pages.agrees(printed, comment)


PAGE = """# A page

```python
a = 1
print(a)    # 1
```

Text.

```python
print(a + 1,
      "and")  # 2 and
for i in range(2):
    print(i)
# 0
# 1
```

```sh
not python
```
"""


def test_a_page_that_says_what_it_prints(tmp_path):
    (tmp_path / "page.md").write_text(PAGE)
    pages.run(tmp_path / "page.md")


@pytest.mark.parametrize("old, new, error, line", [
    ("# 1\n", "# 2\n", pages.NotAsPrinted, 5), ("# 2 and", "# 3 and", pages.NotAsPrinted, 11),
    ("# 0\n# 1\n", "", pages.NotAsPrinted, 13), ("a + 1", "b + 1", NameError, 11)])
def test_a_page_that_does_not(old, new, error, line, tmp_path):
    (tmp_path / "page.md").write_text(PAGE.replace(old, new, 1))
    with pytest.raises(error) as caught:
        pages.run(tmp_path / "page.md")
    assert f"line {line}" in str(caught.value) or f"line {line}" in str(caught.traceback[-1].path)
