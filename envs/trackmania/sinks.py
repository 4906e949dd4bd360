"""Control sinks that need no game: one for nobody, one that remembers, one that tells a twin in another process."""

import socket
import time
from collections.abc import Callable

from envs.trackmania.controls import BUTTON_A, BUTTON_B, PRESS_S, PadState


class NullSink:
    """Press nothing: a person drives, or nobody."""

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Do nothing."""

    def restart(self) -> None:
        """Do nothing."""

    def close_popup(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class PadSink:
    """A gamepad, whatever its states are told to; the base of those that press buttons.

    Args:
        tell: is called with each state.
        sleep: waits for seconds.

    Attributes:
        state: the last one told.
    """

    def __init__(self, tell: Callable[[PadState], None], *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._tell, self._sleep = tell, sleep
        self.state = PadState()

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold triggers and stick."""
        self._set(PadState.of(gas, brake, steer))

    def restart(self) -> None:
        """Press and release B, with nothing else held: a race begins anew at the rising edge."""
        self._button(BUTTON_B)

    def close_popup(self) -> None:
        """Press and release A, with nothing else held."""
        self._button(BUTTON_A)

    def close(self) -> None:
        """Release everything."""
        if self.state != PadState():
            self._set(PadState())

    def _button(self, bits: int) -> None:
        self._set(PadState())
        self._set(PadState(buttons=bits))
        self._sleep(PRESS_S)
        self._set(PadState())

    def _set(self, state: PadState) -> None:
        self.state = state
        self._tell(state)


class LoopbackSink(PadSink):
    """A gamepad that remembers, for tests and twins in the same process.

    Args:
        sleep: waits for seconds.

    Attributes:
        states: all that it was in, oldest first.
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.states: list[PadState] = []
        super().__init__(self.states.append, sleep=sleep)


class DatagramSink(PadSink):
    """A gamepad in another process: each state is a datagram of 6 bytes to a twin.

    Args:
        host: of the twin.
        port: of the twin's pad.
        sleep: waits for seconds.
    """

    def __init__(self, host: str, port: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._address = (host, port)
        super().__init__(lambda state: self._send(state), sleep=sleep)

    def close(self) -> None:
        """Release everything, and the socket."""
        if self._socket.fileno() >= 0:
            super().close()
            self._socket.close()

    def _send(self, state: PadState) -> None:
        self._socket.sendto(state.datagram(), self._address)
