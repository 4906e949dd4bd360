"""What the plugin holds of its client's control objects, and how it moves the joystick by them."""

from typing import Any

from envs.assetto_corsa.twin.game import TwinGame

_SAFE = (0.0, -1.0, 0.0)  # steer, throttle, brake: nobody drives
_DEFAULTS = {"steer": 0, "acc": -1, "brake": -1, "enable_gear_shift": False, "shift_up": False, "shift_down": False}
_AXES, _BUTTONS = ("steer", "acc", "brake"), ("enable_gear_shift", "shift_up", "shift_down")


class HeldControls:
    """Controls of one session; what an object leaves out stays as it was.

    Args:
        game: whose joystick moves.

    Attributes:
        is_safe: whether the controls were let go, or never held.
    """

    def __init__(self, game: TwinGame) -> None:
        self._game = game
        self._is_remote = bool(game.config()["vjoy_executed_by_server"])
        self._held: dict[str, Any] = dict(_DEFAULTS)
        self.is_safe = True

    def forget(self) -> None:
        """Hold what a new client is taken to hold; the joystick stays as it is."""
        self._held = dict(_DEFAULTS)

    def take(self, parsed: dict[str, Any]) -> str | None:
        """Take an object, and move the joystick if that is the plugin's to do.

        Returns:
            What the original dies of in it, in words; then nothing is taken. None: nothing.
        """
        held = self._held | parsed
        axes = [_axis(held[name]) for name in _AXES]
        if "server_steps" not in parsed:
            return "no server_steps"
        if self._is_remote and None in axes:
            return "an axis that is no number"
        self._held = held
        if parsed["server_steps"] != self._game.steps:
            self._game.out_of_sync += 1
        if self._is_remote:
            self._game.press(*(axis or 0.0 for axis in axes), **{name: bool(held[name]) for name in _BUTTONS})
            self.is_safe = False
        return None

    def let_go(self) -> None:
        """Leave the car safe, if the joystick is the plugin's."""
        if self._is_remote:
            self._game.press(*_SAFE)
        self.is_safe = True


def _axis(value: Any) -> float | None:
    """Return an axis as the joystick clamps it; None if it is no number, of which the original dies."""
    if not isinstance(value, int | float) or value != value:
        return None
    return float(min(max(value, -1), 1))
