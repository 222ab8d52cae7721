"""The pages of the API reference: which public name is on which page. tests/test_docs.py holds them to be complete."""
import functools
import importlib
import pathlib

import fastmlp
from fastmlp import data, distributed, export, layers, optim, schedules, sensitivity

# page -> (title, what it is about, names, where they are)
PAGES = {
    "mlp": ("Networks", "The network itself, and what it gives back.", ["MLP", "History", "fit_many"], "fastmlp"),
    "estimators": ("Estimators", "With scikit-learn: `pip install \"fastmlp[sklearn]\"`.",
                   ["MLPClassifier", "MLPRegressor", "MLPAutoencoder", "TabularClassifier", "TabularRegressor"],
                   "fastmlp"),
    "layers": ("Layers", "What `MLP` takes in its list, besides sizes.", layers.__all__, "fastmlp"),
    "optimizers": ("Optimisers", "What `fit` takes as `optimizer`, by object or by lower-case name.", optim.__all__,
                   "fastmlp"),
    "schedules": ("Schedules", "Rates that change, for `lr` and for `Dropout`.", schedules.__all__,
                  "fastmlp.schedules"),
    "callbacks": ("Callbacks", "What looks on while a network trains.",
                  ["Callback", "EarlyStopping", "Checkpoint", "ProgressBar", "CSVLogger", "TimeLimit",
                   "LambdaCallback"], "fastmlp"),
    "metrics": ("Metrics", "What `fit` takes as `metrics` by name: functions of targets, predictions and weights.",
                list(importlib.import_module("fastmlp.metrics").METRICS), "fastmlp.metrics"),
    "ties": ("Ties", "Weights that share a parameter, or stand still.",
             ["TiedGroup", "Frozen", "tie_transpose", "tie_layers", "tie_map"], "fastmlp"),
    "sensitivity": ("Sensitivity", "How outputs and the error depend on the input.", sensitivity.__all__,
                    "fastmlp.sensitivity"),
    "distributed": ("Several processes",
                    "What `fit` takes as `comm`, with MPI: `pip install \"fastmlp[mpi]\"`. Estimators for data that "
                    "Dask has: `pip install \"fastmlp[dask]\"`.",
                    distributed.__all__, "fastmlp.distributed"),
    "data": ("Data larger than memory",
             "What `fit` takes a `window` at a time. With Parquet: `pip install \"fastmlp[parquet]\"`.",
             data.__all__, "fastmlp.data"),
    "export": ("Other formats", "ONNX, C, PyTorch, scikit-learn; `MLP` and estimators have methods of these names.",
               export.__all__, "fastmlp.export"),
    "plot": ("Pictures", "With matplotlib: `pip install \"fastmlp[plot]\"`.",
             ["SensitivityDisplay", "NoiseCurveDisplay", "LossCurveDisplay"], "fastmlp"),
    "other": ("Names, warnings, versions", "What there is, and how it was built.",
              ["activations", "losses", "initializers", "instruction_set", "show_config", "DivergenceWarning",
               "ScaleWarning"], "fastmlp"),
}
# public as modules, whose pages are above
MODULES = ("schedules", "callbacks", "sensitivity", "metrics", "export", "distributed", "data")


@functools.cache
def examples(page):
    """{name: (a package that it needs or "", lines)} of a page's api_examples/<page>.txt; of names whose docstrings
    have examples there are none."""
    path, found = pathlib.Path(__file__).parent / "api_examples" / f"{page}.txt", {}
    for block in path.read_text().strip().split("\n\n") if path.exists() else ():
        head, *lines = block.split("\n")
        name, _, needs = head.partition(" needs ")
        found[name] = needs, [line.removeprefix("    ") for line in lines]
    return found


def example(qualified):
    """The example of a name such as fastmlp.Dense that has one in api_examples, as lines, or ()."""
    module, _, name = qualified.rpartition(".")
    found = [examples(page)[name][1] for page, (_, _, _, home) in PAGES.items()
             if home == module and name in examples(page)]
    return found[0] if found else ()


def page(title, about, names, module):
    """A page in reStructuredText."""
    lines = [title, "=" * len(title), "", about.replace("`", "``"), ""]
    for name in names:
        thing = getattr(importlib.import_module(module), name)
        directive = "autofunction" if not isinstance(thing, type) else "autoclass"
        lines += [f".. {directive}:: {module}.{name}", *(["   :members:", "   :inherited-members: dict, Warning, "
                  "RuntimeWarning, UserWarning, BaseEstimator, TransformerMixin, ClassifierMixin, RegressorMixin, "
                  "ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, Documented, Shown"]
                  if directive == "autoclass" else []), ""]
    return "\n".join(lines)


def write(folder):
    """Write the pages, and one that lists them, where they are not there as they should be."""
    folder.mkdir(exist_ok=True)
    toc = ["API reference", "=============", "",
           f"Every public name of fastmlp {fastmlp.__version__}.", "", ".. toctree::", "   :maxdepth: 2", "",
           *(f"   {name}" for name in PAGES), ""]
    for name, text in {"index": "\n".join(toc), **{name: page(*row) for name, row in PAGES.items()}}.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
