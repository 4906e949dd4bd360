"""A FastAPI application on uvicorn, in a thread of its own."""

import asyncio
import socket
import threading
import time

import fastapi
import uvicorn

from envs.errors import SimulatorUnavailable
from envs.roblox.messages import MAX_BYTES

START_S = 10.0


class WebServer:
    """Serve an application at a socket until closed.

    Args:
        app: what is served.
        listening: the socket, which is closed with the server.
        place: where that is, for messages.

    Raises:
        SimulatorUnavailable: the server did not start.
    """

    def __init__(self, app: fastapi.FastAPI, listening: socket.socket, place: str) -> None:
        self._socket = listening
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
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
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self._socket.close()
                raise SimulatorUnavailable(
                    f"The server of env=roblox did not start at {place} within {START_S:g} s. Are fastapi, uvicorn and "
                    "websockets installed?"
                )
            time.sleep(0.005)

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        self._server.should_exit = True
        self._thread.join(5.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))
