"""All that writes a file has the manners of MLP.save (test_saving.py): whole or not at all, at the path asked for,
which each error names; and a fit that is to write one fails before its first epoch."""
import errno
import importlib.util
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from fastmlp import MLP, Checkpoint, CSVLogger, MLPClassifier, TabularClassifier, TabularRegressor, io

pytestmark = pytest.mark.skipif(os.name == "nt", reason="of POSIX")

RNG = np.random.default_rng(0)
X, LABELS, Y = RNG.standard_normal((40, 4)), RNG.integers(0, 3, 40), RNG.random((40, 2))
NET = MLP([4, 3, 2], random_state=0)
ESTIMATORS = [MLPClassifier((3,)).partial_fit(X, LABELS, classes=[0, 1, 2]),
              *(kind("fast", n_members=1, max_iter=1).fit(X, LABELS) for kind in (TabularClassifier, TabularRegressor))]


def fitted_with(callback):
    net = MLP([4, 2], random_state=0)
    net.fit(X, Y, epochs=1, validation_data=(X, Y), callbacks=[callback])


WRITERS = {
    "MLP.save": NET.save,
    "MLP.to_c": NET.to_c,
    "io.write": lambda path: io.write(path, "text", {"a": np.ones(3)}),
    "Checkpoint": lambda path: fitted_with(Checkpoint(path)),
    **{f"{type(est).__name__}.save": est.save for est in ESTIMATORS},
    **{f"{type(est).__name__}.to_c": est.to_c for est in ESTIMATORS[1:]},
}
if importlib.util.find_spec("onnx"):
    WRITERS |= {f"{type(model).__name__}.to_onnx": model.to_onnx for model in (NET, *ESTIMATORS)}
writers = pytest.mark.parametrize("writer", WRITERS)


def written(writer, path):
    """Whether a file is there that is the writer's: what stood there before has three bytes."""
    WRITERS[writer](path)
    return os.path.getsize(path) > 3


@writers
def test_links_modes_and_long_names(writer, tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    assert written(writer, link) and link.is_symlink() and not target.is_symlink()
    target.write_bytes(b"old")
    target.chmod(0o600)
    assert written(writer, str(link)) and stat.S_IMODE(target.stat().st_mode) == 0o600
    assert written(writer, tmp_path / ("n" * 250))
    assert len(list(tmp_path.iterdir())) == 3


def odd_paths(folder):
    """(path, number of the error) of what cannot be written."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "to_fifo").symlink_to("fifo")
    (folder / "ring").symlink_to("ring")
    (folder / "file").touch()
    return {"/dev/null": errno.EINVAL, f"{folder}/folder": errno.EISDIR, f"{folder}/new/": errno.EISDIR,
            f"{folder}/fifo": errno.EINVAL, f"{folder}/to_fifo": errno.EINVAL, f"{folder}/ring": errno.ELOOP,
            f"{folder}/file/net": errno.ENOTDIR, f"{folder}/removed/net": errno.ENOENT,
            f"{folder}/{'n' * 256}": errno.ENAMETOOLONG}


@writers
def test_what_cannot_be_written_stays(writer, tmp_path):
    paths = odd_paths(tmp_path)
    there, null = sorted(os.listdir(tmp_path)), os.stat("/dev/null")
    for path, number in paths.items():
        with pytest.raises(OSError) as caught:
            WRITERS[writer](path)
        assert (caught.value.errno, caught.value.filename) == (number, path)
    for path, error in (("", ValueError), ("a\0b", ValueError), ("\ud800", ValueError), (b"net", TypeError)):
        with pytest.raises(error, match="^path must"):
            WRITERS[writer](path)
    assert sorted(os.listdir(tmp_path)) == there and os.stat("/dev/null").st_rdev == null.st_rdev


FULL = """
import resource, sys
from test_paths import WRITERS
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
for name, write in WRITERS.items():
    try:
        write(sys.argv[1])
    except OSError as error:
        print(name, error.errno, error.filename)
"""


def test_a_full_disk(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    places = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    run = subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", FULL, path], capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": places})
    assert run.stdout.splitlines() == [f"{name} {errno.EFBIG} {path}" for name in WRITERS], run.stderr
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# ---- what is written as a fit goes on


def test_a_log_goes_to_a_device_but_waits_for_nobody(tmp_path):
    fitted_with(CSVLogger("/dev/null"))
    paths = odd_paths(tmp_path) | {f"{tmp_path}/fifo": errno.ENXIO, f"{tmp_path}/to_fifo": errno.ENXIO,
                                   "/dev/full": errno.ENOSPC}
    for path, number in paths.items():
        if path != "/dev/null":
            with pytest.raises(OSError) as caught:
                fitted_with(CSVLogger(path))
            assert (caught.value.errno, caught.value.filename) == (number, path)


@pytest.mark.parametrize("callback", [CSVLogger, Checkpoint])
@pytest.mark.parametrize("what", ["a folder that is missing", "a folder that is removed", "another folder"])
def test_a_fit_that_is_to_write(callback, what, tmp_path, monkeypatch):
    """It fails before its first epoch where it can be known, and goes on in the folder in which it began."""
    folder, epochs = tmp_path / "folder", []
    monkeypatch.chdir(tmp_path)
    if what != "a folder that is missing":
        folder.mkdir()

    def meddle(net, epoch, logs):
        epochs.append(epoch)
        if what == "a folder that is removed":
            os.rename(folder, tmp_path / "renamed")
        os.chdir("/")

    made = callback(os.path.join("folder", "file"), **({"best": False} if callback is Checkpoint else {}))
    fit = lambda: MLP([4, 2]).fit(X, Y, epochs=3, callbacks=[made, meddle] if callback is CSVLogger else [meddle, made])
    if what == "another folder":
        fit()
        assert epochs == [1, 2, 3] and os.listdir(folder) == ["file"]
        return
    with pytest.raises(FileNotFoundError) as caught:
        fit()
    assert caught.value.filename.endswith(os.path.join("folder", "file"))
    assert len(epochs) == (what != "a folder that is missing")
