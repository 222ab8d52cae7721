"""How accurate models are on real tables, and how long they take: python benchmarks/run/tables.py --help

Writes tables.json, tables.md and tables.png. What is measured is on rows that no model has seen.
"""
import itertools
import time
import warnings

import numpy as np
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

import _path  # noqa: F401
import fastmlp
from lib import machine, options, real_tables, report, tables

STOPPED = {"n_estimators": 1000, "learning_rate": 0.05}
PATIENCE = 50  # trees


def held(X, y, classes):
    """A fifth of the rows to stop by."""
    stratify = y if classes and np.bincount(y).min() > 1 else None
    return train_test_split(X, y, test_size=0.2, random_state=0, stratify=stratify)


def ours(preset):
    def fit(X, y, classes, seed, threads):
        kind = fastmlp.TabularClassifier if classes else fastmlp.TabularRegressor
        return kind(preset, random_state=seed, n_threads=threads).fit(X, y)

    return fit


def lightgbm(stopped):
    def fit(X, y, classes, seed, threads):
        import lightgbm

        kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        if not stopped:
            return kind(verbose=-1, n_jobs=threads, random_state=seed).fit(X, y)
        X, V, y, v = held(X, y, classes)
        return kind(verbose=-1, n_jobs=threads, random_state=seed, **STOPPED).fit(
            X, y, eval_set=[(V, v)], callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)])

    return fit


def xgboost(stopped):
    def fit(X, y, classes, seed, threads):
        import xgboost

        kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        common = {"enable_categorical": True, "n_jobs": threads, "random_state": seed}
        if not stopped:
            return kind(**common).fit(X, y)
        X, V, y, v = held(X, y, classes)
        return kind(**common, **STOPPED, early_stopping_rounds=PATIENCE).fit(X, y, eval_set=[(V, v)], verbose=False)

    return fit


def histogram(stopped):
    def fit(X, y, classes, seed, threads):
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        more = {"max_iter": 1000, "learning_rate": 0.05, "early_stopping": True, "validation_fraction": 0.2,
                "n_iter_no_change": PATIENCE} if stopped else {}
        few = [str(X[c].dtype) == "category" and X[c].nunique() <= 255 for c in X]  # it takes no more
        X = X[X.columns[[f or str(X[c].dtype) != "category" for f, c in zip(few, X)]]]
        model = kind(categorical_features="from_dtype", random_state=seed, **more).fit(X, y)
        return OfColumns(model, X.columns)

    return fit


class OfColumns:
    """A model that looks at some of the columns."""

    def __init__(self, model, columns, change=lambda X: X):
        self.model, self.columns, self.change = model, columns, change

    def predict(self, X):
        return self.model.predict(self.change(X[self.columns]))

    def predict_proba(self, X):
        return self.model.predict_proba(self.change(X[self.columns]))


def catboost(X, y, classes, seed, threads):
    import catboost

    names = [c for c in X if str(X[c].dtype) == "category"]
    text = lambda X: X.assign(**{c: X[c].astype(object).where(X[c].notna(), "none").astype(str) for c in names})
    kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
    model = kind(verbose=0, thread_count=threads, random_seed=seed, cat_features=names, allow_writing_files=False)
    return OfColumns(model.fit(text(X), y), list(X.columns), text)


def perceptron(X, y, classes, seed, threads):
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    columns = ColumnTransformer([("numbers", numbers, make_column_selector(dtype_include="number")),
                                 ("categories", OneHotEncoder(handle_unknown="ignore", max_categories=100,
                                                              sparse_output=False),
                                  make_column_selector(dtype_include="category"))])
    model = (MLPClassifier if classes else MLPRegressor)(random_state=seed, early_stopping=True)
    if not classes:
        from sklearn.compose import TransformedTargetRegressor

        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return make_pipeline(columns, model).fit(X, y)


CONTESTANTS = {"fastmlp": ours("default"), "fastmlp fast": ours("fast"), "LightGBM": lightgbm(False),
               "XGBoost": xgboost(False), "HistGradientBoosting": histogram(False), "CatBoost": catboost,
               "LightGBM stopped": lightgbm(True), "XGBoost stopped": xgboost(True),
               "HistGradientBoosting stopped": histogram(True), "scikit-learn's MLP": perceptron}


def scores(model, X, y, classes):
    """{what: figure} of rows that were not trained on."""
    if not classes:
        missed = y - np.ravel(model.predict(X))
        return {"loss": float(np.sqrt(np.mean(missed**2))), "error": float(np.abs(missed).mean()), "auc": None}
    p = np.clip(np.asarray(model.predict_proba(X), float), 1e-7, 1)
    p /= p.sum(axis=1, keepdims=True)
    present = np.unique(y)
    auc = roc_auc_score(y, p[:, 1]) if p.shape[1] == 2 else np.mean([roc_auc_score(y == k, p[:, k]) for k in present])
    return {"loss": float(-np.log(p[np.arange(len(y)), y]).mean()), "error": float((p.argmax(axis=1) != y).mean()),
            "auc": float(auc)}


def measure(name, seed, fit, threads):
    """A row of what was found."""
    X, y, X_test, y_test, task = real_tables.split(name, seed)
    classes = int(y.max()) + 1 if task == "classification" else 0
    with threadpool_limits(threads):
        began, computed = time.perf_counter(), time.process_time()
        model = fit(X, y, classes, seed, threads)
        fitted, cpu = time.perf_counter(), time.process_time() - computed
        found = scores(model, X_test, y_test, classes)
        return {"fit": fitted - began, "cpu": cpu, "predict": time.perf_counter() - fitted, **found}


def main():
    p = options.parser(__doc__, 3, real_tables.TABLES)
    p.add_argument("--models", type=options.several(str, CONTESTANTS), default=list(CONTESTANTS))
    p.add_argument("--go-on", action="store_true", help="keep what the file has, and run what it has not")
    p.add_argument("--note", default="", help="a sentence for the page, as about what else the machine did")
    p.add_argument("--threads", type=int, default=machine.cores())
    args = p.parse_args()
    warnings.simplefilter("ignore")
    found = {"info": machine.describe(["float32"]), "threads": args.threads, "note": args.note, "rows": []}
    if args.go_on:
        found["rows"] = tables.load(args.out, "tables")["rows"]
    there = {(row["table"], row["seed"], row["model"]) for row in found["rows"]}
    for model, name, seed in itertools.product(args.models, args.items, range(args.rounds)):
        if (name, seed, model) not in there:
            row = {"table": name, "task": real_tables.TABLES[name][0], "seed": seed, "model": model}
            try:
                row |= measure(name, seed, CONTESTANTS[model], args.threads)
                print(f"{name}, {seed}, {model}: {row['loss']:.5g}, {row['fit']:.1f} s", flush=True)
            except ImportError as error:
                row["failed"] = str(error)
            found["rows"].append(row)
            report.write(found, args.out, "tables")
    report.write(found, args.out, "tables", charted=True)


if __name__ == "__main__":
    main()
