"""What there is to see of a game: nothing of a real one, the track from above of a twin in this process."""

import numpy as np
import numpy.typing as npt

from envs.roblox.lockstep import LockstepWorld
from envs.roblox.worlds import World
from envs.track.drawing import TopView

HEIGHT, WIDTH = 288, 384  # pixels
_CAR_STUDS = (16.0, 8.0)  # length and width: a car's circle has a radius of 4


class Camera:
    """Look at the first game of a world from above; its track is drawn once."""

    def __init__(self) -> None:
        self._view: TopView | None = None
        self._seen: object = None

    def picture(self, world: World) -> npt.NDArray[np.uint8]:
        """Return `(HEIGHT, WIDTH, 3)` uint8; black where there is no twin."""
        if not isinstance(world, LockstepWorld):
            return np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        track = world.twins[0].world.circuit.track
        if self._view is None or self._seen is not track:
            self._view, self._seen = TopView(track, height=HEIGHT, width=WIDTH), track
        poses = [world.pose(0, car.id) for car in world.games[0].cars]
        known = [pose for pose in poses if pose is not None]
        return self._view.draw(np.array(known).reshape(-1, 3), length_m=_CAR_STUDS[0], width_m=_CAR_STUDS[1])
