"""The table of what layers, activations and links become has all that there are; what it lacks is named."""
import importlib

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmlp
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


ESTIMATORS = [fastmlp.MLPClassifier(), fastmlp.MLPRegressor(), fastmlp.MLPAutoencoder(), fastmlp.TabularClassifier(),
              fastmlp.TabularRegressor()]
OF_A_NETWORK = {"to_torch": (), "pruned": (0.1,), "quantized": ("int8",)}  # functions that take an MLP, and more


@pytest.mark.parametrize("name", OF_A_NETWORK)
@pytest.mark.parametrize("est", ESTIMATORS, ids=lambda est: type(est).__name__)
def test_where_the_network_of_an_estimator_is(est, name):
    attribute = "networks_" if "Tabular" in type(est).__name__ else "network_"
    assert hasattr(type(est), attribute)
    for model, whose in ((est, "its"), (make_pipeline(StandardScaler(), est), "its last step's")):
        with pytest.raises(TypeError, match=f"(?s)net must be an MLP, got .*; once fitted, .* {whose} {attribute}$"):
            getattr(export, name)(model, *OF_A_NETWORK[name])
    with pytest.raises(TypeError, match=r"got StandardScaler\(\)$"):
        getattr(export, name)(StandardScaler(), *OF_A_NETWORK[name])


def test_importing_export_needs_no_other_package():
    import subprocess
    import sys

    code = "import sys, fastmlp.export; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnx", "torch", "skl2onnx", "sklearn", "scipy"} & set(done.stdout.split())
