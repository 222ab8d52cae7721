"""Training on several processes, by MPI or by what you have.

    mpiexec -n 4 python -m mpi4py train.py

where each rank of train.py has its own rows:

    from mpi4py import MPI
    net.fit(X_of_this_rank, y_of_this_rank, comm=MPI.COMM_WORLD)

Importing fastmlp, or this package, does not start MPI: whoever hands its communicator to fit has done so. With
`python -m mpi4py` a rank that dies of an exception ends the others too.
"""
from .communicator import Communicator, MPICommunicator, SerialCommunicator, communicator_of

__all__ = ["Communicator", "MPICommunicator", "SerialCommunicator", "communicator_of"]
