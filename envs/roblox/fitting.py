"""Observations of the width that the env declared, whatever width the game sends."""

import logging
from collections.abc import Sequence

import numpy as np

from envs.roblox.counters import Counters
from envs.roblox.ticks import Vector
from envs.roblox.widths import AUTO, NUM_ACTIONS, V2, VELOCITY_AT, rays_of, width_of

logger = logging.getLogger(__name__)

LIMIT = 1.5  # of values: v1's rays exceed 1 a little


class Fitting:
    """Pad or cut observations, and say so once.

    Args:
        preset: `car16`, `cart5`, or `auto`: the first observation decides.
        dialect: as chosen, `auto` included.
        is_strict: whether another width is an error instead.
        counters: of the game.

    Attributes:
        error: what is wrong, where `is_strict`; None: nothing.
    """

    def __init__(self, preset: str, dialect: str, counters: Counters, *, is_strict: bool) -> None:
        self._declared = [width_of(preset, dialect)]
        self.error: str | None = None
        self._adds_action = self.width is not None and dialect == AUTO
        self._is_strict, self._counters, self._preset = is_strict, counters, preset
        self._has_warned = False

    @property
    def width(self) -> int | None:
        """As declared; None: not known yet."""
        return self._declared[0]

    @width.setter
    def width(self, width: int | None) -> None:
        self._declared[0] = width

    def share(self, other: "Fitting") -> None:
        """Declare the same width as the game of `other`: whichever observation comes first decides for both."""
        self._declared = other._declared

    def hello(self, width: int, dialect: str) -> None:
        """Take what a game says of the width of its observations."""
        expected = self._expected(dialect)
        if expected is not None and width != expected:
            self._complain(width, expected, dialect)

    def _expected(self, dialect: str) -> int | None:
        """Return how many numbers the game is to send."""
        return None if self.width is None else self.width - self._num_added(dialect)

    def _num_added(self, dialect: str) -> int:
        return NUM_ACTIONS if self._adds_action and dialect != V2 else 0

    def fit(self, obs: Vector | None, action: Vector, dialect: str) -> Vector | None:
        """Return an observation as declared, within ±1.5.

        Args:
            obs: `(n,)`, as sent; None: there was none.
            action: `(3,)`, the last one sent, which games before v2 do not repeat.
            dialect: of the game.
        """
        if obs is None:
            return None
        if self.width is None:
            self.width = len(obs)
        added = action[: self._num_added(dialect)]
        expected = self.width - len(added)
        if len(obs) != expected:
            self._complain(len(obs), expected, dialect)
            obs = np.concatenate([obs[:expected], np.zeros(max(expected - len(obs), 0), np.float32)])
        if len(added):
            obs = np.concatenate([obs, added], dtype=np.float32)
        return np.minimum(np.maximum(obs, -LIMIT, dtype=np.float32), LIMIT, dtype=np.float32)

    def velocity(self, obs: Vector | None, dialect: str) -> float:
        """Return the share of the greatest forward speed, -1 … 1, that an observation as sent shows; else 0."""
        at = -1 if obs is None else rays_of(len(obs), dialect) + VELOCITY_AT
        return 0.0 if at < 0 or obs is None else min(max(float(obs[at]), -1.0), 1.0)

    def _complain(self, found: int, expected: int, dialect: str) -> None:
        self._counters.wrong_widths += 1
        if self._has_warned:
            return
        self._has_warned = True
        message = f"The game sends observations of {found} numbers, and "
        if self._preset == AUTO:
            message += f"the first one of env.obs_preset=auto had {expected}. All games need vehicles of one kind."
        else:
            message += (
                f"env.obs_preset={self._preset} in dialect {dialect} has {expected}. Choose the preset of the vehicle "
                "(car16: Car, Bus, Truck; cart5: Quad, Golf cart), or env.obs_preset=auto."
            )
        if self._is_strict:
            self.error = message
        else:
            logger.warning("%s They are padded with zeros, or cut (env.strict_width=true makes it an error).", message)


def share_width(fittings: Sequence[Fitting]) -> None:
    """Have one width for the games of one env: the known one, else that of the first observation."""
    first = next((one for one in fittings if one.width is not None), fittings[0])
    for one in fittings:
        one.share(first)
