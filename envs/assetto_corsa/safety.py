"""Whatever ends this process, no car is left with the last command: the plugin has no watchdog."""

import atexit
import contextlib
import os
import signal
import threading
import weakref
from types import FrameType
from typing import Any, Protocol


class Driven(Protocol):
    """Something that can be told to be safe, at any moment and in any thread."""

    def make_safe(self) -> None:
        """Let the car roll out; no error comes out of it."""


_driven: "weakref.WeakSet[Any]" = weakref.WeakSet()
_before: dict[int, Any] = {}  # what was done at signals before
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


def watch(driven: Driven) -> None:
    """Make `driven` safe at the end of the process, and at signals that would end it without a word.

    Ctrl-C is no such signal: it raises, and envs close.
    """
    if not _driven:
        atexit.register(make_all_safe)
    _driven.add(driven)
    take_signals()


def take_signals() -> None:
    """Take the signals, in the main thread, where alone that can be done; whoever took them before is called too."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if number not in _before and signal.getsignal(number) is not signal.SIG_IGN:
                _before[number] = signal.signal(number, _on_signal)


def forget(driven: Driven) -> None:
    """Leave `driven` alone from now on."""
    _driven.discard(driven)


def make_all_safe() -> None:
    """Tell all."""
    for driven in list(_driven):
        with contextlib.suppress(Exception):  # the process ends; the others must be told too
            driven.make_safe()


def _on_signal(number: int, frame: FrameType | None) -> None:
    make_all_safe()
    before = _before.get(number, signal.SIG_DFL)
    if callable(before):
        before(number, frame)
    elif before is signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
