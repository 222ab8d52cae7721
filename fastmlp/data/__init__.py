"""Data larger than memory, for `fit(X, y, window=...)`.

NumPy's memory maps, h5py's datasets and zarr's arrays need nothing of this: they have a shape, a dtype and slices by
rows. `Parquet` gives the columns of Parquet files the same, and is what the estimators of tables are fitted to.
"""
from .parquet import Columns, Parquet

__all__ = ["Columns", "Parquet"]
