# Where ranks of one machine meet.

cdef class Meeting:
    """Ranks 0 .. size - 1 that share memory: a uint8 array of size times BYTES, of zeros at first, on a cache line."""

    BYTES = sizeof(place_t)

    def __cinit__(self, memory, int rank, int size):
        self.memory = memory
        self.meeting.places = <place_t *>address(memory)
        self.meeting.rank, self.meeting.size = rank, size
        self.meeting.spin = SPIN if size <= cores() else 0

    def meet(self):
        """Go on once all have called it, and see what they have written before."""
        with nogil:
            meet(&self.meeting, NULL)

    def sums(self, numbers):
        """The same; float64 (4,) become the sums over all ranks, added in their order."""
        cdef double *place = <double *>address(numbers)
        with nogil:
            meet(&self.meeting, place)
