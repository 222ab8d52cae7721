# The order of rows: permutations determined by a seed and an epoch.

cdef enum:
    PERMUTED = 4096     # numbers permuted by one call of the kernel

cdef uint64_t GOLDEN = 0x9e3779b97f4a7c15    # 2^64 over the golden ratio, as splitmix64 counts

WHOLE = 2**20    # up to so many rows are shuffled as a whole; their numbers take 8 MB


def shuffle(places, seed, epoch, Py_ssize_t first=0, n=None):
    """Fill places, contiguous int64, with elements first, first + 1, .. of a permutation of 0 .. n - 1, determined by
    (seed, epoch). n: len(places) by default. Up to WHOLE numbers are permuted as a whole (Fisher and Yates; Lemire 2019
    without rejection)."""
    cdef uint64_t key = order_key(<uint64_t>(seed & 0xffffffffffffffff), <uint64_t>epoch)
    cdef Py_ssize_t m = len(places), total = m if n is None else n
    cdef int64_t *order = <int64_t *>address(places)
    if places.dtype != np.int64 or not places.flags.c_contiguous:
        raise TypeError(f"places must be contiguous int64, got {places.dtype}")
    if total > WHOLE:
        permute(order, m, first, total, key)
        return
    with nogil:
        permute_whole(order, m, key)


cdef inline uint64_t order_key(uint64_t seed, uint64_t epoch) noexcept nogil:
    """The key that determines an epoch's order."""
    return mix(mix(seed) + GOLDEN * (epoch + 1))


cdef void permute_whole(int64_t *order, Py_ssize_t n, uint64_t key) noexcept nogil:
    """The permutation of 0 .. n - 1 that a key determines."""
    cdef Py_ssize_t i, j
    cdef uint64_t u
    cdef int64_t q
    for i in range(n):
        order[i] = i
    for i in range(n - 1, 0, -1):
        key += GOLDEN
        u = mix(key) >> 32
        j = <Py_ssize_t>((u * <uint64_t>(i + 1)) >> 32)
        q = order[i]
        order[i] = order[j]
        order[j] = q


cdef permute(int64_t *order, Py_ssize_t m, Py_ssize_t first, Py_ssize_t n, uint64_t key):
    """The images of first, first + 1, .. under a permutation of n numbers: permute 0 .. a b - 1, slightly more than n
    numbers; results >= n are permuted again until they are below n (cycle walking, Black and Rogaway 2002)."""
    cdef const kernels_t *k = kernels_for(np.dtype(np.float32))
    cdef uint64_t a = math.isqrt(int(n)) + 1, b = (n + a - 1) // a
    cdef uint32_t[4] keys = [mix(key), mix(key + 1), mix(key + 2), mix(key + 3)]
    cdef Py_ssize_t i = 0, j, end
    with nogil:
        while i < m:
            end = min(i + PERMUTED, m)
            k.permute(first + i, end - i, a, b, keys, &order[i])
            for j in range(i, end):
                while order[j] >= n:
                    k.permute(order[j], 1, a, b, keys, &order[j])
            i = end
