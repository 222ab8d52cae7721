"""Raise exceptions that other threads have scheduled for this one (PyThreadState_SetAsyncExc)."""


def raise_pending() -> None:
    """Raise a scheduled exception, if there is one. The interpreter raises it in Python code, such as the loop here,
    but not in compiled code, which therefore calls this from time to time."""
    for _ in (None,):
        pass
