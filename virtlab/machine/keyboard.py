"""Ctrl-C, or a notebook's stop button, without cutting the machine off in the middle of a step."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def uninterrupted(where=str):
    """Hold back a SIGINT while the machine is being changed.

    Yields a threading.Event that is set once the interrupt has come; a long run looks at it and
    ends early. The interrupt itself is delivered when the block is left: as KeyboardInterrupt with
    the text that `where()` returns, or by the handler that the program has set for it.

    Other threads than the main one never receive a SIGINT, so for them nothing is done; nor where
    the program ignores it.
    """
    flag = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield flag
        return
    signal.signal(signal.SIGINT, lambda *_: flag.set())
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
    if flag.is_set():
        if before is signal.default_int_handler:
            raise KeyboardInterrupt(where())
        before(signal.SIGINT, None)
