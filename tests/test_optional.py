"""Optional packages: one message where they are missing, which names an extra that has them."""
import re
import subprocess
import sys
import tomllib

import pytest

import sources
from fastmlp._optional import PACKAGES, needing, needs

DISTRIBUTIONS = {"art": "adversarial-robustness-toolbox", "sklearn": "scikit-learn"}  # where they are called otherwise
EXTRAS = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("module", PACKAGES)
def test_the_extra_installs_the_package(module):
    names = [re.split(r"[^\w-]", requirement)[0] for requirement in EXTRAS[PACKAGES[module][1]]]
    assert DISTRIBUTIONS.get(module, module) in names


@pytest.mark.parametrize("module", PACKAGES)
def test_the_message(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    name, extra = PACKAGES[module]
    message = f'^It needs {re.escape(name)}: pip install "fastmlp\\[{extra}\\]"$'
    for wanted in (module, f"{module}.part"):
        with pytest.raises(ImportError, match=message):
            needs(wanted, "It")


def test_other_modules_that_are_missing_are_no_concern_of_it():
    with pytest.raises(ModuleNotFoundError, match="^No module named 'no_such_module'$"), needing("It"):
        import no_such_module  # noqa: F401
    with pytest.raises(ValueError, match="^as it is$"), needing("It"):
        raise ValueError("as it is")
    assert needs("json", "It").loads("1") == 1


def test_the_features_that_ask():
    """Each with its package hidden, in a process that has imported none of them."""
    asked = {"pyarrow": "fastmlp.data.Parquet('a', 'b')", "matplotlib": "fastmlp.SensitivityDisplay",
             "sklearn": "fastmlp.MLPClassifier", "onnx": "fastmlp.MLP([2, 1]).to_onnx('a')",
             "torch": "fastmlp.MLP([2, 1]).to_torch()"}
    code = "import sys, fastmlp\n" + "".join(
        f"sys.modules[{module!r}] = None\ntry: {call}\nexcept ImportError as error: print(error)\n"
        for module, call in asked.items())
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    found = done.stdout.splitlines()
    assert len(found) == len(asked), done.stderr
    for module, line in zip(asked, found):
        assert line.endswith(f'{PACKAGES[module][0]}: pip install "fastmlp[{PACKAGES[module][1]}]"')
