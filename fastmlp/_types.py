"""Types for annotations."""
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 or float64, the network's dtype
Integers = NDArray[np.int64]
Shape = tuple[int, ...]  # of a row of x(l), or of W(l)
