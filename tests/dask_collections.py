"""Dask collections that are cut in awkward ways."""
import dask.dataframe as dd
import numpy as np
import pandas as pd


def frame(a):
    return pd.DataFrame(a, columns=[f"c{j}" for j in range(a.shape[1])]) if a.ndim == 2 else pd.Series(a, name="y")


def of_unknown_chunks(a, chunks):
    return dd.from_pandas(frame(a), npartitions=chunks, sort=False).to_dask_array()


def with_empty_parts(a):
    """Partitions of which the first, one within and the last have no rows."""
    whole = dd.from_pandas(frame(a) if isinstance(a, np.ndarray) else a, npartitions=4, sort=False)
    none = whole.map_partitions(lambda part: part.iloc[:0])
    return dd.concat([none, whole, none], interleave_partitions=True)
