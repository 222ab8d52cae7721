"""Training on several processes: with MPI, with a communicator of your own, or with Dask.

    mpiexec -n 4 python -m mpi4py train.py

where each rank of train.py has its own rows:

    from mpi4py import MPI
    net.fit(X_of_this_rank, y_of_this_rank, comm=MPI.COMM_WORLD)

Importing fastmlp, or this package, does not start MPI: importing mpi4py's MPI does. With `python -m mpi4py`, an
uncaught exception on one rank ends the others too.

    with distributed.Client("scheduler:8786"):
        model = fastmlp.distributed.DaskMLPClassifier().fit(X, y)      # Dask arrays or DataFrames

Nor does importing it import or start Dask.
"""
import importlib
from typing import TYPE_CHECKING, Any

from .._optional import needing
from .communicator import Communicator, MPICommunicator, SerialCommunicator, communicator_of

if TYPE_CHECKING:  # at run time `__getattr__` imports them, and scikit-learn with them
    from .dask_estimators import DaskMLPClassifier as DaskMLPClassifier
    from .dask_estimators import DaskMLPRegressor as DaskMLPRegressor
    from .dask_tables import DaskTabularClassifier as DaskTabularClassifier
    from .dask_tables import DaskTabularRegressor as DaskTabularRegressor

__all__ = ["Communicator", "MPICommunicator", "SerialCommunicator", "communicator_of", "DaskMLPClassifier",
           "DaskMLPRegressor", "DaskTabularClassifier", "DaskTabularRegressor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "dask_tables" if name.startswith("DaskTabular") else "dask_estimators"
    with needing(name):
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
