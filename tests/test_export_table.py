"""The table of what layers, activations and links become has all that there are; what it lacks is named."""
import importlib

import pytest

from export_cases import ALL_KINDS, KINDS
from fastmlp import MLP, Dense, _core, export

table = importlib.import_module("fastmlp.export._table")


def test_the_table_has_all_kinds_of_layers():
    assert set(table.KINDS) == ALL_KINDS
    assert set(KINDS) == ALL_KINDS  # and the tests of the formats


def test_the_table_has_all_activations():
    assert set(table.ACTIVATIONS) == set(_core.ACTIVATIONS)


def test_the_table_has_all_links():
    assert set(table.LINKS) == set(_core.LINKS)


class Unknown(Dense):
    """A kind that has no row."""


def test_what_has_no_row_is_named():
    with pytest.raises(ValueError, match="layers .* 'Unknown'"):
        export.to_c(MLP([3, Unknown(2), 1]))


def test_importing_export_needs_no_other_package():
    import subprocess
    import sys

    code = "import sys, fastmlp.export; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnx", "torch", "skl2onnx", "sklearn", "scipy"} & set(done.stdout.split())
