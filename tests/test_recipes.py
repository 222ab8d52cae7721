"""CONTRIBUTING's recipes: followed in a copy of the sources, each at as many places as it names, they give what the
tests of the tables accept; and those tests notice where the rows of the tests are left out.

A place is where something is put in: an edit (file, anchor, insertion) puts the insertion behind the anchor, which
is there once. Where the sources move, the anchors are what to change.
"""
import os
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

import sources

pytestmark = pytest.mark.slow


class Edit(NamedTuple):
    file: str
    anchor: str
    insertion: str


class Recipe(NamedTuple):
    name: str  # of what is added
    edits: list  # of the package
    rows: list  # edits of the tests
    tests: list  # the files with the tests that go by the tables


TABLES_ARE_WHOLE = ("test_the_twin_has_all or test_the_table_is_whole or test_the_table_has_all or "
                    "test_all_that_is_public_is_called")

EXPORTS = ["test_export_table.py", "test_onnx.py", "test_export_c.py", "test_export_torch.py"]

ACTIVATION = Recipe("hardtanh", [
    Edit("fastmlp/kernels/kernels.h", "X(sigmoid, 0, 1, 0.0)", " \\\n    X(hardtanh, 0, 0, 0.0)"),
    Edit("fastmlp/kernels/activations.inc", """
INLINE vf second_sigmoid(vf x, real a) { return grad_sigmoid(x, a) * (set1(1) - x - x); }
""", """
/* hardtanh: s between -1 and 1; 1 there, else 0; 0 */
INLINE vf act_hardtanh(vf s, real a) { return sel_gt(set1(-1), s, set1(-1), sel_gt(s, set1(1), set1(1), s)); }
INLINE vf grad_hardtanh(vf x, real a) { return sel_gt(set1(1), abs_(x), set1(1), set1(0)); }
INLINE vf second_hardtanh(vf x, real a) { return set1(0); }
"""),
    Edit("fastmlp/export/_table.py", 'Activation(operator("Sigmoid"), Module("Sigmoid")),\n', """\
    "hardtanh": Activation(lambda graph, s, a: graph.op("Clip", s, onnx.number(graph, -1.0), onnx.number(graph, 1.0)),
                           Module("Hardtanh")),
"""),
], [
    Edit("tests/reference.py", '"sigmoid": (sigmoid, lambda s: sigmoid(s) * sigmoid(-s)),\n', '''
    "hardtanh": (lambda s: np.clip(s, -1.0, 1.0), lambda s: (np.abs(s) < 1.0) * 1.0),
'''),
], ["test_twin.py", "test_conv.py", "test_files.py", "test_estimators.py", *EXPORTS])

LOSS = Recipe("log_cosh", [
    Edit("fastmlp/kernels/kernels.h", "X(cross_entropy, softmax, 0.0)", " \\\n    X(log_cosh, identity, 0.0)"),
    Edit("fastmlp/kernels/losses.inc", """
    vf p = sigmoid_(x);
    return p * (set1(1) - p);
}
""", """
/* log_cosh: log(cosh(x - y)) */
INLINE vf loss_log_cosh(vf x, vf y, real a, vf *g)
{
    vf far = abs_(x - y);
    *g = tanh_(x - y);
    return far + softplus_(set1(-2) * far) - set1((real)0.69314718055994530942);
}
INLINE vf second_log_cosh(vf x, vf y, real a)
{
    vf t = tanh_(x - y);
    return set1(1) - t * t;
}
"""),
], [
    Edit("tests/reference.py", "lambda x, y: np.exp(log_softmax(x)) * y.sum(axis=1, keepdims=True) - y),\n", '''
    "log_cosh": (over_outputs(lambda x, y: np.logaddexp(x - y, y - x) - math.log(2)),
                 lambda x, y: np.tanh(x - y)),
'''),
], ["test_twin.py", "test_files.py"])

OPTIMISER = Recipe("SignSGD", [
    Edit("fastmlp/kernels/kernels.h", "X(lion, 1)", " \\\n    X(signsgd, 0)"),
    Edit("fastmlp/kernels/step.inc", """
    return V_(fma_)(p, h->undecayed, V_(set1)(0) - h->lr * d);
}
""", """
/* signsgd (Bernstein et al. 2018): p -= lr sign(g) */
INLINE V_(vf) V_(step_signsgd)(V_(vf) p, V_(vf) g, V_(vf) *u, V_(vf) *v, const V_(hyper_t) *h)
{
    return V_(fma_)(V_(set1)(0) - h->lr, V_(sign_)(g), p);
}
"""),
    Edit("fastmlp/optim/__init__.py", '"Adagrad", "Lion"', ', "SignSGD"'),
    Edit("fastmlp/__init__.py", '"RMSprop", "SGD"', ', "SignSGD"'),
    Edit("fastmlp/optim/_others.py", '''"beta2": self.beta2, "decay": lr * self.weight_decay}
''', '''

@dataclass(frozen=True)
class SignSGD(Optimizer):
    """SignSGD (Bernstein et al. 2018): w <- w - lr sign(g)."""

    lr: Any = 0.001
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "signsgd"
'''),
], [
    Edit("tests/reference.py", "p -= self.lr * direction + decays * self.lr * self.weight_decay * p\n", '''

class SignSGD:
    """w <- w - lr sign(g)."""

    def __init__(self, lr, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.l2, self.l1, self.clip_norm = lr, l2, l1, clip_norm

    def step(self, params, grads, penalised):
        for p, g in zip(params, total_gradient(self, params, grads, penalised)):
            p -= self.lr * np.sign(g)
'''),
    Edit("tests/bits.py", '"lion": (Lion, {"weight_decay": 1 / 8})', ', "signsgd": (fastmlp.SignSGD, {})'),
], ["test_twin.py"])

KIND = Recipe("mirrored or Mirrored", [
    Edit("fastmlp/layers/__init__.py", '"Scale", "Shift"', ', "Mirrored"'),
    Edit("fastmlp/__init__.py", '"Shift", "Waves"', ', "Mirrored"'),
    Edit("fastmlp/layers/_norms.py", """
        return f"Shift({self.own_factors()})"
""", '''

@dataclass(frozen=True)
class Mirrored(Layer):
    """x(l) = -by x(l-1). by: above 0."""

    by: float = 1.0

    kind: ClassVar[str] = "mirrored"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        return replace(super().checked(name, dtype), by=_checks.number(f"by of {name}", self.by, above=0, dtype=dtype))

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"by": self.by}
'''),
    Edit("fastmlp/_engine/structs.pxd", "    double rate                 # of dropout\n",
         "    double by                   # of mirrored layers\n"),
    Edit("fastmlp/_core.pyx", 'of dropout\n    "rate"; ', 'of mirrored layers "by"; '),
    Edit("fastmlp/_engine/kinds.pyx", """
        job.k.rows(m, layer.d_out, delta_at(job, layer, row), layer.buffers.ld, dx_at(job, input, row),
                   input.source.buffers.ld)
""", '''

cdef LayerKind MIRRORED


cdef int mirrored_measure(Job *blank, Layer *layer, dict spec, list held) except -1:
    layer.by = spec.pop("by")
    return 0


cdef void mirrored_forward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                           char *scratch) noexcept nogil:
    """x(l) = -by x(l-1)"""
    cdef Layer *before = layer.input.source
    turn(job, layer, m, x_of(job, before, pos, row), before.buffers.ld, x_at(job, layer, row), layer.buffers.ld)


cdef void mirrored_backward(Job *job, Layer *layer, Py_ssize_t pos, Py_ssize_t row, Py_ssize_t m,
                            char *scratch) noexcept nogil:
    """de/dx(l-1) = -by delta(l)"""
    turn(job, layer, m, delta_at(job, layer, row), layer.buffers.ld, dx_at(job, &layer.input, row),
         layer.input.source.buffers.ld)


cdef void turn(Job *job, Layer *layer, Py_ssize_t m, const char *x, Py_ssize_t ldx, char *out,
               Py_ssize_t ldo) noexcept nogil:
    job.k.rows(m, layer.d_out, x, ldx, out, ldo)
    job.k.scale_rows(m, layer.d_out, out, ldo, NULL, -layer.by, out)


MIRRORED.name = "mirrored"
MIRRORED.measure = mirrored_measure
MIRRORED.forward = mirrored_forward
MIRRORED.backward = mirrored_backward
'''),
    Edit("fastmlp/_engine/kinds.pyx", "add(&SUM)\n", "add(&MIRRORED)\n"),
    Edit("fastmlp/export/_table.py", "    layers.Dropout: Kind(onnx.same, c.same, torch.dropout),\n", """\
    layers.Mirrored: Kind(onnx.mirrored, c.mirrored, torch.mirrored),
"""),
    Edit("fastmlp/export/_onnx_kinds.py", '''
    """For layers that do nothing in prediction."""
    return x
''', """

def mirrored(graph: Graph, node: Node, x: Value) -> Value:
    return x.through(lambda name: graph.op("Mul", name, number(graph, -node.layer.by)))
"""),
    Edit("fastmlp/export/_c_kinds.py", '''
    """For layers that do nothing in prediction, or only reshape maps, which are stored as rows anyway."""
    return x
''', """

def mirrored(file: Source, node: Node, x: str) -> str:
    out = file.room(node)
    file.call("mirrored", x, out, node.size, node.layer.by)
    return out
"""),
    Edit("fastmlp/export/c/layers.inc", """
    for (size_t j = 0; j < d; j++) out[j] = x[j] + y[j];
}
""", """
static void mirrored(const real *x, real *out, size_t d, double by)
{
    for (size_t j = 0; j < d; j++) out[j] = x[j] * (real)-by;
}
"""),
    Edit("fastmlp/export/_torch_kinds.py", """
    return [nn.Dropout(node.layer.rate_at(0))]  # type: ignore[attr-defined]
""", """

def mirrored(nn: Any, node: Node) -> list[Any]:
    return [nn.Mirrored(node.layer.by)]
"""),
    Edit("fastmlp/export/_torch_modules.py", """
        return torch.exp(x)
""", '''

class Mirrored(Module):
    """-by x"""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Any) -> Any:
        return -self.by * x
'''),
    Edit("fastmlp/export/_from_torch.py", '"Linear": linear, ',
         '"Mirrored": lambda reader, module: reader.add(layers.Mirrored(module.by)), '),
], [
    Edit("tests/reference.py", '''
    def backward(self, x, s, delta, W):
        return delta, None
''', '''

class Mirrored:
    def __init__(self, by):
        self.by = by

    def forward(self, x, W):
        return -self.by * x

    def backward(self, x, s, delta, W):
        return -self.by * delta, None
'''),
    Edit("tests/reference.py", 'KINDS = {"dense": Dense', ', "mirrored": Mirrored'),
    Edit("tests/reference.py", '    """The twin of a layer after one of a shape."""\n    kind = KINDS[layer.kind]\n',
         '    if layer.kind == "mirrored":\n        return kind(layer.by)\n'),
    Edit("tests/test_kinds.py", '    "dropout": [5, Dense(8, "tanh"), Dropout(0.5), Dense(7, "gelu"), 3],\n',
         '    "mirrored": [5, Dense(8, "tanh"), fastmlp.Mirrored(1.5), Dense(7, "gelu"), 3],\n'),
    Edit("tests/bits.py", """Case(dense([6, 8, 5], "elu"), loss="cross_entropy", y=sixteenths)
""", """    yield "kind mirrored", Case([9, fastmlp.Mirrored(0.5), Dense(20, "relu"), fastmlp.Mirrored(3.0), Dense(3)])
"""),
    Edit("tests/export_cases.py", 'Conv2D(3, 2, "tanh"), Flatten(), Dropout(0.1), Dense(4), 3],\n',
         '    layers.Mirrored: [5, layers.Mirrored(0.5), Dense(8, "tanh"), layers.Mirrored(), 3],\n'),
    Edit("tests/public_calls.py", '    "Scale": layer(Scale, init=1.0, lr_scale=1.0, decay=0.0),\n',
         '    "Mirrored": layer(layers.Mirrored, by=0.5),\n'),
], ["test_kinds.py", "test_conv.py", "test_fuzz.py", *EXPORTS])

RECIPES = {"An activation": ACTIVATION, "A loss": LOSS, "An optimiser": OPTIMISER, "A layer kind": KIND}
recipes = pytest.mark.parametrize("title", RECIPES)


def add(tree, edits):
    """Make the edits in a tree of sources; the number of places that they touch."""
    for file, anchor, insertion in edits:
        text = (tree / file).read_text()
        assert text.count(anchor) == 1, f"{file} has {text.count(anchor)} times {anchor!r}"
        (tree / file).write_text(text.replace(anchor, anchor + insertion))
    return len({(file, anchor) for file, anchor, _ in edits})


def places_named(title):
    """The number that CONTRIBUTING names: **An activation** (3 places)."""
    return int(re.search(rf"\*\*{title}\*\* \((\d+) places\)", (sources.ROOT / "CONTRIBUTING.md").read_text())[1])


class Tree:
    """The sources with all that the recipes add, built; the tests as they are without and with their rows."""

    def __init__(self, folder):
        self.folder = sources.copied(folder / "tree", "tests")
        self.site = folder / "site"
        self.places = {title: add(self.folder, recipe.edits) for title, recipe in RECIPES.items()}
        self.run("-m", "pip", "install", "--quiet", "--no-deps", "--target", self.site, self.folder).check_returncode()

    def run(self, *arguments):
        """What Python does with some arguments, in the tree, with the package that was built from it."""
        paths = [str(self.site), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.run([sys.executable, "-P", *arguments], cwd=self.folder, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})

    def test(self, files, *options):
        paths = [self.folder / "tests" / file for file in files]
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, *options)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Built, with the rows in the tests; that these were missed before is looked at in between."""
    tree = Tree(tmp_path_factory.mktemp("recipes"))
    tree.without_rows = tree.test(["test_twin.py", "test_bits.py", "test_conv.py", "test_kinds.py",
                                   "test_export_table.py", "test_fuzz.py"], "-k", TABLES_ARE_WHOLE)
    for title, recipe in RECIPES.items():
        tree.places[title] += add(tree.folder, recipe.rows)
    tree.run("tests/bits.py", "--write").check_returncode()
    return tree


@recipes
def test_as_many_places_as_it_names(tree, title):
    assert tree.places[title] == places_named(title)


def test_rows_that_are_left_out_are_missed(tree):
    assert "6 failed" in tree.without_rows.stdout, tree.without_rows.stdout


@recipes
def test_what_was_added_works(tree, title):
    recipe = RECIPES[title]
    done = tree.test(recipe.tests, "-k", f"{recipe.name} or {TABLES_ARE_WHOLE}")
    assert done.returncode == 0, done.stdout


def test_its_bits_are_in_the_table(tree):
    done = tree.test(["test_bits.py"], "-k", "the_table")
    assert done.returncode == 0, done.stdout
