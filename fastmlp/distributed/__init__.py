"""Training on several processes: by MPI, by what you have, or where Dask has the data.

    mpiexec -n 4 python -m mpi4py train.py

where each rank of train.py has its own rows:

    from mpi4py import MPI
    net.fit(X_of_this_rank, y_of_this_rank, comm=MPI.COMM_WORLD)

Importing fastmlp, or this package, does not start MPI: whoever hands its communicator to fit has done so. With
`python -m mpi4py` a rank that dies of an exception ends the others too.

    with distributed.Client("scheduler:8786"):
        model = fastmlp.distributed.DaskMLPClassifier().fit(X, y)      # Dask arrays or DataFrames

Nor does importing start Dask, nor import it.
"""
import importlib
from typing import TYPE_CHECKING, Any

from .._needs import needing
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
