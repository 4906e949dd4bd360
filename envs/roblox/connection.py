"""One connection of a game: what comes is given to it, what it has to say is sent."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

import fastapi

from envs.roblox.game import Game
from envs.roblox.messages import encode

logger = logging.getLogger(__name__)

_POLL_S = 0.02  # game time between two looks at the game's timers
_SEND_S = 5.0  # real time; who takes longer to receive is gone
GOING_AWAY = 1001


class Connection:
    """Carry messages between a game and its WebSocket, in the server's loop.

    Args:
        websocket: accepted.
        game: what is said and heard.
        condition: held while the game is touched.
        now: returns the game's time.
        speed: game time by real time.
    """

    def __init__(
        self,
        websocket: fastapi.WebSocket,
        game: Game,
        condition: threading.Condition,
        now: Callable[[], float],
        speed: float,
    ) -> None:
        self._websocket, self._game, self._condition, self._now = websocket, game, condition, now
        self._poll_s = max(_POLL_S / speed, 0.002)
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._close_reason: str | None = None

    def wake(self) -> None:
        """Have sent what there is; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._woken.set)

    def close(self, reason: str) -> None:
        """Hang up; from any thread."""
        self._close_reason = reason
        self.wake()

    async def talk(self) -> None:
        """Carry messages until either side ends."""
        with self._condition:
            self._game.connected(self._now())
        self._woken.set()  # what there is to say first
        receiving = asyncio.create_task(self._receive())
        sending = asyncio.create_task(self._send())
        reason = "the server was stopped"
        try:
            done, _ = await asyncio.wait((receiving, sending), return_when=asyncio.FIRST_COMPLETED)
            reason = self._close_reason or next(iter(done)).result()  # our own goodbye is heard as theirs
        finally:
            for task in (receiving, sending):
                task.cancel()
            await asyncio.gather(receiving, sending, return_exceptions=True)
            with self._condition:
                self._game.disconnected(self._now(), reason)
                self._condition.notify_all()
            logger.info("A game is gone: %s.", reason)

    async def _receive(self) -> str:
        is_known = False
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return f"it closed the connection (code {message.get('code')})"
            text = message.get("text")
            with self._condition:
                if text is None:
                    self._game.heard_binary()
                else:
                    self._game.heard(text, self._now())
                self._condition.notify_all()
                dialect = self._game.dialect
            if dialect is not None and not is_known:
                is_known = True
                logger.info("A game is connected, dialect %s, %d cars.", dialect, len(self._game.cars))
            self._woken.set()

    async def _send(self) -> str:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll_s)
            self._woken.clear()
            with self._condition:
                commands = self._game.due(self._now())
                reason = self._close_reason = self._close_reason or self._game.why_close(self._now())
            try:
                for command in commands:
                    await asyncio.wait_for(self._websocket.send_text(encode(command)), _SEND_S)
                if reason is not None:
                    logger.warning("A game's connection is closed: %s", reason)
                    await asyncio.wait_for(self._websocket.close(GOING_AWAY, reason[:120]), _SEND_S)
                    return reason
            except TimeoutError:
                return f"it took nothing for {_SEND_S:g} s"
            except (RuntimeError, OSError, fastapi.WebSocketDisconnect) as error:
                return f"it is gone ({type(error).__name__})"
