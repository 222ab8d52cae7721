"""Which module knows which: no circles, one private name of MLP, and a light `import fastmlp`."""
import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import fastmlp

HOME = Path(fastmlp.__file__).parent
# they know it; it reaches them through _lazy.py alone
ABOVE_THE_MODEL = ("sensitivity", "plot", "estimators", "distributed", "data", "export", "tabular")
OWNERS = ("net", "mlp", "network", "parameters", "progress")  # names that such objects go by


def module_name(path):
    return ".".join(("fastmlp", *path.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_name(path): path for path in HOME.rglob("*.py")}
COMPILED = {module_name(path) for path in HOME.rglob("*.pyi")}


def imported(name):
    """The modules that a module imports, at its head or in a function, but not for type checkers alone."""
    tree = ast.parse(MODULES[name].read_text())
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_checkers = {node for guard in guards for statement in guard.body for node in ast.walk(statement)}
    found = set()
    for node in set(ast.walk(tree)) - for_checkers:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join(package.split(".")[:len(package.split(".")) - node.level + 1])
            base = f"{base}.{node.module}" if node.module else base
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in {*MODULES, *COMPILED} else base
                      for alias in node.names}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
    return found & set(MODULES) - {name}


GRAPH = {name: imported(name) for name in MODULES}


def test_no_circles():
    assert list(graphlib.TopologicalSorter(GRAPH).static_order())  # raises CycleError, which names them


def test_the_model_knows_none_of_those_that_know_it():
    below, new = set(), {"fastmlp.model"}
    while new:
        below |= new
        new = {other for name in new for other in GRAPH[name]} - below
    assert not [name for name in below if name.split(".")[1] in ABOVE_THE_MODEL]


def test_other_modules_use_one_private_name_of_mlp():
    private = set()
    for path in MODULES.values():
        if path.name == "model.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
                    and ast.unparse(node.value).rpartition(".")[2] in OWNERS):
                private.add(node.attr)
    assert private == {"_network"}


FOREIGN = {"_network", "_replace", "_chunks", "_meta"}  # of MLP, named tuples, Dask


def private_names(package):
    """Those that modules of a package use of other objects than their own."""
    trees = [ast.parse(path.read_text()) for path in (HOME / package).glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self"}
    return {name for name in used - own - FOREIGN if name.startswith("_") and not name.startswith("__")}


def said():
    """{package: private names} as the bases of the estimators list them."""
    found = {}
    for package in ("estimators", "tabular"):
        for node in ast.parse((HOME / package / "_base.py").read_text()).body:
            if isinstance(node, ast.ClassDef):
                listed = ast.get_docstring(node).partition("other packages use these: ")[2]
                for part in listed.split("; "):
                    user, *names = re.findall(r"`(\w+)`", part)
                    found.setdefault(user, set()).update(names)
    return found


def test_the_estimators_list_the_private_names_that_other_packages_use():
    assert said() == {package: private_names(package) for package in ("sensitivity", "export", "distributed")}


def test_importing_fastmlp_is_light():
    code = "import sys, fastmlp; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert not {"sklearn", "matplotlib", "scipy", "pandas"} & set(done.stdout.split())
