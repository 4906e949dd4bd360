"""Hands games on to the runners beside this one, so that one port serves all: `env.hub=true`."""

import asyncio
import contextlib
import logging
from urllib.parse import urlencode

import fastapi
import websockets
from websockets.asyncio.client import ClientConnection, connect

from envs.roblox.messages import MAX_BYTES

logger = logging.getLogger(__name__)

MOST_RUNNERS = 64  # whose ports are tried
_OPEN_S = 5.0  # for a runner to answer, and to say its first word


async def hand_on(websocket: fastapi.WebSocket, host: str, port: int, model_id: str, token: str | None) -> bool:
    """Carry a game's messages to the first runner after this one that has a free seat, until either side ends.

    Args:
        websocket: of the game, accepted.
        host: where runners listen.
        port: of this runner; the others' follow.
        model_id: that the game named.
        token: that runners ask for.

    Returns:
        Whether there was one.
    """
    query = "" if token is None else "?" + urlencode({"token": token})
    for other in range(port + 1, port + MOST_RUNNERS):
        try:
            async with connect(
                f"ws://{host}:{other}/ws/{model_id}{query}",
                open_timeout=_OPEN_S,
                ping_interval=None,
                max_size=MAX_BYTES,
                compression=None,
            ) as runner:
                first = await asyncio.wait_for(runner.recv(), _OPEN_S)  # who has no seat says goodbye instead
                logger.info("A game is handed on to port %d.", other)
                await websocket.send_text(str(first))
                await _carry(websocket, runner)
                return True
        except ConnectionRefusedError:
            return False  # runners listen side by side: there are no more
        except (OSError, TimeoutError, websockets.WebSocketException):
            continue
    return False


async def _carry(websocket: fastapi.WebSocket, runner: ClientConnection) -> None:
    async def up() -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await runner.send(message.get("text") or message.get("bytes") or "")

    async def down() -> None:
        async for message in runner:
            await websocket.send_text(str(message))

    tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(RuntimeError):  # the game has closed it
        await websocket.close()
