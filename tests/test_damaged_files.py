"""Files that are damaged, foreign or made to do harm: a ValueError that says what is wrong, or a good network."""
import copy
import json
import pickle
import struct
import time
import tracemalloc
import warnings

import numpy as np
import pytest

from fastmlp import (
    MLP,
    Adam,
    AvgPool2D,
    Conv2D,
    Dense,
    DivergenceWarning,
    Dropout,
    Frozen,
    GlobalAvgPool,
    MaxPool2D,
    TiedGroup,
    schedules,
    tie_map,
    tie_transpose,
)
from fastmlp._files import safetensors

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 2))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("good") / "net"
    net = MLP([3, Dense(5, ("elu", 0.5)), Dropout(0.25), 2], loss=("huber", 0.5), random_state=0)
    net.fit(X, Y, Adam(schedules.Cosine(0.01, 9)), epochs=2, validation_fraction=0.25)
    net.save(path)
    return path.read_bytes()


def taken_apart(content):
    """(tensors' rows of the header, document, data)"""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    rows = {k: v for k, v in header.items() if k != "__metadata__"}
    return rows, json.loads(header["__metadata__"]["fastmlp"]), content[8 + length:]


def put_together(rows, document, data):
    """A file with the right checksum, so that all else in it is what is judged."""
    text = document if isinstance(document, str) else json.dumps(document)
    metadata = {"fastmlp": text, "sha256": safetensors.digest(text, rows, data)}
    head = json.dumps({"__metadata__": metadata, **rows}).encode()
    return struct.pack("<Q", len(head)) + head + data


def use(path, most=20e6):
    """Load, in so many bytes, and use a network; None, or the ValueError of loading it. What it computes may not be
    finite."""
    tracemalloc.start()
    try:
        net = MLP.load(path)
    except ValueError as error:
        return error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most
    repr(net), net.summary(), copy.deepcopy(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            net.predict(np.zeros((2, net.d[0])))
            net.partial_fit(np.zeros((4, net.d[0])), np.zeros((4, net.d[-1])))
        except ValueError as error:
            assert "must be finite" in str(error)
    return None


def refused(path, content, message=None):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        MLP.load(path)
    assert str(path) in str(caught.value)


def test_a_file_taken_apart_and_put_together_is_good(good, tmp_path):
    (tmp_path / "net").write_bytes(put_together(*taken_apart(good)))
    assert use(tmp_path / "net") is None


# ---- damaged, truncated, foreign


def test_damage_is_named(good, tmp_path):
    path, head = tmp_path / "net", struct.unpack("<Q", good[:8])[0]
    refused(path, b"", "0 bytes")
    refused(path, good[:7], "7 bytes")
    refused(path, good[:100], "header should have")
    refused(path, struct.pack("<Q", 2**63) + good[8:], "header should have")
    refused(path, good[:8] + b"x" + good[9:], "not JSON")
    refused(path, good[:8] + b"[" * head + good[8 + head:], "not JSON")
    refused(path, good[:-1], "outside of the file")
    refused(path, good + b"\0", "checksum|tensor")
    refused(path, good[:-1] + bytes([good[-1] ^ 1]), "checksum")
    refused(path, good.replace(b"0.25", b"0.35"), "checksum")
    with pytest.raises(FileNotFoundError):
        MLP.load(tmp_path / "nothing")


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit('run')",)


def test_foreign_files(tmp_path):
    path = tmp_path / "net"
    np.savez(tmp_path / "a.npz", W=np.ones(3))
    for content in (pickle.dumps(Harm()), (tmp_path / "a.npz").read_bytes(), b"layers,units\n3,4\n" * 9,
                    b"\x89PNG\r\n\x1a\n" * 9):
        refused(path, content, "header should have")
    numpy = pytest.importorskip("safetensors.numpy")
    refused(path, numpy.save({"W.1": np.ones((3, 5), np.float32)}, metadata={"format": "pt"}), "not written by fastmlp")
    refused(path, numpy.save({"W.1": np.ones((3, 5), np.float32)}), "no metadata")


def test_a_later_format(good, tmp_path):
    rows, document, data = taken_apart(good)
    refused(tmp_path / "net", put_together(rows, {**document, "format": 2}, data), "format is 2")


# ---- made to do harm: the checksum is right

HUGE = 10**400
TOO_LARGE = {
    "d0": lambda rows, doc: doc.update(d0=10**15),
    "d0 and W": lambda rows, doc: (doc.update(d0=10**15), rows["W.1"].update(shape=[10**15, 5])),
    "units": lambda rows, doc: doc["layers"][0].update(units=10**12),
    "no rows of many columns": lambda rows, doc: rows["W.1"].update(shape=[0, 10**30], data_offsets=[0, 0]),
    "many dimensions": lambda rows, doc: rows["W.1"].update(shape=[3, 5] + [1] * 100),
    "many tensors of the same bytes": lambda rows, doc: rows.update(
        {f"slot.{i}": {"dtype": "F32", "shape": [50000], "data_offsets": [0, 200000]} for i in range(2, 500)}),
}
WRONG = {
    "seed": ["x", None, 1.5, [1], True, {}],
    "epochs_ever": ["x", None, 1.5, -1, 10**30],
    "d0": ["3", 3.5, None, -3, 0, [3], HUGE, True],
    "format": [None, "1", [], -1],
    "dtype": [None, "int8", "O", [], {}, "f4,f4", "(1,", 5],
    "loss": [None, 5, ["huber"], ["huber", "x"], ["huber", HUGE], ["huber", -1], {"spec": "Constant", "lr": 1}, {}],
    "history": [None, [], 5, "x", {"loss": 5}, {"loss": ["x"]}, {"loss": [[1]]}, {"loss": {}}],
    "layers": [None, [], {}, "xy", [1], [{}], [[]], 5],
    "layers 0 units": ["5", 5.0, None, HUGE, True],
    "layers 0 activation": [None, 5, "sine", ["elu"], ["elu", "x"], ["elu", HUGE], [["elu", 1], 1], {}],
    "layers 0 bias": [False],
    "layers 0 bias_init": [HUGE, "x", [1], {}],
    "layers 0 init": [HUGE, "x", [[1]], {}],
    "layers 0 spec": ["Dropout", "SGD", "exec", [], None],
    "layers 1 rate": [1, HUGE, "x", -1, None],
    "training": [5, [], "x", {}],
    "training epoch": ["x", None, -1, 1.5, HUGE],
    "training optimizer": [
        None, {}, "SGD", *({"spec": spec} for spec in ("SGD", ["SGD"], "Dropout", "Cosine")),
        {"spec": "Dense", "units": 3},
        *({"spec": "Adam", "lr": {"spec": "Step", "lr": lr, "every": every}}
          for lr, every in ((0.1, 0), ("x", 1), (-1, 1), (HUGE, 1))),
        *({"spec": "Adam", name: HUGE} for name in ("lr", "beta1", "eps", "l2")), {"spec": "Adam", "step": "sgd"},
        {"spec": "Adam", "lr": {"spec": "Dense", "units": 3}}],
    "rows W.1": [None, [], 5],
    "rows W.1 dtype": [[], {}, None, "F16", "F64"],
    "rows W.1 shape": [[5, 3], [15], [HUGE, 0], [[], 1], [True, 15], [-3, -5], "35", None],
    "rows W.1 data_offsets": [[0], [0, HUGE], [60, 0], None, [4, 64]],
    "rows powers": [{"dtype": dtype, "shape": shape, "data_offsets": [0, end]}
                    for dtype, shape, end in (("F64", [0], 0), ("F32", [2], 8), ("F64", [1, 2], 16))],
    "rows slot.1": [{"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
                    for shape, end in (([1], 4), ([60], 240), ([4, 8], 128))],
}


def edited(good, place, value):
    rows, document, data = taken_apart(good)
    *path, last = [int(part) if part.isdigit() else part for part in place.split()]
    node = {"rows": rows}.get(path[0] if path else None, document)
    for part in path[1:] if node is rows else path:
        node = node[part]
    node[last] = value
    return put_together(rows, document, data)


@pytest.mark.parametrize("place", WRONG)
def test_wrong_contents_are_refused(place, good, tmp_path):
    for value in WRONG[place]:
        refused(tmp_path / "net", edited(good, place, value))


def test_a_tensor_or_field_that_is_missing(good, tmp_path):
    for name in ("W.1", "b.3", "slot.0", "powers"):
        rows, document, data = taken_apart(good)
        del rows[name]
        refused(tmp_path / "net", put_together(rows, document, data))
    for name in document:
        rest = {key: value for key, value in document.items() if key != name}
        refused(tmp_path / "net", put_together(taken_apart(good)[0], rest, data), name)


@pytest.mark.parametrize("text", ["", "x", "[]", "3", "null", "[" * 100000, '{"format": ' * 50000, "\ud800"],
                         ids=lambda text: ascii(text[:9]))
def test_a_document_that_is_none(text, good, tmp_path):
    rows, _, data = taken_apart(good)
    whole = text != "\ud800"  # half of a character, which no checksum is of
    content = put_together(rows, text if whole else "xudxxx", data)
    refused(tmp_path / "net", content.replace(b"xudxxx", b"\\ud800"))


@pytest.mark.parametrize("what", TOO_LARGE)
def test_nothing_huge_is_made_room_for(what, good, tmp_path):
    rows, document, data = taken_apart(good)
    TOO_LARGE[what](rows, document)
    (tmp_path / "net").write_bytes(put_together(rows, document, data + bytes(200_000)))
    assert use(tmp_path / "net", 40 * (tmp_path / "net").stat().st_size) is not None


# ---- ten thousand mutations


def mutated_bytes(good, rng):
    content, i = bytearray(good), int(rng.integers(len(good)))
    span = int(rng.integers(1, 20))
    match rng.integers(5):
        case 0:
            for i in rng.integers(len(good), size=span):
                content[i] ^= 1 << int(rng.integers(8))
        case 1:
            del content[i:]
        case 2:
            content[i:i] = rng.bytes(span)
        case 3:
            del content[i:i + span]
        case 4:
            content[:8] = struct.pack("<Q", int(rng.integers(2**63)) >> int(rng.integers(63)))
    return bytes(content)


VALUES = [None, True, False, 0, 1, -1, 2, 3, 5, 0.5, 1e308, -1e-308, float("nan"), float("inf"), 2**31, 2**63, 2**64,
          HUGE, "", "x", "Dense", "SGD", "relu", "float64", "F64", [], [1], [0, 8], [2**40, 2**40], [[]], {},
          {"spec": "Dropout"}, {"spec": "Constant", "lr": 0.1}, {"loss": [1]}]


def mutated_content(good, rng):
    """Somewhere in the header or the document a value is replaced, deleted, doubled or nested; or the data changes."""
    rows, document, data = taken_apart(good)
    for _ in range(rng.integers(1, 4)):
        nodes = [node for node in containers([rows, document]) if len(node)]
        node = nodes[rng.integers(1, len(nodes))]
        key = list(node)[rng.integers(len(node))] if isinstance(node, dict) else int(rng.integers(len(node)))
        match rng.integers(6):
            case 0:
                del node[key]
            case 1:
                value = node[key]
                for _ in range(10 ** int(rng.integers(4))):
                    value = [value] if rng.integers(2) else {"spec": value}
                node[key] = value
            case 2:
                change = rng.integers(256, size=len(data), dtype=np.uint8) * (rng.random(len(data)) < 0.02)
                data = (np.frombuffer(data, np.uint8) ^ change).tobytes()
            case _:
                node[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    try:
        return put_together(rows, document, data)
    except RecursionError:
        return good


def containers(node):
    if isinstance(node, (dict, list)):
        yield node
        for value in node.values() if isinstance(node, dict) else node:
            yield from containers(value) if not isinstance(value, list) or len(value) > 1 else ()


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of numbers that weights began from
@pytest.mark.parametrize("mutated, least", [(mutated_bytes, 1000), (mutated_content, 3000)], ids=["bytes", "content"])
def test_ten_thousand_mutations(mutated, least, good, tmp_path):
    """Each is refused or good; none takes long or much memory."""
    rng, path, refusals = np.random.default_rng(1), tmp_path / "net", 0
    path.touch()
    for _ in range(5000):
        content = mutated(good, rng)
        with open(path, "r+b") as file:  # much faster than to make the file anew
            file.write(content)
            file.truncate()
        start = time.process_time()
        refusals += use(path) is not None
        assert time.process_time() - start < 5
    assert refusals > least


# ---- ties and maps

NETWORKS = {
    "ties": lambda: MLP([4, 3, 4], random_state=0,
                        ties=[tie_transpose(1, 2), TiedGroup([(1, None, 0), (1, None, 1)], [1, 2]),
                             Frozen(1, np.eye(4, 3, dtype=bool), 0.5)]),
    "map": lambda: MLP([4, 3, 2], ties=[tie_map(1, np.arange(12).reshape(4, 3) % 5)], random_state=0),
    "convolution": lambda: MLP([(4, 4, 1), Conv2D(2, 3, "relu", padding="same"), MaxPool2D(2), AvgPool2D(2),
                                GlobalAvgPool(), 3], random_state=0),
}
JUNK = [None, True, -1, 0, 3, 10**9, 10**30, 1e300, "x", "same", [], [1, 2], {}, {"spec": "Dense"},
        {"spec": "Frozen", "l": 1, "mask": [[True]]},
        float("nan"), [[1, None, 0]]]


def places(value, path=()):
    """Where each value of a document is."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("name", NETWORKS)
def test_junk_in_each_place_of_a_document(name, tmp_path):
    net, path = NETWORKS[name](), tmp_path / "net"
    net.fit(np.ones((6, net.d[0])), np.ones((6, net.d[-1])), Adam(), epochs=1)
    net.save(path)
    rows, document, data = taken_apart(path.read_bytes())
    for place in places(document):
        for junk in JUNK:
            changed = json.loads(json.dumps(document))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = junk
            path.write_bytes(put_together(rows, changed, data))
            try:
                again = MLP.load(path)
            except ValueError:
                continue
            if max(again.d) < 1000:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    again.partial_fit(np.zeros((4, again.d[0])), np.zeros((4, again.d[-1])))
