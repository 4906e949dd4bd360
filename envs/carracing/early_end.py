"""Rules that end a training episode of CarRacing which has nothing more to teach."""

from envs.arguments import check_range, check_types

STUCK = "stuck"
GRASS = "grass"


class EarlyEnd:
    """Count physics frames without progress and on the grass, and say when they are too many.

    Args:
        stuck_frames: end after as many frames without a new tile; 0 or None: never.
        grass_frames: end after as many consecutive frames with all four wheels on the grass; 0 or None: never.
        penalty: points that such an end costs, subtracted once.

    Raises:
        ConfigError: an argument has the wrong type or is negative.
    """

    def __init__(
        self, *, stuck_frames: int | None = None, grass_frames: int | None = None, penalty: float | None = None
    ) -> None:
        given = {"stuck_frames": stuck_frames, "grass_frames": grass_frames, "penalty": penalty}
        check_types(type(self), given)
        for name, value in given.items():
            check_range(f"early_end.{name}", value or 0, 0)
        self._stuck_limit = stuck_frames or 0
        self._grass_limit = grass_frames or 0
        self.penalty = float(penalty or 0.0)
        self.reset(0)

    def reset(self, tiles: int) -> None:
        """Begin an episode with `tiles` visited."""
        self._tiles = tiles
        self._stuck_frames = 0
        self._grass_frames = 0

    def update(self, *, tiles: int, is_off_track: bool) -> str | None:
        """Count one physics frame; return why the episode ends (`stuck`, `grass`), or None while it goes on.

        Args:
            tiles: tiles visited since the episode began.
            is_off_track: no wheel is on the road.
        """
        self._stuck_frames = 0 if tiles > self._tiles else self._stuck_frames + 1
        self._grass_frames = self._grass_frames + 1 if is_off_track else 0
        self._tiles = tiles
        if self._grass_limit and self._grass_frames >= self._grass_limit:
            return GRASS
        if self._stuck_limit and self._stuck_frames >= self._stuck_limit:
            return STUCK
        return None
