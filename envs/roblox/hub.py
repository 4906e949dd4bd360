"""The server that games connect to: its pages, who may come in, and a seat for each game."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import fastapi

from envs.ports import listen_at
from envs.roblox.admission import refusal
from envs.roblox.game import Game
from envs.roblox.latency import LatencyTracker
from envs.roblox.relay import hand_on
from envs.roblox.seats import Seat, Seats
from envs.roblox.web_server import START_S, WebServer

logger = logging.getLogger(__name__)

POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013  # codes that connections are closed with
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where we reach a server that listens everywhere


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
        self._seats = Seats(self.condition, self.now, speed)
        listening = listen_at(host, port, "The server of env=roblox")
        name = listening.getsockname()
        self.address: tuple[str, int] = name[0], name[1]
        self._server = WebServer(self._app(), listening, f"{host}:{port}")

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
        return self._seats.add(games, model_id, self.transport)

    def remove(self, seats: Sequence[Seat]) -> None:
        """Take seats away, and close the connections of those who sit there."""
        self._seats.remove(seats)

    def left_seats(self) -> list[Seat]:
        """Return the seats whose driver has left."""
        return self._seats.left()

    def wake(self) -> None:
        """Have everything sent that games are to be told."""
        self._seats.wake()

    def close(self) -> None:
        """Stop listening, and close all connections; a second call does nothing."""
        self.remove(list(self._seats.all))
        self._server.close()

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
            return {
                "status": "running",
                "model_type": self._model_type,
                "available_models": self._seats.known_names(),
                "mode": "train",
                "latency_enabled": True,
                "games": sum(seat.connection is not None for seat in self._seats.all),
                "seats": len(self._seats.all),
            }

    async def _serve(self, websocket: fastapi.WebSocket, model_id: str) -> None:
        why = self._refusal(websocket, model_id)
        if why is not None:
            logger.warning("A game was refused: %s.", why)
            await websocket.close(POLICY_VIOLATION, why)
            return
        await websocket.accept()
        deadline = time.monotonic() + START_S
        while (
            not self._seats.all and time.monotonic() < deadline
        ):  # it is here before the env; a v0 game tries only once
            await asyncio.sleep(0.02)
        seat = self._seats.sit_down(websocket, model_id)
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
        server = websocket.scope.get("server")
        return refusal(
            model_id,
            names=self._seats.wanted_names(),
            given_token=websocket.query_params.get("token", ""),
            token=self._token,
            origins=websocket.headers.getlist("origin"),
            address=server[0] if server else "",
        )
