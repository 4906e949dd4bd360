"""Seats of the server: one for each game that may connect, free until it does."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import fastapi

from envs.roblox.connection import Connection
from envs.roblox.game import Game
from envs.roblox.latency import LatencyTracker

_MOST_NAMES = 100  # that are remembered for `GET /`


@dataclass
class Seat:
    """A game that may connect.

    Attributes:
        game: what is said and heard.
        model_id: the policy that it must name; None: any.
        connection: its connection; None: it is not there.
        is_left: nobody drives it any more, for now.
    """

    game: Game
    model_id: str | None
    connection: Connection | None = None
    is_left: bool = False


class Seats:
    """All seats of a server.

    Args:
        condition: held while games are touched.
        now: returns the games' time.
        speed: game time by real time.
    """

    def __init__(self, condition: threading.Condition, now: Callable[[], float], speed: float) -> None:
        self._condition, self._now, self._speed = condition, now, speed
        self.all: list[Seat] = []
        self._names: set[str] = set()

    def add(self, games: Sequence[Game], model_id: str | None, round_trips: LatencyTracker) -> list[Seat]:
        """Offer a seat to each of the games, which connect when they want."""
        with self._condition:
            seats = [Seat(game, model_id) for game in games]
            for seat in seats:
                seat.game.round_trips = round_trips
            self.all += seats
            return seats

    def remove(self, seats: Sequence[Seat]) -> None:
        """Take seats away, and close the connections of those who sit there."""
        with self._condition:
            self.all = [seat for seat in self.all if seat not in seats]
            for seat in seats:
                if seat.connection is not None:
                    seat.connection.close("nobody drives this game any more")

    def left(self) -> list[Seat]:
        """Return the seats whose driver has left."""
        with self._condition:
            return [seat for seat in self.all if seat.is_left]

    def wake(self) -> None:
        """Have everything sent that games are to be told."""
        for seat in self.all:
            if seat.connection is not None:
                seat.connection.wake()

    def wanted_names(self) -> set[str | None]:
        """Return the policies that games must name; None among them: there is a seat for any."""
        with self._condition:
            return {seat.model_id for seat in self.all}

    def known_names(self) -> list[str]:
        """Return the policies that seats ask for and that games have named."""
        return sorted({name for name in self.wanted_names() if name is not None} | self._names)

    def sit_down(self, websocket: fastapi.WebSocket, model_id: str) -> Seat | None:
        """Give a game a free seat, with a connection, and return it; None: there is none."""
        with self._condition:
            if len(self._names) < _MOST_NAMES:
                self._names.add(model_id)
            for seat in self.all:
                if seat.connection is None and seat.model_id in (None, model_id):
                    seat.connection = Connection(websocket, seat.game, self._condition, self._now, self._speed)
                    return seat
        return None
