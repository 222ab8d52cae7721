"""What save does to what stands at a path, and what it and load say where that cannot be."""
import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

from fastmlp import MLP, SGD
from fastmlp._files import safetensors, whole
from test_damaged_files import put_together, taken_apart

NETS = [MLP([2, 3, 1], random_state=seed) for seed in range(2)]
posix = pytest.mark.skipif(os.name == "nt", reason="of POSIX")


def assert_holds(path, net):
    assert np.array_equal(MLP.load(path).params, net.params)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# ---- what stands there


@posix
def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link, further = tmp_path / "folder" / "net", tmp_path / "link", tmp_path / "further"
    link.symlink_to(target)
    further.symlink_to("link")  # relative
    for net, path in zip(NETS, (link, further)):  # what is linked to is not there at first
        net.save(path)
        assert link.is_symlink() and further.is_symlink() and not target.is_symlink()
        assert_holds(target, net)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "further", "link", "net"]


@posix
def test_symbolic_links_in_a_ring(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for use in (NETS[0].save, MLP.load):
        with pytest.raises(OSError) as caught:
            use(tmp_path / "a")
        assert caught.value.errno == errno.ELOOP and caught.value.filename == str(tmp_path / "a")


@posix
@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_permissions_stay(permissions, tmp_path):
    path = tmp_path / "net"
    path.touch()
    path.chmod(permissions)
    NETS[0].save(path)
    assert mode(path) == permissions and path.stat().st_uid == os.getuid()
    assert_holds(path, NETS[0])


@posix
@pytest.mark.parametrize("umask, permissions", [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_the_kernel_applies_the_umask(umask, permissions, tmp_path):
    before = os.umask(umask)
    try:
        NETS[0].save(tmp_path / "net")
    finally:
        os.umask(before)
    assert mode(tmp_path / "net") == permissions


def test_the_umask_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads make files meanwhile"))
    NETS[0].save(tmp_path / "net")
    assert_holds(tmp_path / "net", NETS[0])


@posix
def test_other_names_keep_the_old_content(tmp_path):
    NETS[0].save(tmp_path / "net")
    os.link(tmp_path / "net", tmp_path / "other")
    NETS[1].save(tmp_path / "net")
    assert_holds(tmp_path / "net", NETS[1])
    assert_holds(tmp_path / "other", NETS[0])


@posix
@pytest.mark.parametrize("through_a_link", [False, True])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "socket"])
def test_what_is_no_regular_file_stays(kind, through_a_link, tmp_path):
    path = tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.relpath(path))  # a long path is none for a socket
    else:
        path = tmp_path.__class__("/dev/null")
    if through_a_link:
        (tmp_path / "link").symlink_to(path)
    before, asked = os.stat(path), tmp_path / "link" if through_a_link else path
    for use in (NETS[0].save, MLP.load):
        begun = time.monotonic()
        with pytest.raises(IsADirectoryError if kind == "folder" else OSError) as caught:
            use(asked)
        assert caught.value.filename == str(asked) and time.monotonic() - begun < 5  # does not wait for a writer
    after = os.stat(path)
    assert (after.st_mode, after.st_ino, after.st_rdev) == (before.st_mode, before.st_ino, before.st_rdev)
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write all files")
def test_a_file_that_may_not_be_written_stays(tmp_path):
    path = tmp_path / "net"
    NETS[0].save(path)
    path.chmod(0o444)
    with pytest.raises(PermissionError) as caught:
        NETS[1].save(path)
    assert caught.value.filename == str(path) and mode(path) == 0o444
    assert_holds(path, NETS[0])


# ---- paths


@pytest.mark.parametrize("path, error", [
    ("", ValueError), ("a\0b", ValueError), ("\ud800", ValueError), (None, TypeError), (3, TypeError),
    (b"net", TypeError),
    (["net"], TypeError), (3.5, TypeError), (True, TypeError)], ids=repr)
def test_what_is_no_path(path, error):
    for use in (NETS[0].save, MLP.load):
        with pytest.raises(error, match="^path must"):
            use(path)


@pytest.mark.parametrize("length", [1, 100, 250, 255])
def test_long_names(length, tmp_path):
    path = tmp_path / ("n" * length)
    for net in NETS:
        net.save(path)
        assert_holds(path, net)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name, number", [("n" * 256, errno.ENAMETOOLONG), ("nowhere/net", errno.ENOENT),
                                          ("folder/", errno.EISDIR), ("file/net", errno.ENOTDIR)])
def test_errors_name_the_path_that_was_asked_for(name, number, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = f"{tmp_path}/{name}"
    for use in (NETS[0].save, MLP.load):
        with pytest.raises(OSError) as caught:
            use(path)
        assert caught.value.errno == number and caught.value.filename == path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    NETS[0].save("net")
    assert_holds("net", NETS[0])
    with pytest.raises(FileNotFoundError) as caught:
        NETS[0].save("nowhere/net")
    assert caught.value.filename == "nowhere/net"


# ---- a full disk

SAVE_WITH_LITTLE_ROOM = """
import resource, sys
from fastmlp import MLP
net = MLP([300, 300, 1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    net.save(sys.argv[1])
except OSError as error:
    print(error.errno, error.filename)
"""


@posix
@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk(there, tmp_path):
    path = tmp_path / "net"
    if there:
        NETS[0].save(path)
    run = subprocess.run([sys.executable, "-P", "-c", SAVE_WITH_LITTLE_ROOM, path], capture_output=True, text=True)
    assert run.stdout.split() == [str(errno.EFBIG), str(path)], run.stderr
    assert list(tmp_path.iterdir()) == [path] * there
    if there:
        assert_holds(path, NETS[0])


# ---- killed

SAVE_FOR_EVER = """
import itertools, sys
from fastmlp import MLP
nets = [MLP([100, 100, 1], init="zeros") for _ in range(2)]
nets[1].params = nets[1].params + 1
nets[0].save(sys.argv[1])
print("ready", flush=True)
for net in itertools.cycle(nets):
    net.save(sys.argv[1])
"""
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")


def kill_in_a_save(path, seconds):
    saver = subprocess.Popen([sys.executable, "-P", "-c", SAVE_FOR_EVER, path], stdout=subprocess.PIPE)
    assert saver.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    saver.kill()
    saver.communicate()


def assert_whole(path):
    params = MLP.load(path).params
    assert (params == params[0]).all() and params[0] in (0, 1)


@needs_kill
@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_in_saves(kills, tmp_path):
    """The file is whole at any time, and the next save leaves nothing of those before it."""
    path, rng, left = tmp_path / "net", np.random.default_rng(0), 0
    MLP([100, 100, 1], init="zeros").save(path)
    for _ in range(kills):
        kill_in_a_save(path, rng.random() * 0.02)
        assert_whole(path)
        beside = len(list(tmp_path.iterdir())) - 1
        assert beside <= 1  # of the save that was killed: those before it are gone
        left += beside
    assert left or kills < 100
    MLP([100, 100, 1], init="zeros").save(path)
    assert list(tmp_path.iterdir()) == [path]


@needs_kill
def test_leftovers_of_this_path_alone_are_removed(tmp_path):
    NETS[0].save(tmp_path / "net")
    prefix = f".fastmlp-{whole.hashlib.sha256(b'net').hexdigest()[:16]}-"
    (tmp_path / f"{prefix}left.tmp").write_bytes(b"half")
    for name in (".fastmlp-0123456789abcdef-left.tmp", "net.tmp", ".net.abc", "fastmlp"):
        (tmp_path / name).touch()
    with open(tmp_path / f"{prefix}held.tmp", "wb") as held:  # by a save that runs
        assert whole._lock(held.fileno())
        NETS[1].save(tmp_path / "net")
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([
            ".fastmlp-0123456789abcdef-left.tmp", "net.tmp", ".net.abc", "fastmlp", "net", f"{prefix}held.tmp"])


def test_many_threads_save_to_one_path(tmp_path):
    path, errors = tmp_path / "net", []
    nets = [MLP([50, 50, 1], random_state=seed) for seed in range(4)]

    def save(net):
        try:
            for _ in range(25):
                net.save(path)
                MLP.load(path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(net,)) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and list(tmp_path.iterdir()) == [path]
    assert any(np.array_equal(MLP.load(path).params, net.params) for net in nets)


# ---- large and strange files


def sparse_file(path, head, size):
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)


@pytest.mark.parametrize("head", [b"", b"\x80\x02}q\x00", np.uint64(2).tobytes() + b"{}", np.uint64(10**9).tobytes()],
                         ids=["zeros", "pickle", "no metadata", "a header of 1 GB"])
def test_of_a_large_foreign_file_the_header_is_read(head, tmp_path):
    path = tmp_path / "foreign"
    sparse_file(path, head, 10 * 2**30)
    assert_refused_at_once(path, "is not a whole fastmlp file")


def test_of_a_large_file_that_does_not_fit_its_specs_the_header_is_read(tmp_path):
    """Its rows tile it, but the network of its text is another one."""
    path, size = tmp_path / "crafted", 10 * 2**30
    NETS[0].save(path)
    rows, document, _ = taken_apart(path.read_bytes())
    rows = {"W.1": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    head = put_together(rows, document, b"")
    sparse_file(path, head, len(head) + size)
    assert_refused_at_once(path, "its tensors should be")


def assert_refused_at_once(path, message):
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with pytest.raises(ValueError, match=message) as caught:
            MLP.load(path)
        assert tracemalloc.get_traced_memory()[1] < 10e6 and time.monotonic() - begun < 2
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("history", [
    {"loss": [1e400, -1e400, math.nan], "lr": [0] * 3}, {"é\ud800\U0001f600": [1] * 1000}, {"": []},
    {"loss": [10**300]}],
    ids=["not finite", "names", "empty", "long"])
def test_what_loads_can_be_saved_and_loaded(history, tmp_path):
    path = tmp_path / "net"
    net = MLP([2, 3, 1], random_state=0)
    net.fit(np.ones((2, 2)), np.ones(2), SGD(0.1), epochs=1)
    net.save(path)
    rows, document, data = taken_apart(path.read_bytes())
    path.write_bytes(put_together(rows, document | {"history": history, "seed": 10**300}, data))
    loaded = MLP.load(path)
    loaded.save(path)
    again = MLP.load(path)
    assert repr(again.history) == repr(loaded.history) and np.array_equal(again.params, loaded.params)


def test_a_text_that_would_be_too_large_once_it_is_written_is_refused_when_it_is_loaded(tmp_path, monkeypatch):
    """1e9 is written as 1000000000.0."""
    path = tmp_path / "net"
    NETS[0].save(path)
    rows, document, data = taken_apart(path.read_bytes())
    text = json.dumps(document).replace('"history": {}', '"history": {"a": [' + ",".join(["1e9"] * 2**21) + "]}")
    path.write_bytes(put_together(rows, text, data))
    assert path.stat().st_size < safetensors.MOST_HEADER
    with pytest.raises(ValueError, match="specs must take at most"):
        MLP.load(path)


def test_numbers_of_numpy_in_the_history(tmp_path):
    net = MLP([2, 1], random_state=0)
    net.history["mine"] = [np.float32(0.5), np.int64(3), 2]
    net.save(tmp_path / "net")
    assert MLP.load(tmp_path / "net").history == {"mine": [0.5, 3, 2]}
    net.history["mine"] = ["text"]
    with pytest.raises(TypeError, match="history must be lists of numbers"):
        net.save(tmp_path / "net")
    assert MLP.load(tmp_path / "net").history == {"mine": [0.5, 3, 2]}
