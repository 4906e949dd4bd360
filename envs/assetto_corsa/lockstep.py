"""A twin in this process as the game: its time goes on by one state for each control, so runs repeat bit for bit."""

from collections.abc import Callable
from typing import Any, Protocol

from envs.assetto_corsa.controls import NEUTRAL, Controls
from envs.assetto_corsa.preflight import STATE_RATE_HZ, GameFacts
from envs.assetto_corsa.received import Received

_STEP_S = 1.0 / STATE_RATE_HZ


class LockstepGame(Protocol):
    """What a game must be able to do to be driven so; `envs.assetto_corsa.twin.game.TwinGame` is."""

    track: Any  # its `AcTrack`
    steps: int  # states sent, for whoever sends them to count

    def reset(self) -> None:
        """Put the car back."""

    def press(
        self,
        steer: float,
        acc: float,
        brake: float,
        *,
        shift_up: bool = False,
        shift_down: bool = False,
        enable_gear_shift: bool = False,
    ) -> None:
        """Hold the joystick, each axis in [-1, 1]."""

    def advance(self, duration_s: float) -> None:
        """Let time go on."""

    def state(self) -> dict[str, Any]:
        """Return the 90 keys."""

    def opponents(self) -> list[dict[str, Any]]:
        """Return the other cars, as the stream would tell them."""

    def picture(self, width: int, height: int, mode: str) -> Any:
        """Return the driver's view, `(height, width, C)` uint8."""

    def static_info(self) -> dict[str, Any]:
        """Return what the management service would."""

    def config(self) -> dict[str, Any]:
        """Return what the management service would."""


class LockstepLink:
    """Drive a game through method calls, with the protocol's order of events.

    Args:
        make: makes a game for a seed.
        game: the first one.

    Attributes:
        game: the game.
    """

    is_real_time = False

    def __init__(self, make: Callable[[int], LockstepGame], game: LockstepGame) -> None:
        self._make, self.game = make, game

    def renew(self, seed: int) -> None:
        """Begin with the game of a seed."""
        self.game = self._make(seed)

    def inspect(self) -> GameFacts:
        """Ask the game."""
        return GameFacts(self.game.static_info(), self.game.config())

    def begin(self) -> Received:
        """Put the car back, and return the first state."""
        self.send(NEUTRAL)
        self.game.reset()
        self.game.steps = 0
        return self._look()

    def send(self, controls: Controls) -> None:
        """Hold the controls."""
        self.game.press(
            controls.steer,
            controls.acc,
            controls.brake,
            shift_up=controls.shift_up,
            shift_down=controls.shift_down,
            enable_gear_shift=controls.enable_gear_shift,
        )

    def receive(self, timeout_s: float) -> Received:
        """Let one state's time go by, and return it."""
        self.game.advance(_STEP_S)
        return self._look()

    def reconnect(self) -> Received:
        """Return the state as it is: nothing was lost."""
        return self._look()

    def rest(self) -> None:
        """Do nothing: time stands still."""

    def leave(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing: the game ends with its last reference."""

    def _look(self) -> Received:
        self.game.steps += 1
        return Received(self.game.state())
