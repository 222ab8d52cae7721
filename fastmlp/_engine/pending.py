"""What other threads want raised in this one."""


def raise_pending() -> None:
    """Raise it, if there is something: the interpreter does where a function of Python begins, but not in compiled
    code, which calls this now and then."""
    for _ in (None,):
        pass
