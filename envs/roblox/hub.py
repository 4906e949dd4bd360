"""The server that games connect to: FastAPI on uvicorn in a thread of its own, and a seat for each game."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fastapi
import uvicorn

from envs.errors import SimulatorUnavailable
from envs.ports import listen_at
from envs.roblox.admission import refusal
from envs.roblox.connection import Connection
from envs.roblox.game import Game
from envs.roblox.latency import LatencyTracker
from envs.roblox.messages import MAX_BYTES
from envs.roblox.relay import hand_on

logger = logging.getLogger(__name__)

POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # codes that connections are closed with
_START_S = 10.0
_MOST_NAMES = 100  # that are remembered for `GET /`
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where we reach a server that listens everywhere


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


class RobloxHub:
    """Listen for games, and give each that comes a free seat; all connections feed the same policy.

    Args:
        host: where to listen.
        port: likewise; 0: any free one.
        token: that games must bring as `?token=…`; None: none.
        speed: game time by real time: 1 for the real game.
        model_type: the algorithm, for `GET /`.
        hands_on: games without a seat here go to the servers at the ports that follow.

    Attributes:
        condition: held while games are touched, told when something came.
        address: where it listens.
        steps: latencies of env steps, game seconds.
        transport: round trips of pings, game seconds.

    Raises:
        ConfigError: the port is taken.
        SimulatorUnavailable: the server did not start.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        token: str | None = None,
        speed: float = 1.0,
        model_type: str = "rllib",
        hands_on: bool = False,
    ) -> None:
        self.condition = threading.Condition()
        self.steps, self.transport = LatencyTracker(), LatencyTracker()
        self.speed = speed
        self._token, self._model_type, self._hands_on = token, model_type, hands_on
        self._seats: list[Seat] = []
        self._names: set[str] = set()
        self._socket = listen_at(host, port, "The server of env=roblox")
        name = self._socket.getsockname()
        self.address: tuple[str, int] = name[0], name[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(),
                ws="websockets-sansio",
                ws_max_size=MAX_BYTES,
                ws_ping_interval=None,  # whether Roblox answers the protocol's own pings is not known
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="roblox-hub", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._socket.close()
                raise SimulatorUnavailable(
                    f"The server of env=roblox did not start at {host}:{port} within {_START_S:g} s. Are fastapi, "
                    "uvicorn and websockets installed?"
                )
            time.sleep(0.005)

    @property
    def url(self) -> str:
        """Where games connect, without the name of the policy."""
        host = f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]
        return f"ws://{host}:{self.address[1]}/ws"

    def now(self) -> float:
        """Return the games' time, s."""
        return time.monotonic() * self.speed

    def is_alike(self, token: str | None, speed: float, *, hands_on: bool) -> bool:
        """Whether it was started with the same arguments."""
        return (self._token, self.speed, self._hands_on) == (token, speed, hands_on)

    def seat(self, games: Sequence[Game], model_id: str | None) -> list[Seat]:
        """Offer a seat to each of the games, which connect when they want."""
        with self.condition:
            seats = [Seat(game, model_id) for game in games]
            for seat in seats:
                seat.game.round_trips = self.transport
            self._seats += seats
            return seats

    def remove(self, seats: Sequence[Seat]) -> None:
        """Take seats away, and close the connections of those who sit there."""
        with self.condition:
            self._seats = [seat for seat in self._seats if seat not in seats]
            for seat in seats:
                if seat.connection is not None:
                    seat.connection.close("nobody drives this game any more")

    def left_seats(self) -> list[Seat]:
        """Return the seats whose driver has left."""
        with self.condition:
            return [seat for seat in self._seats if seat.is_left]

    def wake(self) -> None:
        """Have everything sent that games are to be told."""
        for seat in self._seats:
            if seat.connection is not None:
                seat.connection.wake()

    def close(self) -> None:
        """Stop listening, and close all connections; a second call does nothing."""
        self.remove(list(self._seats))
        self._server.should_exit = True
        self._thread.join(5.0)
        self._socket.close()

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def _app(self) -> fastapi.FastAPI:
        app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        async def status() -> dict[str, Any]:
            return self._status()

        async def latency() -> dict[str, Any]:
            trackers = {"transport": self.transport.summary(), "step": self.steps.summary()}
            return {"enabled": True, "trackers": trackers}

        async def serve(websocket: fastapi.WebSocket, model_id: str) -> None:
            await self._serve(websocket, model_id)

        app.add_api_route("/", status)
        app.add_api_route("/latency", latency)
        app.add_api_websocket_route("/ws/{model_id}", serve)
        return app

    def _status(self) -> dict[str, Any]:
        with self.condition:
            named = {seat.model_id for seat in self._seats if seat.model_id is not None}
            return {
                "status": "running",
                "model_type": self._model_type,
                "available_models": sorted(named | self._names),
                "mode": "train",
                "latency_enabled": True,
                "games": sum(seat.connection is not None for seat in self._seats),
                "seats": len(self._seats),
            }

    async def _serve(self, websocket: fastapi.WebSocket, model_id: str) -> None:
        why = self._refusal(websocket, model_id)
        if why is not None:
            logger.warning("A game was refused: %s.", why)
            await websocket.close(POLICY_VIOLATION, why)
            return
        await websocket.accept()
        deadline = time.monotonic() + _START_S
        while not self._seats and time.monotonic() < deadline:  # it is here before the env; a v0 game tries only once
            await asyncio.sleep(0.02)
        seat = self._sit_down(websocket, model_id)
        if seat is None or seat.connection is None:
            host, port = self.address
            host = _HERE.get(host, host)
            if self._hands_on and await hand_on(websocket, host, port, model_id, self._token):
                return
            logger.warning("A game came for %s, and there is no free seat: env.games says how many.", model_id)
            await websocket.close(TRY_AGAIN_LATER, "no free seat")
            return
        try:
            await seat.connection.talk()
        finally:
            seat.connection = None

    def _refusal(self, websocket: fastapi.WebSocket, model_id: str) -> str | None:
        with self.condition:
            names = {seat.model_id for seat in self._seats}
        server = websocket.scope.get("server")
        return refusal(
            model_id,
            names=names,
            given_token=websocket.query_params.get("token", ""),
            token=self._token,
            origins=websocket.headers.getlist("origin"),
            address=server[0] if server else "",
        )

    def _sit_down(self, websocket: fastapi.WebSocket, model_id: str) -> Seat | None:
        with self.condition:
            if len(self._names) < _MOST_NAMES:
                self._names.add(model_id)
            for seat in self._seats:
                if seat.connection is None and seat.model_id in (None, model_id):
                    seat.connection = Connection(websocket, seat.game, self.condition, self.now, self.speed)
                    return seat
        return None
