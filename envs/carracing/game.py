"""The game of CarRacing without its pictures: Box2D world, track, car, rewards and ends as in Gymnasium."""

import copy
from typing import Any

import Box2D
import numpy as np
import numpy.typing as npt

from envs.carracing.car import Car
from envs.carracing.colours import Colours
from envs.carracing.track import PLAYFIELD, Track, generate_track

FRAMES_PER_S = 50
_VELOCITY_ITERATIONS, _POSITION_ITERATIONS = 6 * 30, 2 * 30
_FRAME_S = 1.0 / FRAMES_PER_S
_FIELD_LEFT_PENALTY = -100.0


class CarRacingGame:
    """One car on one track, stepped frame by frame.

    Every episode has a Box2D world of its own with all tiles on one static body: nothing of an earlier episode is
    left (a recorded list of actions replays exactly), and the forces are the same floats as in Gymnasium.

    Attributes:
        colours: of field and road; None before the first `reset`.
        paint: `(2, M, 3)` uint8, the colours of the track's polygons while untouched, and once touched.
        track: what the car drives on; None before the first `reset`.
        car: hull and wheels.
        score: the return so far, which the picture shows.
        score_when_drawn: the score that Gymnasium's picture of this frame shows: before the frame's 0.1 is taken.
        time_s: simulated seconds, which the zoom of the first second depends on.
        visited: `(N,)` bool, tiles that a wheel has touched.
        touched: `(N,)` bool, tiles that any part of the car has touched; they lose their shade.
        tile_visited_count: how many were visited.

    Args:
        lap_complete_percent: share of tiles that makes a lap.
        domain_randomize: draw other colours in every episode.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `reset`, `step` and `FrictionDetector`.
    """

    def __init__(self, *, lap_complete_percent: float = 0.95, domain_randomize: bool = False) -> None:
        self._lap_complete_percent = lap_complete_percent
        self._domain_randomize = domain_randomize
        self._listener = _TileContacts(self)
        self._world: Any = None
        self.colours: Colours | None = None
        self.track: Track | None = None
        self.car: Car | None = None

    def reset(self, generator: np.random.Generator, *, randomize: bool = True) -> None:
        """Begin an episode on the next track of `generator`, with one step without action, as in Gymnasium.

        Args:
            generator: colours and track are drawn from it.
            randomize: with `domain_randomize`, whether to draw other colours than the last episode's.
        """
        self._destroy_car()
        if self._domain_randomize and randomize:
            self.colours = Colours.draw(generator)
        elif self.colours is None:  # Gymnasium's first colours leave the generator of the tracks alone, too
            self.colours = Colours.draw(copy.deepcopy(generator)) if self._domain_randomize else Colours()
        track = generate_track(generator)
        self.paint = self.colours.paint(track)
        self._world = Box2D.b2World((0, 0), contactListener=self._listener)
        _lay_tiles(self._world, track)
        self.track = track
        self.visited, self.touched = np.zeros(len(track), np.bool_), np.zeros(len(track), np.bool_)
        self.tile_visited_count = 0
        self.score = self._previous_score = 0.0
        self.time_s = 0.0
        self._is_lap_complete = False
        self.car = Car(self._world, track.beta[0], *track.centre[0])
        self._simulate()

    def step(self, controls: npt.NDArray[np.floating[Any]]) -> tuple[float, bool, bool]:
        """Simulate one frame of 1/50 s.

        Args:
            controls: `(3,)`, steer, throttle, brake.

        Returns:
            Reward, whether the episode ended, and whether it did so by a finished lap.
        """
        assert self.car is not None
        assert self.track is not None
        steer, throttle, brake = controls.tolist()
        self.car.control(steer, throttle, brake)
        self._simulate()
        self.score -= 0.1
        reward, self._previous_score = self.score - self._previous_score, self.score
        is_lap = self._is_lap_complete or self.tile_visited_count == len(self.track)
        position = self.car.hull.position
        if abs(position.x) > PLAYFIELD or abs(position.y) > PLAYFIELD:
            return _FIELD_LEFT_PENALTY, True, False
        return reward, is_lap, is_lap

    def _destroy_car(self) -> None:
        """Let go of the last episode's car: its wheels know themselves as user data, which Box2D would keep forever."""
        if self.car is not None:
            self.car.destroy()

    def _simulate(self) -> None:
        assert self.car is not None
        self.car.step(_FRAME_S)
        self._world.Step(_FRAME_S, _VELOCITY_ITERATIONS, _POSITION_ITERATIONS)
        self.time_s += _FRAME_S
        self.score_when_drawn = self.score

    def track_colours(self) -> npt.NDArray[np.uint8]:
        """Return `(M, 3)`: the colour of each of the track's polygons now."""
        assert self.track is not None
        return self.paint[self.touched[self.track.owners].astype(np.int8), np.arange(len(self.track.owners))]

    @property
    def speed_mps(self) -> float:
        """Speed of the hull; Box2D's unit of length is the metre (the car is 5 long)."""
        assert self.car is not None
        return float(self.car.hull.linearVelocity.length)

    @property
    def progress(self) -> float:
        """Share of the track's tiles that were visited, 0..1."""
        return self.tile_visited_count / len(self.visited)

    @property
    def is_off_track(self) -> bool:
        """Whether no wheel touches a road tile."""
        assert self.car is not None
        return not any(wheel.tiles for wheel in self.car.wheels)

    def begin_contact(self, tile: int, wheel: Any) -> None:
        """Count a tile that something began to touch; `wheel` is None for the hull."""
        self.touched[tile] = True
        if wheel is None:
            return
        wheel.tiles.add(tile)
        if not self.visited[tile]:
            self.visited[tile] = True
            self.score += 1000.0 / len(self.visited)
            self.tile_visited_count += 1
            if tile == 0 and self.tile_visited_count / len(self.visited) > self._lap_complete_percent:
                self._is_lap_complete = True

    def end_contact(self, tile: int, wheel: Any) -> None:
        """Forget a tile that something no longer touches."""
        self.touched[tile] = True
        if wheel is not None:
            wheel.tiles.remove(tile)


class _TileContacts(Box2D.b2ContactListener):
    """Tell the game which wheel touches which tile. Tiles' fixtures carry their index, wheels' bodies themselves."""

    def __init__(self, game: CarRacingGame) -> None:
        super().__init__()
        self._game = game

    def BeginContact(self, contact: Any) -> None:  # noqa: N802 (Box2D's name)
        tile, wheel = _parties(contact)
        if tile is not None:
            self._game.begin_contact(tile, wheel)

    def EndContact(self, contact: Any) -> None:  # noqa: N802 (Box2D's name)
        tile, wheel = _parties(contact)
        if tile is not None:
            self._game.end_contact(tile, wheel)


def _parties(contact: Any) -> tuple[int | None, Any]:
    first, second = contact.fixtureA, contact.fixtureB
    if first.userData is not None:
        return first.userData, second.body.userData
    return second.userData, first.body.userData


# What Box2D's bindings never free, shapes in definitions and user data, is made once for all episodes.
_TILE_SHAPE = Box2D.b2PolygonShape()
_TILE = Box2D.b2FixtureDef(shape=_TILE_SHAPE, isSensor=True)
_NUMBERS: dict[int, int] = {}


def _lay_tiles(world: Any, track: Track) -> None:
    road = world.CreateStaticBody()
    for index, corners in enumerate(track.tiles.tolist()):
        _TILE_SHAPE.vertices = corners
        _TILE.shape, _TILE.userData = _TILE_SHAPE, _NUMBERS.setdefault(index, index)
        road.CreateFixture(_TILE)
