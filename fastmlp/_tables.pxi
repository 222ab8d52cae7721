# The tables of the C storey by name, the choice of kernels, and small functions on arrays.

ACTIVATIONS = {fastmlp_activations[i].name.decode(): (i, fastmlp_activations[i].arg) for i in range(N_ACTIVATIONS)}
LINKS = {fastmlp_links[i].decode(): i for i in range(N_LINKS)}
LOSSES = {fastmlp_losses[i].name.decode(): (i, fastmlp_losses[i].link, fastmlp_losses[i].arg) for i in range(N_LOSSES)}
STEPS = {fastmlp_steps[i].name.decode(): (i, fastmlp_steps[i].slots) for i in range(N_STEPS)}
PENALTIES = {"gradient_penalty": PENALTY_GRADIENT, "jacobian_penalty": PENALTY_JACOBIAN}
KIND_NAMES = {KINDS[i].name.decode(): i for i in range(1, N_KINDS)}
SOURCES = {np.dtype(fastmlp_sources[i].decode()): i for i in range(N_SOURCES)}
SOURCES[np.dtype(bool)] = SOURCES[np.dtype(np.uint8)]

# Bytes that scratch is filled with before a call, for the tests: nothing may depend on them.
scratch_fill = None


def available_isas():
    """The instruction sets that this build holds and this machine runs, best last."""
    names, i = [], 0
    while fastmlp_isas[i] != NULL:
        if fastmlp_kernels(fastmlp_isas[i], b'f') != NULL:
            names.append(fastmlp_isas[i].decode())
        i += 1
    return names


def choose_isa():
    """The best instruction set here, or the one that FASTMLP_ISA names."""
    here = available_isas()
    wanted = os.environ.get("FASTMLP_ISA")
    if wanted and wanted not in here:
        raise ImportError(f"FASTMLP_ISA={wanted!r} is not one of what this machine runs: {', '.join(here)}")
    return wanted or here[len(here) - 1]


ISA = choose_isa()
COMPILER = fastmlp_compiler.decode()


cdef const kernels_t *kernels_for(dtype, isa=None) except NULL:
    cdef const kernels_t *k = fastmlp_kernels((isa or ISA).encode(), b'f' if np.dtype(dtype) == np.float32 else b'd')
    if k == NULL:
        raise ValueError(f"isa must be one of {available_isas()}, got {isa!r}")
    return k


def aligned(shape, dtype):
    """Zeros that start on a cache line."""
    cdef Py_ssize_t size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGN, np.uint8)
    return on_line(raw)[:size].view(dtype).reshape(shape)


cdef on_line(raw):
    """raw from its first cache line on."""
    return raw[<Py_ssize_t>(ALIGN - address(raw) % ALIGN) % ALIGN:]


cdef uintptr_t address(a) except? 0:
    """Where the first element of an array is."""
    cdef Py_buffer view
    PyObject_GetBuffer(a, &view, PyBUF_STRIDES)
    cdef uintptr_t first = <uintptr_t>view.buf
    PyBuffer_Release(&view)
    return first


def function(str name, x, isa=None):
    """An elementwise function of the kernels, for tests."""
    cdef const kernels_t *k = kernels_for(x.dtype, isa)
    n = (x.size + 15) // 16 * 16
    padded = np.ones(n, x.dtype)
    padded[:x.size] = x.ravel()
    out = np.empty_like(padded)
    if not k.function(name.encode(), n, <void *>address(padded), <void *>address(out)):
        raise ValueError(f"name must be a function of the kernels, got {name!r}")
    return out[:x.size].reshape(x.shape)


def all_finite(a):
    """Whether a contiguous float array holds no NaN or infinity."""
    return bool(kernels_for(a.dtype).all_finite(a.size, <void *>address(a)))


MOST_THREADS = MAX_THREADS


def phases():
    """Ticks of training since the last call, by phase, of each thread; None but in a build with FASTMLP_PROFILE set."""
    if not PROFILING:
        return None
    ticks = {profile_phases[i].decode(): [PROFILE_TICKS(t, i) for t in range(MAX_THREADS)] for i in range(N_PHASES)}
    PROFILE_RESET()
    return ticks


def cores():
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def largest(a):
    """max |a| of a contiguous float array, NaN where it holds any."""
    return kernels_for(a.dtype).largest(a.size, <void *>address(a))


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    """splitmix64 (Steele, Lea and Flood 2014)"""
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111eb
    return z ^ (z >> 31)


WHOLE = 2**20    # rows that are shuffled as a whole, 8 MB of their numbers


def shuffle(int64_t[::1] order, seed, epoch, Py_ssize_t first=0, n=None):
    """Fill order with the part from place first on of the permutation of n (by default len(order)) numbers that (seed, epoch)
    determine. Up to WHOLE numbers are permuted as a whole (Fisher and Yates; Lemire 2019 without rejection)."""
    cdef uint64_t key = mix(mix(<uint64_t>(seed & 0xffffffffffffffff)) + <uint64_t>0x9e3779b97f4a7c15 * <uint64_t>(epoch + 1)), u
    cdef Py_ssize_t i, j, m = order.shape[0], total = m if n is None else n
    cdef int64_t q
    if total > WHOLE:
        permute(order, first, total, key)
        return
    with nogil:
        for i in range(m):
            order[i] = i
        for i in range(m - 1, 0, -1):
            key += <uint64_t>0x9e3779b97f4a7c15
            u = mix(key) >> 32
            j = <Py_ssize_t>((u * <uint64_t>(i + 1)) >> 32)
            q = order[i]
            order[i] = order[j]
            order[j] = q


cdef permute(int64_t[::1] order, Py_ssize_t first, Py_ssize_t n, uint64_t key):
    """Where a permutation of n numbers takes first, first + 1, ..: one of the few more below a b, and from what is none of the n it
    goes on until it is one (Black and Rogaway 2002)."""
    cdef const kernels_t *k = kernels_for(np.float32)
    cdef uint64_t a = math.isqrt(int(n)) + 1, b = (n + a - 1) // a
    cdef uint32_t[4] keys = [mix(key), mix(key + 1), mix(key + 2), mix(key + 3)]
    cdef Py_ssize_t i = 0, j, end, m = order.shape[0]
    with nogil:
        while i < m:
            end = min(i + PERMUTED, m)
            k.permute(first + i, end - i, a, b, keys, &order[i])
            for j in range(i, end):
                while order[j] >= n:
                    k.permute(order[j], 1, a, b, keys, &order[j])
            i = end
