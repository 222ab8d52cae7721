"""CONTRIBUTING.md's tables name each file of the package."""
import re

import pytest

import sources

TEXT = (sources.ROOT / "CONTRIBUTING.md").read_text()
TABLES = TEXT[TEXT.index("## Three levels"):TEXT.index("## Words")]
# <isa>.inc, <isa>_f32.c and the like stand for those of each instruction set
OF_AN_ISA = re.compile(r"(generic|avx2|avx512|neon)(\.inc|_f\d\d\.c)")
PACKAGE = sources.ROOT / "fastmlp"


def belongs(path):
    """Whether a table should name it: sources, but for the C that Cython makes of them, and what goes by its folder."""
    generated = path.suffix == ".c" and path.with_suffix(".pyx").exists()
    return not (path.name == "__init__.py" or generated or OF_AN_ISA.fullmatch(path.name)
                or path.parent == PACKAGE / "export" / "c")


FILES = sorted(path for ending in ("py", "pyx", "pxi", "h", "inc", "c") for path in PACKAGE.rglob(f"*.{ending}")
               if belongs(path))


def named(path):
    """Whether a table has the file, of kernels perhaps without its ending."""
    names = [path.name, path.stem] if path.suffix == ".inc" else [path.name]
    return any(re.search(rf"[`/]{re.escape(name)}`", TABLES) for name in names)


def test_the_tables_have_all_files():
    assert [str(path.relative_to(PACKAGE)) for path in FILES if not named(path)] == []


@pytest.mark.parametrize("name", ["_engine/no.pxi", "_fit/no.py", "kernels/no.inc"])
def test_a_file_that_is_not_there_is_missed(name):
    assert not named(PACKAGE / name)


def test_the_files_in_which_the_owners_name_is_missing():
    """pyproject.toml lists them, in the comment above the addresses."""
    comment = re.search(r"# PLACEHOLDER.*?\n(?!#)", (sources.ROOT / "pyproject.toml").read_text(), re.DOTALL).group()
    listed = {"pyproject.toml", *re.findall(r"[\w/]+\.(?:cff|md|py|toml)", comment)}
    places = [sources.ROOT / name for name in ("docs", "fastmlp", "benchmarks", "examples", ".github")]
    files = [path for place in places for path in place.rglob("*.*")] + [*sources.ROOT.glob("*.*")]
    text = {path: path.read_text() for path in files if path.suffix in (".md", ".py", ".toml", ".cff", ".yml")}
    found = {str(path.relative_to(sources.ROOT)) for path, content in text.items()
             if re.search(r"https://(github\.com/OWNER|OWNER\.github\.io)", content)}
    assert found == listed
