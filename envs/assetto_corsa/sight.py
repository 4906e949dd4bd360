"""What is seen of a state: where the car is on its track, the picture of the moment, the other cars."""

from collections.abc import Callable

from envs.assetto_corsa.actions import ActionMap
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.images import Frame, ImageScaler, ImageSource
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.opponents import Opponent
from envs.assetto_corsa.opponents_client import CarSource
from envs.assetto_corsa.state_keys import State


class Sight:
    """Look at states.

    Args:
        actions: whose joystick is seen with a state.
        images: returns where pictures come from; None where none are needed.
        scaler: of pictures.
        cars: returns what tells where the other cars are; None where nobody asks.

    Attributes:
        frame: the newest picture; None before the first, and where there are none.
    """

    def __init__(
        self,
        actions: ActionMap,
        images: Callable[[], ImageSource] | None,
        scaler: ImageScaler | None,
        cars: Callable[[], CarSource] | None,
    ) -> None:
        self._actions, self._find_images, self._scaler, self._find_cars = actions, images, scaler, cars
        self._geometry: Geometry | None = None
        self._images: ImageSource | None = None
        self._cars: CarSource | None = None
        self.frame: Frame | None = None

    @property
    def cars(self) -> tuple[Opponent, ...] | None:
        """The other cars, as they were told last; None where nobody asks."""
        return None if self._cars is None else self._cars.newest

    def bind(self, geometry: Geometry) -> None:
        """Take the track that is driven on."""
        self._geometry = geometry

    def open(self) -> None:
        """Find what pictures and cars come from; a second call does nothing.

        Raises:
            SimulatorUnavailable: it is not there.
        """
        if self._find_images is not None and self._images is None:
            self._images = self._find_images()
        if self._find_cars is not None and self._cars is None:
            self._cars = self._find_cars()

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        sources = [source for source in (self._images, self._cars) if source is not None]
        self._images = self._cars = None
        for source in sources:
            source.close()

    def of(self, state: State) -> Look:
        """Return a look at a state.

        Raises:
            SimulatorUnavailable: no picture comes.
        """
        assert self._geometry is not None
        derived = self._geometry.derive(
            state["world_position_x"],
            state["world_position_y"],
            state["yaw"],
            state["NormalizedSplinePosition"],
            state["numberOfTyresOut"],
        )
        picture = None
        if self._images is not None and self._scaler is not None:
            self.frame = self._images.newest(state["steps"])
            picture = self._scaler.of(self.frame.image)
        return Look(state, derived, self._actions.u, picture)
