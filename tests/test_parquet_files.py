"""Parquet files that are not what they should be: an error names the file, and numbers are never other numbers."""
import errno
import os

import numpy as np
import pytest

from fastmlp import MLP, data

pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

X = np.random.default_rng(0).standard_normal((200, 3))


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "a.parquet", X)
    return tmp_path / "a.parquet"


def write(path, X, **columns):
    found = {"u": X[:, 0], "v": X[:, 1], "y": X[:, 2]} | columns
    pq.write_table(pa.table({name: a for name, a in found.items() if a is not None}), path, row_group_size=50)


def use(path, columns=None):
    table = data.Parquet(path, "y", columns)
    MLP([table.X.shape[1], 1]).fit(table.X, table.y, window=50, epochs=1)


def test_cut_short_anywhere(path):
    whole = path.read_bytes()
    for length in (0, 1, 8, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:length])
        for asked in (path, path.parent):
            with pytest.raises(ValueError, match="must be a whole Parquet file") as caught:
                use(asked)
            assert str(path) in str(caught.value)


def test_changed_bits(path):
    """What no checksum finds may be other numbers; all else is an error of these kinds."""
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(100):
        changed = bytearray(whole)
        changed[rng.integers(len(whole) - 1500, len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            use(path)
        except (ValueError, TypeError):
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("how", ["cut short", "fewer rows", "other row groups", "removed"])
def test_changed_once_it_is_open(path, how):
    table, whole = data.Parquet(path, "y"), path.read_bytes()
    if how == "cut short":
        path.write_bytes(whole[:len(whole) // 2])
    elif how == "fewer rows":
        write(path, X[:120])
    elif how == "other row groups":
        pq.write_table(pa.table({"u": X[:, 0], "v": X[:, 1], "y": X[:, 2]}), path, row_group_size=100)
    else:
        path.unlink()
    error = FileNotFoundError if how == "removed" else ValueError
    with pytest.raises(error, match="a.parquet"):
        for begin in range(0, 200, 50):
            assert (table.X[begin:begin + 50] == X[begin:begin + 50, :2]).all()


def test_columns_that_are_of_other_types_in_other_files(path):
    """Whole numbers first, fractions then: all of them stay what they are."""
    write(path, X, u=np.arange(200))
    write(path.with_name("b.parquet"), X)
    table = data.Parquet(path.parent, "y", ["u"])
    assert table.X.dtype == np.float64
    assert (table.X[195:205][:, 0] == [*range(195, 200), *X[:5, 0]]).all()


@pytest.mark.parametrize("other, error, message", [
    (None, ValueError, "column 'u' must be in all files, it is not in '.*b.parquet'"),
    (["text"] * 200, TypeError, "column 'u' must be numbers, got string"),
    ([None, *range(199)], ValueError, "column 'u' must have no missing values")])
def test_columns_that_some_file_has_not(path, other, error, message):
    write(path.with_name("b.parquet"), X, u=other)
    with pytest.raises(error, match=message):
        use(path.parent, ["u", "v"])


@pytest.mark.parametrize("columns, target, message", [
    (["u", "u"], "y", "columns must be different columns, got"),
    (None, ["y", "y"], "target must be different columns, got"),
    (["u", "y"], "y", r"columns must be others than the target, got \['y'\]"),
    ([], "y", "columns must be at least one column")])
def test_columns_that_are_asked_for_twice(path, columns, target, message):
    with pytest.raises(ValueError, match=message):
        data.Parquet(path, target, columns)


def test_two_columns_of_one_name(path):
    pq.write_table(pa.table([X[:, 0], X[:, 1], X[:, 2]], names=["u", "u", "y"]), path)
    with pytest.raises(ValueError, match="a.parquet.*duplicate"):
        data.Parquet(path, "y")


def test_odd_paths(tmp_path):
    for path in ("", "a\0b", "\ud800", [""]):
        with pytest.raises(ValueError, match="^path must"):
            data.Parquet(path, "y")
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="path must have a Parquet file at least"):
        data.Parquet(tmp_path / "none", "y")
    for path, number in ((tmp_path / "nowhere", errno.ENOENT), (tmp_path / ("n" * 256), errno.ENAMETOOLONG)):
        with pytest.raises(OSError) as caught:
            data.Parquet(path, "y")
        assert (caught.value.errno, caught.value.filename) == (number, str(path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises((OSError, ValueError), match="fifo"):
            data.Parquet(tmp_path / "fifo", "y")  # which nobody waits for
