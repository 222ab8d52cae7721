# Run epochs in stints, chunks that the threads do in one go. Between stints the number of threads and of chunks is
# chosen, and signals are handled.

# Lengths of stints:
cdef double STINT_SECONDS = 2e-3    # ordinary ones
cdef double TRY_SECONDS = 3e-4      # those that measure
cdef double BEGIN_SECONDS = 5e-5    # on the caller alone, while the other threads start or wake up
# The slower choice is timed again after RETRY_SECONDS, since a thread that has just started is slow; each time it is
# slower again, the interval doubles, up to PATIENCE_SECONDS.
cdef double RETRY_SECONDS = 0.01
cdef double PATIENCE_SECONDS = 1.0


cdef class Pace:
    """The measured time of a chunk on one thread and on all, by which the number of threads is chosen. Results have the
    same bits either way."""

    cdef bint one_thread_pays(self, Py_ssize_t chunk):
        """Whether all threads were slower than one when last tried, less than retry_after ago."""
        return (self.timed_for == chunk and 0 < self.cost[0] <= self.cost[1]
                and now_seconds() - self.tried < self.retry_after)

    cdef Py_ssize_t run_chunks(self, Call call, Team team, Py_ssize_t first, Py_ssize_t last) except -1:
        """Run chunks first .. last - 1 of an epoch in stints, between which signals are handled and the number of
        threads is chosen; returns the first chunk not done."""
        cdef Job *job = &call.job
        cdef Py_ssize_t chunk = first, count
        cdef double began, now, checked = now_seconds()
        cdef int threads
        job.team = &team.team
        job.results.bad_chunk = last
        call.watch()
        while chunk < last:
            threads = self.plan(job, team, &count)
            count = min(count, last - chunk)
            job.batches.first_chunk, job.batches.end_chunk = chunk, chunk + count
            share_weights(job, threads)
            job.tiny.runs = job.tiny.L > 0 and threads == 1
            with nogil:
                began = now_seconds()
                team_run(job.team, threads, train_job, job)
                now = now_seconds()
            call.raise_error()
            if job.results.bad_chunk < last:
                return job.results.bad_chunk
            chunk += count
            self.learn(team, threads > 1, (now - began) / count)
            if now - checked > SIGNAL_SECONDS:
                checked = now
                check_signals()
        return chunk

    cdef Py_ssize_t run_epochs(self, Call call, Team team, repeats, uint64_t key, Py_ssize_t chunks) except -1:
        """Run the epochs of Repeats, each of `chunks` chunks, and handle signals in between; returns how many
        succeeded. key: of the first epoch, not yet mixed."""
        cdef Job *job = &call.job
        cdef Py_ssize_t e, n
        cdef double now, checked = now_seconds(), largest
        cdef double *sums
        cdef uint64_t seed = 0, first
        cdef bint shuffled
        losses, epoch, given, largest = <tuple>repeats
        sums, n, first, shuffled = <double *>address(losses), len(losses), epoch, given is not None
        if shuffled:
            seed = given
        for e in range(n):
            if shuffled:
                permute_whole(<int64_t *>job.rows.order, job.rows.n, order_key(seed, first + e))
            job.batches.key = mix(key + e)
            job.results.loss_sum = 0
            if self.run_chunks(call, team, 0, chunks) < chunks:
                return e
            if not job.k.largest(job.net.n_elements, job.net.P) < largest:
                return e
            sums[e] = job.results.loss_sum
            now = now_seconds()
            if now - checked > SIGNAL_SECONDS:
                checked = now
                check_signals()
        return n

    cdef int plan(self, Job *job, Team team, Py_ssize_t *count):
        """The number of threads and chunks of the next stint. If the team may choose, it compares all threads with one,
        and measures the slower of the two again from time to time."""
        cdef bint wide = team.n > 1, present = <int>load(&team.team.present) >= team.n - 1
        cdef double each
        if self.timed_for != job.batches.chunk:
            self.timed_for, self.cost[0], self.cost[1], self.retry_after = job.batches.chunk, 0, 0, RETRY_SECONDS
        if wide and team.auto:
            if self.cost[0] > 0 and self.cost[1] > 0 and now_seconds() - self.tried > self.retry_after:
                team.awake = self.cost[1] < self.cost[0]
                self.cost[team.awake == 0] = 0
            wide = self.cost[0] > 0 and (self.cost[1] == 0 or self.cost[1] < self.cost[0])
        wide = wide and present     # do not wait for threads that are still starting or waking up
        each = self.cost[wide]
        count[0] = 1
        if each > 0:
            count[0] = max(1, <Py_ssize_t>((STINT_SECONDS if present else BEGIN_SECONDS) / each))
        elif team.auto and wide and not team.awake:
            team.waking = True  # this chunk only wakes the workers; its time is not used
        else:
            self.tried = now_seconds()
            count[0] = max(1, <Py_ssize_t>(TRY_SECONDS / (6e-11 * job.net.work * job.batches.chunk + 1e-7)))
        return team.n if wide else 1

    cdef learn(self, Team team, bint wide, double each):
        """Record the time of a chunk, `each`."""
        cdef bint again = self.cost[wide] == 0
        if team.waking:
            team.waking, team.awake = False, True
            if each > 10 * self.cost[0]:    # other processes use the cores: one thread for now
                self.cost[1], self.tried = each, now_seconds()
            return
        self.cost[wide] = each
        if self.cost[0] == 0 or self.cost[1] == 0:
            return
        if self.all_pay != (self.cost[1] < self.cost[0]):
            self.all_pay, self.retry_after, self.tried = not self.all_pay, RETRY_SECONDS, now_seconds()
        elif again:
            self.retry_after = min(2 * self.retry_after, PATIENCE_SECONDS)
