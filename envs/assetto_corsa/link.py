"""What a game is to the env, whichever it is; and the one that is reached through sockets.

The order of a reset is the protocol's: safe command, `disconnect`, the management service's reset, a wait, a fresh
socket, `connect`. Nothing else is sent between `disconnect` and `identified`.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

from envs.arguments import check_range
from envs.assetto_corsa import safety
from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.ego_client import EgoClient
from envs.assetto_corsa.faults import NO_RESET, LinkFault
from envs.assetto_corsa.joystick import JoystickSink, NullSink
from envs.assetto_corsa.management import ManagementClient
from envs.assetto_corsa.preflight import GameFacts
from envs.assetto_corsa.received import Received
from envs.assetto_corsa.state_keys import State

AWAY_M = 20.0  # from where the last reset put the car, beyond which the next one must be seen to move it
_ROLL_M = 5.0  # that a car which nobody put back may be off the way it rolls


class GameLink(Protocol):
    """A game that can be reset and driven, one state after the other."""

    is_real_time: bool  # whether states come by themselves

    def inspect(self) -> GameFacts:
        """Ask what is loaded, without touching the car."""

    def begin(self) -> Received:
        """Put the car back, connect, and return the first state.

        Raises:
            LinkFault: the game does not answer, or the car was not put back.
        """

    def send(self, controls: Controls) -> None:
        """Hold the controls from now on."""

    def receive(self, timeout_s: float) -> Received:
        """Return the newest state since the last `send`.

        Raises:
            LinkFault: there is none within `timeout_s`, or the game is gone.
            ProtocolError: a state is not sound.
        """

    def reconnect(self) -> Received:
        """Try once to get the game back, without putting the car back.

        Raises:
            LinkFault: in vain.
        """

    def rest(self) -> None:
        """Leave the car safe for a while, connected: networks may learn now. No error comes out of it."""

    def leave(self) -> None:
        """Leave the car safe and hang up; `begin` connects again."""

    def close(self) -> None:
        """Leave for good; a second call does nothing."""


class SocketLink:
    """The plugin, or a twin that speaks as it does.

    Args:
        ego: of its ego channel.
        management: of its management service.
        make_sink: returns what moves a joystick of this machine in the plugin's local mode, when it is first needed.
        safe: what is held when nobody drives.
        reset_wait_s: that the game gets to put the car back.
        sleep: waits for seconds.
    """

    is_real_time = True

    def __init__(
        self,
        ego: EgoClient,
        management: ManagementClient,
        *,
        make_sink: Callable[[], JoystickSink] = NullSink,
        safe: Controls,
        reset_wait_s: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_range("reset_wait_s", reset_wait_s, 0.0, 60.0)
        self._ego, self._management, self._safe = ego, management, safe
        self._make_sink = make_sink
        self._sink: JoystickSink | None = None
        self._reset_wait_s, self._sleep = reset_wait_s, sleep
        self._last: State | None = None  # of this episode
        self._start_m: tuple[float, float] | None = None  # where the last reset put the car

    def inspect(self) -> GameFacts:
        """Ask the management service."""
        return GameFacts(self._management.static_info(), self._management.config())

    def begin(self) -> Received:
        """See `GameLink`."""
        before, self._last = self._last, None
        self.leave()
        safety.watch(self)
        if self._sink is None:
            self._sink = self._make_sink()
            self._press(self._safe)  # a new joystick stands in the middle: that is half throttle
        self._management.reset()
        self._sleep(self._reset_wait_s)
        first = self._ego.connect()
        self._last = first.state
        try:
            self._check_reset(before, first.state)
        except LinkFault:
            self.leave()
            raise
        self._start_m = _place(first.state)
        return first

    def send(self, controls: Controls) -> None:
        """See `GameLink`."""
        self._press(controls)
        self._ego.send(controls)

    def receive(self, timeout_s: float) -> Received:
        """See `GameLink`."""
        received = self._ego.receive(timeout_s)
        self._last = received.state
        return received

    def reconnect(self) -> Received:
        """See `GameLink`."""
        self._press(self._safe)
        received = self._ego.connect(tries=1)
        self._last = received.state
        return received

    def rest(self) -> None:
        """See `GameLink`."""
        self.make_safe()

    def make_safe(self) -> None:
        """Let go, whatever else happens."""
        self._press(self._safe)
        self._ego.make_safe()

    def leave(self) -> None:
        """See `GameLink`."""
        self._press(self._safe)
        self._ego.disconnect()

    def close(self) -> None:
        """See `GameLink`."""
        self.leave()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
        safety.forget(self)

    def _press(self, controls: Controls) -> None:
        if self._sink is not None:
            self._sink.press(controls)

    def _check_reset(self, before: State | None, after: State) -> None:
        """Refuse a reset that left the car to itself.

        Raises:
            LinkFault: the car was far from its start, still is, and is where it may have rolled to.
        """
        if before is None or self._start_m is None:
            return
        was, now = _place(before), _place(after)
        if math.dist(was, self._start_m) <= AWAY_M or math.dist(now, self._start_m) <= AWAY_M:
            return
        passed_s = max(after["timestamp_ac"] - before["timestamp_ac"], self._reset_wait_s)
        if math.dist(was, now) <= _ROLL_M + max(before["speed"], after["speed"]) * passed_s:
            seen = f"did not put the car back: it is {math.dist(now, self._start_m):.0f} m from where it starts."
            raise LinkFault(NO_RESET, "its management service", seen)


def _place(state: State) -> tuple[float, float]:
    return float(state["world_position_x"]), float(state["world_position_y"])
