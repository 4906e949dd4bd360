"""Colours of CarRacing's field and road, the stock ones or drawn at random for every episode."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from envs.carracing.track import RED_KERB, WHITE_KERB, Track

WHITE, RED = (255, 255, 255), (255, 0, 0)
HULL, WHEEL, WHEEL_MARK = (204, 0, 0), (0, 0, 0), (77, 77, 77)
_SHADES = 3  # untouched tiles are lighter by 0, 1 or 2 percent, in turns


def _stock(*rgb: int) -> npt.NDArray[np.float64]:
    return np.array(rgb, np.float64)


@dataclass(frozen=True)
class Colours:
    """RGB, 0..255; `(3,)` each. Drawn colours keep their fractions, which the pictures cut off.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `_init_colors` and `_create_track`.
    """

    road: npt.NDArray[np.float64] = field(default_factory=lambda: _stock(102, 102, 102))
    background: npt.NDArray[np.float64] = field(default_factory=lambda: _stock(102, 204, 102))
    grass: npt.NDArray[np.float64] = field(default_factory=lambda: _stock(102, 230, 102))

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "Colours":
        """Return random colours; the grass differs from its background in one channel."""
        road = generator.uniform(0, 210, size=3)
        background = generator.uniform(0, 210, size=3)
        grass = np.copy(background)
        grass[generator.integers(3)] += 20
        return cls(road, background, grass)

    def paint(self, track: Track) -> npt.NDArray[np.uint8]:
        """Return `(2, M, 3)`: the colours of the track's polygons while untouched, and once touched."""
        shade = 0.01 * (track.owners % _SHADES) * 255
        colours = np.stack([self.road + shade[:, np.newaxis], np.broadcast_to(self.road, (len(shade), 3))])
        colours[:, track.kinds == WHITE_KERB] = WHITE
        colours[:, track.kinds == RED_KERB] = RED
        return colours.astype(np.uint8)
