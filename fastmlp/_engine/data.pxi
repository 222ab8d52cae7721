# Data: pointers to the X, targets and weights of a user, as the kernels read them.

cdef class Data:
    """Rows bound for the engine: X dense or CSR, targets, weights. Keeps references to the arrays pointed at."""

    def __init__(self, X, targets=None, weight=None, loss=None, stacked=None):
        """X: 2-D array of a type in SOURCES, or scipy CSR. targets: int32 labels (n,), or (n, targets)
        C-contiguous or CSR. weight: (n,). Targets and weight are of the network's dtype. loss(rows, x): a Python loss
        in place of the engine's, giving values (m,) and derivatives (m, d(L)). stacked: uint8 (d,), of an X of
        differences whether each column stands on the one before, see stacked.pyx; then X is CSR of the network's dtype,
        its columns in order and none twice, and serves for training without penalties, attacks, noise and mixup, for
        predictions and losses."""
        self.owners = (X, targets, weight, stacked)
        self.loss, self.stacked = loss, stacked
        if stacked is not None:
            self.most_terms = np.diff(X.indptr).max(initial=0)
        self.n, self.d = X.shape
        self.dtype = X.dtype
        self.X = source_of(X)
        if targets is not None:
            if hasattr(targets, "indptr"):
                self.Y = source_of(targets)
                self.form, self.y, self.ldy = TARGETS_csr, &self.Y, targets.shape[1]
            elif targets.dtype == np.int32 and targets.ndim == 1:
                self.form, self.y = TARGETS_labels, <void *>address(targets)
            else:
                self.y, self.ldy = <void *>address(targets), targets.shape[1]
        if weight is not None:
            self.weight = <void *>address(weight)
        self.sample_weight = weight
        self.weight_sum = self.weight_of(None)

    def weight_of(self, rows):
        """The sum of the weights of some rows, or of all; without weights the number of rows."""
        if self.sample_weight is None:
            return float(self.n if rows is None else len(rows))
        return float((self.sample_weight if rows is None else self.sample_weight[rows]).sum(dtype=np.float64))
