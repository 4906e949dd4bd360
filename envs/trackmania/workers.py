"""Who carries out a step of real time: a thread beside the policy, or, where time waits, the caller itself."""

import threading
from collections.abc import Callable
from typing import Protocol

from envs.errors import SimulatorUnavailable

Work = Callable[[], None]


class Worker(Protocol):
    """Carries out one step at a time: what begins it at once, what finishes it until it is joined."""

    def start(self, begin: Work, finish: Work) -> None:
        """Start a step. What it raises, `join` raises."""

    def join(self, timeout_s: float) -> None:
        """Wait for the step's end; without a step, return at once.

        Raises:
            SimulatorUnavailable: it has not ended in time.
        """

    def close(self) -> None:
        """End; a second call does nothing."""


class InlineWorker:
    """Begins in `start` and finishes in `join`: for clocks that only go on while somebody waits."""

    def __init__(self) -> None:
        self._finish: Work | None = None
        self._error: BaseException | None = None

    def start(self, begin: Work, finish: Work) -> None:
        """Begin now."""
        self._finish = finish
        try:
            begin()
        except Exception as error:  # belongs to whoever joins
            self._error, self._finish = error, None

    def join(self, timeout_s: float) -> None:
        """Finish now."""
        finish, self._finish = self._finish, None
        error, self._error = self._error, None
        if error is not None:
            raise error
        if finish is not None:
            finish()

    def close(self) -> None:
        """Forget the step."""
        self._finish = self._error = None


class ThreadWorker:
    """One thread for all steps, so that capture happens at its time while the policy thinks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._work: tuple[Work, Work] | None = None
        self._is_busy = self._has_ended = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self, begin: Work, finish: Work) -> None:
        """Hand a step to the thread."""
        if self._thread is None:
            self._has_ended = False
            self._thread = threading.Thread(target=self._run, name="trackmania step", daemon=True)
            self._thread.start()
        with self._changed:
            assert not self._is_busy, "a step was started before the last one was joined"
            self._work, self._is_busy = (begin, finish), True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._is_busy, timeout_s):
                self._abandon()
                raise SimulatorUnavailable(
                    f"A step did not end within {timeout_s:.2f} s: capture or controls hang. Is the game's window "
                    "there, and does the machine keep up? See python -m envs.doctor env=trackmania."
                )
            error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """End the thread after its step."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(2.0)
        self._work, self._is_busy, self._error = None, False, None

    def _abandon(self) -> None:
        """Leave a thread that hangs to itself; the next step gets another, with a state of its own."""
        self._changed, self._thread = threading.Condition(), None
        self._work, self._is_busy, self._error = None, False, None

    def _run(self) -> None:
        changed = self._changed
        while True:
            with changed:
                changed.wait_for(lambda: self._work is not None or self._has_ended or self._changed is not changed)
                if self._has_ended or self._changed is not changed or self._work is None:
                    return
                (begin, finish), self._work = self._work, None
            error = None
            try:
                begin()
                finish()
            except BaseException as raised:  # belongs to whoever joins, whatever it is
                error = raised
            with changed:
                if self._changed is not changed:
                    return  # it hung, and was given up
                self._error, self._is_busy = error, False
                changed.notify_all()
