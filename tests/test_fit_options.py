"""Each option of fit is declared once: the methods that show it agree with the table, and hand on what they got."""
import ast
import inspect
import textwrap
from dataclasses import fields

import pytest

from fastmlp import MLP
from fastmlp._fit.options import OTHER_DEFAULTS, Options

METHODS = {"fit": {}, "partial_fit": OTHER_DEFAULTS}
DECLARED = {field.name: field.default for field in fields(Options)}
methods = pytest.mark.parametrize("method", METHODS)


@methods
def test_names_order_and_defaults(method):
    self, X, y, *options = inspect.signature(getattr(MLP, method)).parameters.values()
    assert [p.name for p in (self, X, y)] == ["self", "X", "y"]
    assert {p.name: p.default for p in options} == DECLARED | METHODS[method]
    assert [p.name for p in options] == list(DECLARED)


@methods
def test_all_are_handed_on_by_name(method):
    source = textwrap.dedent(inspect.getsource(getattr(MLP, method)))
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func).endswith("Options")]
    assert len(made) == 1 and not made[0].args
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in made[0].keywords}
    assert given == {name: name for name in DECLARED}


def test_all_are_described():
    described = inspect.getdoc(MLP.fit)
    for name in DECLARED:
        assert f"\n{name} :" in described, name
    assert set(OTHER_DEFAULTS) <= set(DECLARED)
