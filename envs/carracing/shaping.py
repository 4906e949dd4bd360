"""What a training reward of CarRacing loses beside the game's rewards: points for what costs some only much later."""

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range, check_types

_FARTHEST = 0.25  # of the lap: a car that is farther ahead than this has come there backwards


class Shaping:
    """Count the points that each physics frame costs in training.

    Whoever passes over a tile never finishes the lap: the game goes on to take 0.1 a frame until its end, some 30
    points in all, but hundreds of decisions later, where discounting hides what they were for.

    Args:
        missed_tile: points for each tile that was passed over, given back when the car returns to it.
        first_missed_tile: points more while there is any.
        grass: points a frame with all four wheels on the grass.
        time: points a frame.

    Raises:
        ConfigError: an argument has the wrong type or is negative.
    """

    def __init__(
        self,
        *,
        missed_tile: float | None = None,
        first_missed_tile: float | None = None,
        grass: float | None = None,
        time: float | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types(type(self), given)
        for name, value in given.items():
            check_range(f"shaping.{name}", value or 0, 0)
        self._missed_tile, self._first = missed_tile or 0.0, first_missed_tile or 0.0
        self._grass, self._time = grass or 0.0, time or 0.0

    @property
    def costs(self) -> bool:
        """Whether there is anything that costs points."""
        return any((self._missed_tile, self._first, self._grass, self._time))

    def reset(self, visited: npt.NDArray[np.bool_]) -> None:
        """Begin an episode; `visited`, `(N,)`, is the game's own array of the tiles that were visited."""
        self._visited, self._known = visited, visited.copy()
        self._tiles = int(visited.sum())
        self._front = 0
        self._owed = 0.0

    def update(self, *, tiles: int, is_off_track: bool) -> float:
        """Return the points that a physics frame costs; they are negative where some are given back.

        Args:
            tiles: tiles visited since the episode began.
            is_off_track: no wheel is on the road.
        """
        points = self._time + (self._grass if is_off_track else 0.0)
        if tiles == self._tiles:
            return points
        self._tiles = tiles
        missed, before = self._missed(), self._owed
        self._owed = self._missed_tile * missed + (self._first if missed else 0.0)
        return points + self._owed - before

    def _missed(self) -> int:
        """Return how many of the tiles behind the farthest one, to which the car came forwards, were not visited."""
        new = np.flatnonzero(self._visited != self._known)
        self._known[new] = True
        ahead = new[(new > self._front) & (new <= self._front + _FARTHEST * len(self._known))]
        self._front = int(ahead.max(initial=self._front))
        return self._front + 1 - int(np.count_nonzero(self._known[: self._front + 1]))
