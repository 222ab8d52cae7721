"""Data larger than memory, for `fit(X, y, window=...)`.

NumPy's memory maps, h5py's datasets and zarr's arrays can be used directly: they have a shape, a dtype and slicing by
rows. `Parquet` provides these for the columns of Parquet files; the estimators of tables can also be fitted to it.
"""
from .parquet import Columns, Parquet

__all__ = ["Columns", "Parquet"]
