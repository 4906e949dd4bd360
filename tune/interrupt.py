"""Ctrl-C or SIGTERM: the first asks every trial to save itself and end, the second ends the command at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Whether, and how, a run was asked to stop."""

    def __init__(self, stop_request: Path, say: Callable[[str], None]) -> None:
        self._stop_request, self._say = stop_request, say
        self.is_requested = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle both in here, in the main thread."""
        self._stop_request.unlink(missing_ok=True)
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._stop_request.unlink(missing_ok=True)

    def listen(self) -> None:
        """Take the signals, also from a library that took them meanwhile: Ray, as it starts, ends us on SIGTERM."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
        self._stop_request.touch()
        with suppress(RuntimeError):  # the signal came while the same stream was being written to
            self._say("Stopping: saving a checkpoint, which takes a few seconds. (Once more to stop at once.)")
