"""Pictures of a twin in another thread or process, for whoever asks: steps and `render` do, from two threads."""

import threading
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from envs.errors import ProtocolError, SimulatorUnavailable
from envs.trackmania.sources import ScreenCapture

_BUSY_S = 1.0  # a picture takes a hundredth of it: whoever holds the channel longer hangs


class _Channel:
    """A connection for one question at a time."""

    def __init__(self, frames: Any) -> None:
        self.frames, self.lock = frames, threading.Lock()


class ServedScreen(ScreenCapture):
    """A screen behind a channel; one that failed, or that a step hangs in, is replaced by `refresh`.

    Args:
        connect: returns the channel's client, as `envs.trackmania.twin.frame_channel.FrameClient`.
        kind: of the pictures.

    Raises:
        SimulatorUnavailable: nobody listens there.
    """

    def __init__(self, connect: Callable[[], Any], kind: str) -> None:
        self._connect, self._kind = connect, kind
        self._guard = threading.Lock()  # of which channel is the present one
        self._channel: _Channel | None = None
        self.refresh()

    def refresh(self) -> None:
        """Connect, if need be.

        Raises:
            SimulatorUnavailable: nobody listens there.
        """
        channel = self._open()
        if channel.lock.acquire(timeout=_BUSY_S):
            channel.lock.release()
            return
        self._forget(channel)  # a step that was given up waits for an answer: it belongs to nobody else
        self._open()

    def screenshot(self) -> npt.NDArray[Any]:
        """Return the newest frame's picture.

        Raises:
            SimulatorUnavailable: no answer came, or one that is none.
        """
        channel = self._open()
        try:
            with channel.lock:
                return channel.frames.screenshot(self._kind)[0]
        except SimulatorUnavailable:
            self._forget(channel)  # it has closed itself
            raise
        except ProtocolError as error:
            self._forget(channel)
            raise SimulatorUnavailable(str(error)) from error
        finally:
            if self._channel is not channel:
                channel.frames.close()

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        with self._guard:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.frames.close()

    def _open(self) -> _Channel:
        with self._guard:
            if self._channel is None:
                self._channel = _Channel(self._connect())
            return self._channel

    def _forget(self, channel: _Channel) -> None:
        with self._guard:
            if self._channel is channel:
                self._channel = None
