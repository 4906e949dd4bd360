"""Ctrl-C around a pool of processes, where an exception out of nowhere would leave locks behind."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_handed_to(notice: Callable[[], None]) -> Iterator[None]:
    """Call `notice` in here where a signal would raise KeyboardInterrupt.

    That exception may come between any two instructions of the main thread, also right after a library has locked
    what its other threads wait for: they then wait for ever, and the command with them. `notice` lets the main thread
    raise it where it holds nothing.

    Args:
        notice: may be called at any moment; `queue.SimpleQueue.put` is made for that.
    """
    numbers = []
    if threading.current_thread() is threading.main_thread():  # no other hears signals, nor may change who does
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is signal.default_int_handler]
    for number in numbers:
        signal.signal(number, lambda *_: notice())
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)


@contextmanager
def children_deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started in here not hear ctrl-C, which a terminal sends to them as well.

    They inherit it, so it holds from their first instruction on (POSIX). This process hears what came meanwhile
    at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
