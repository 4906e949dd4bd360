"""Games behind sockets: the server that they connect to, and twins that do, where they are wanted."""

import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from envs.ports import ports_of
from envs.remote.security import known_token
from envs.roblox.hubs import claim, give_back, lease_hub
from envs.roblox.options import Options, twin_class
from envs.roblox.seats import Seat
from envs.roblox.traffic import TrafficFile

logger = logging.getLogger(__name__)

_POLL_S = 0.01  # real time between two looks, without news
_TWIN = "twin"


class HubWorld:
    """Drive games that connect to a port of this machine.

    Args:
        cars: for each game, the number of cars of each of its envs.
        options: of the env.
        runner: listens at the port plus it.
        seed: of the first twin's track, where twins are wanted.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, cars: Sequence[Sequence[int]], options: Options, *, runner: int, seed: int) -> None:
        port = options.port
        if options.twin:
            port = 0
        elif port:
            port = ports_of(port, runner=runner, games_per_runner=1, game=0, ports_per_game=1)[0]
        token = known_token(options.token)
        self.hub = lease_hub(options.host, port, token=token, speed=options.speed, hands_on=options.hub and not runner)
        self.lock = self.hub.condition
        self._is_twin, self._is_closed = bool(options.twin), False
        self._model_id = options.model_id or _TWIN
        self._traffic: TrafficFile | None = None
        self._twins: list[Any] = []
        self._seats: list[Seat] = []
        try:
            with self.lock:  # nobody is heard before the recording has begun
                self._seats = claim(
                    self.hub, cars, options.game_settings(), options.model_id, lambda: str(uuid.uuid4())
                )
                self.games = [seat.game for seat in self._seats]
                self._connections_before = [max(game.counters.connections, 1) for game in self.games]
                if options.traffic is not None:
                    self._traffic = TrafficFile(options.traffic, self.games, runner=runner, now_s=self.now())
            if options.twin:
                self._start_twins(options, token, seed)
            else:
                logger.info("Waiting for games at %s.", self.place)
        except BaseException:
            self.close()
            raise

    def _start_twins(self, options: Options, token: str | None, seed: int) -> None:
        make = twin_class("client", "TwinClient")
        url = f"{self.hub.url}/{self._model_id}" + ("" if token is None else "?" + urlencode({"token": token}))
        game = {"seed": seed} | options.twin_arguments()
        for number in range(len(self.games)):
            self._twins.append(make(url, speed=options.speed, number=number, game=game))

    @property
    def reconnects(self) -> int:
        """How many games were lost and came back."""
        counts = zip(self.games, self._connections_before, strict=True)
        return sum(max(game.counters.connections - before, 0) for game, before in counts)

    @property
    def place(self) -> str:
        """Where games are expected."""
        return f"{self.hub.url}/{self._model_id if self._is_twin else 'NAME'}"

    def now(self) -> float:
        """Return the games' time, s."""
        return self.hub.now()

    def flush(self) -> None:
        """Have sent what games are to be told."""
        self.hub.wake()

    def wait(self, is_over: Callable[[], bool], until_s: float) -> bool:
        """Wait, with the lock, until something is over, or until a time."""
        while not is_over():
            left_s = (until_s - self.now()) / self.hub.speed
            if left_s <= 0.0:
                return False
            self.lock.wait(min(left_s, _POLL_S))
        return True

    def renew(self, index: int, seed: int) -> bool:
        """Do nothing: the game's track is its own."""
        return False

    def position_m(self, index: int, car_id: str) -> None:
        """Only the game knows."""

    def road_edges_m(self, index: int) -> None:
        """Only the game knows."""

    def note_step(self, latency_s: float | None) -> None:
        """Count a step's latency for `GET /latency`."""
        if latency_s is None:
            self.hub.steps.add_timeout()
        else:
            self.hub.steps.add(latency_s)

    def close(self) -> None:
        """Leave the games, frozen, to whoever comes next; twins end. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        for twin in self._twins:
            twin.close()
        with contextlib.suppress(RuntimeError), self.lock:
            now_s = self.now()
            for seat in self._seats:
                seat.is_left = True
                seat.game.release(now_s)
        if self._traffic is not None:
            self._traffic.close()
        give_back(self.hub, lingers=not self._is_twin)
