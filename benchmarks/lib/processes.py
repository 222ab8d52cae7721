"""A contestant in a process of its own: the number of threads of its BLAS, OpenMP or XLA is settled before anything is
imported there, and one that is not being timed takes no time from the others, since its process waits for the next
call."""
import contextlib
import multiprocessing
import os
import traceback

SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # OpenBLAS chooses its kernels by the processor


class Refused(Exception):
    """A contestant is not installed, or has no call for what was asked."""


class Failed(Exception):
    """Anything else that goes wrong in its process."""


@contextlib.contextmanager
def environment(threads, more):
    before = dict(os.environ)
    os.environ.update({name: str(threads) for name in SETTINGS}, **more)
    for name in UNSET:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@contextlib.contextmanager
def one_core():
    """Keep this process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def serve(pipe, pinned, make, arguments):
    """In the child: make an object, then answer (method, arguments) until the pipe is closed."""
    subject, where = None, one_core() if pinned else contextlib.nullcontext()
    with where, contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            method, given = pipe.recv()
            try:
                if subject is None:
                    subject = make(*arguments)
                pipe.send((None, getattr(subject, method)(*given)))
            except (ImportError, NotImplementedError) as error:
                pipe.send((Refused, str(error)))
            except Exception:
                pipe.send((Failed, traceback.format_exc()))


class Remote:
    """An object made in another process; call(method, ..) waits for its answer.

    threads: that its libraries may start. pinned: whether it is kept on one core, by default where they may start none,
    since XLA's obey nothing else.
    """

    def __init__(self, threads, make, *arguments, environ=(), pinned=None):
        pinned = threads == 1 if pinned is None else pinned
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, pinned, make, arguments))
        with environment(threads, dict(environ)):
            self.process.start()
        theirs.close()

    def call(self, method, *arguments):
        try:
            self.pipe.send((method, arguments))
            wrong, answer = self.pipe.recv()
        except (EOFError, BrokenPipeError):
            raise Failed(f"the process died, exit code {self.process.exitcode}") from None
        if wrong:
            raise wrong(answer)
        return answer

    def close(self):
        self.pipe.close()
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
