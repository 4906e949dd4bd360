"""The loopback channel for pictures, and for steps of a game in lock-step: what a client of another process uses.

A request is 8 bytes, `<4sI`: `SHOT` and the kind of screenshot (0 full, 1 lidar), or `STEP` and microseconds to go on.
An answer is a header of 20 bytes, `<4sHHIQ`: `TMF1`, height, width, frame number and the frame's time in microseconds;
then height × width × 3 bytes, blue, green, red. An answer to `STEP` has no picture: height and width are 0, and it
comes when the records of its frames are written. Any other request ends the connection.
"""

import socket
import struct
from collections.abc import Callable

import numpy as np

from envs.door import receive
from envs.errors import ProtocolError, SimulatorUnavailable
from envs.trackmania.twin.camera import FULL, LIDAR
from envs.trackmania.twin.frame import Frame
from envs.trackmania.twin.perspective import Picture

REQUEST, ANSWER = struct.Struct("<4sI"), struct.Struct("<4sHHIQ")
SHOT, STEP, MAGIC = b"SHOT", b"STEP", b"TMF1"
KINDS = (FULL, LIDAR)
MOST_US = 60_000_000  # of a step
_MOST_PIXELS = 4096 * 4096


def serve_frames(
    connection: socket.socket, shoot: Callable[[str], tuple[Frame, Picture]], step: Callable[[int], Frame]
) -> None:
    """Answer requests until the other end hangs up or says something else."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while len(request := receive(connection, REQUEST.size)) == REQUEST.size:
        word, number = REQUEST.unpack(request)
        if word == SHOT and number < len(KINDS):
            frame, picture = shoot(KINDS[number])
            height, width = picture.shape[:2]
            connection.sendall(ANSWER.pack(MAGIC, height, width, frame.number, frame.time_us) + picture.tobytes())
        elif word == STEP and number <= MOST_US:
            frame = step(number)
            connection.sendall(ANSWER.pack(MAGIC, 0, 0, frame.number, frame.time_us))
        else:
            return


class FrameClient:
    """The other end of the channel.

    Args:
        host: of the twin.
        port: of its frame channel.
        timeout_s: for an answer.

    Raises:
        SimulatorUnavailable: nobody listens there.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float = 5.0) -> None:
        self._name = f"The twin's frame channel at {host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise SimulatorUnavailable(f"{self._name} did not answer ({error}). Does the twin run?") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def screenshot(self, kind: str) -> tuple[Picture, int, int]:
        """Return the picture `(H, W, 3)` of the newest frame, its number, and its time in microseconds.

        Raises:
            SimulatorUnavailable: no answer came in time; the channel is closed.
            ProtocolError: the answer is none.
        """
        return self._ask(SHOT, KINDS.index(kind))

    def step(self, duration_s: float) -> tuple[int, int]:
        """Let a game in lock-step go on, and return the newest frame's number and time. Raises as `screenshot`."""
        _, number, time_us = self._ask(STEP, round(duration_s * 1e6))
        return number, time_us

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._socket.close()

    def _ask(self, word: bytes, argument: int) -> tuple[Picture, int, int]:
        try:
            self._socket.sendall(REQUEST.pack(word, argument))
            header = receive(self._socket, ANSWER.size)
            if len(header) < ANSWER.size:
                raise ConnectionError("it hung up")
            magic, height, width, number, time_us = ANSWER.unpack(header)
            if magic != MAGIC or height * width > _MOST_PIXELS:
                self.close()
                raise ProtocolError(
                    f"{self._name} answered {header!r}, which begins no frame. Is it the telemetry's port?"
                )
            pixels = receive(self._socket, 3 * height * width)
            if len(pixels) < 3 * height * width:
                raise ConnectionError("it hung up within a picture")
        except OSError as error:
            self.close()
            raise SimulatorUnavailable(
                f"{self._name} did not answer {word!r} ({error}). Has the twin ended?"
            ) from error
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3), number, time_us
