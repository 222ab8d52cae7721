# A barrier and sums for ranks of one machine, through shared memory.

cdef class Meeting:
    """The meeting of ranks 0 .. size - 1. memory: shared uint8 array of size times BYTES, initially zero, which starts
    on a cache line."""

    BYTES = sizeof(place_t)

    def __cinit__(self, memory, int rank, int size):
        self.memory = memory
        self.meeting.places = <place_t *>address(memory)
        self.meeting.rank, self.meeting.size = rank, size
        self.meeting.spin = SPIN if size <= cores() else 0

    def meet(self):
        """Return once all ranks have called it; what they wrote before is then visible."""
        with nogil:
            meet(&self.meeting, NULL)

    def sums(self, numbers):
        """As meet, and replace numbers, float64 (4,), by their sums over all ranks, added in the order of the ranks."""
        cdef double *place = <double *>address(numbers)
        with nogil:
            meet(&self.meeting, place)
