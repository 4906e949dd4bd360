"""From a policy's action to the joystick: relative with rate limits, as the original, absolute, scaled, or one pedal.

`u` is the joystick's [steer, throttle, brake] in the plugin's units, `a` the action. The original's relative actions
are `u_t = clip(u_{t-1} + a_t * limit, …)`; its absolute ones are clipped at the car's range, not scaled to it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.cars import RELEASED, CarControls
from envs.assetto_corsa.preflight import STATE_RATE_HZ
from envs.track.frames import FloatArray

RELATIVE, ABSOLUTE, SCALED, PEDAL = "relative", "absolute", "scaled", "pedal"
CHOICES = (RELATIVE, ABSOLUTE, SCALED, PEDAL)
MAX_STEER_RATE_DEGPS = 900.0
_PEDAL_PER_S = 12.0  # units of the joystick, of which a pedal's stroke has two
_START = (0.0, RELEASED, RELEASED)


def rate_limits(car: CarControls, max_steer_rate_degps: float = MAX_STEER_RATE_DEGPS) -> FloatArray:
    """Return how far `u` may move in a step, `(3,)`, in units of the joystick."""
    steer = max_steer_rate_degps / STATE_RATE_HZ / car.scale
    return np.array([steer, _PEDAL_PER_S / STATE_RATE_HZ, _PEDAL_PER_S / STATE_RATE_HZ])


class ActionMap:
    """Follow the joystick of one car.

    Args:
        kind: `relative`: `[steer, throttle, brake]` in [-1, 1], as shares of the rate limits; `absolute`: the
            joystick's own units, clipped at the car's range; `scaled`: steer in [-1, 1] of the car's range, throttle
            and brake in [0, 1]; `pedal`: steer as in `scaled` and one pedal, throttle above 0, brake below.
        car: whose range and scale count.
        has_rate_limits: whether absolute kinds move no faster than relative ones could.
        max_steer_rate_degps: of the wheel.

    Attributes:
        car: as above.
        u: `(3,)` where the joystick is.
        moved: `(3,)` the last relative action; of other kinds, the one that would have moved it as much.
        space: of actions.

    Raises:
        ConfigError: there is no such kind, or a number is out of range.
    """

    def __init__(
        self,
        kind: str,
        car: CarControls,
        *,
        has_rate_limits: bool = False,
        max_steer_rate_degps: float = MAX_STEER_RATE_DEGPS,
    ) -> None:
        check_choice("actions", kind, CHOICES)
        check_range("max_steer_rate_degps", max_steer_rate_degps, 1.0, 1e5)
        self._kind, self._has_limits, self.car = kind, has_rate_limits, car
        self.limits = rate_limits(car, max_steer_rate_degps)
        self._low = np.array([-car.norm, -1.0, -1.0])
        self._high = np.array([car.norm, 1.0, 1.0])
        self.space = _space(kind)
        self.reset()

    def reset(self) -> None:
        """Let go: straight on, both pedals released."""
        self.u: FloatArray = np.array(_START)
        self.moved: FloatArray = np.zeros(3)

    def apply(self, action: Any) -> FloatArray:
        """Return the joystick `(3,)` after an action, which is clipped to its space.

        Raises:
            ValueError: the action has another shape, or is not finite.
        """
        a = np.asarray(action, np.float64)
        if a.shape != self.space.shape or not np.isfinite(a).all():
            raise ValueError(
                f"Expected a finite action of shape {self.space.shape} (env.actions={self._kind}), got {action}. "
                "Has the policy diverged?"
            )
        a = np.clip(a, self.space.low, self.space.high)
        if self._kind == RELATIVE:
            self.moved = a
            self.u = np.clip(self.u + a * self.limits, self._low, self._high)
            return self.u
        target = self._target(a)
        if self._has_limits:
            target = self.u + np.clip(target - self.u, -self.limits, self.limits)
        before, self.u = self.u, np.clip(target, self._low, self._high)
        self.moved = relative_action(before, self.u, self.limits)
        return self.u

    def _target(self, a: FloatArray) -> FloatArray:
        if self._kind == ABSOLUTE:
            return a
        steer = a[0] * self._high[0]
        throttle, brake = (max(a[1], 0.0), max(-a[1], 0.0)) if self._kind == PEDAL else (a[1], a[2])
        return np.array([steer, 2.0 * throttle - 1.0, 2.0 * brake - 1.0])


def relative_action(before: npt.ArrayLike, after: npt.ArrayLike, limits: FloatArray) -> FloatArray:
    """Return `clip((u_t - u_{t-1}) / limit, -1, 1)`, for joysticks `(..., 3)`."""
    return np.asarray(np.clip((np.asarray(after) - np.asarray(before)) / limits, -1.0, 1.0), np.float64)


def _space(kind: str) -> spaces.Box:
    if kind == SCALED:
        return spaces.Box(np.array([-1.0, 0.0, 0.0], np.float32), np.ones(3, np.float32))
    return spaces.Box(-1.0, 1.0, (2 if kind == PEDAL else 3,), np.float32)
