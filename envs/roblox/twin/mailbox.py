"""What the server says, collected while the game plays."""

import asyncio
import contextlib
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection


class Mailbox:
    """Frames of one connection that were not looked at yet; made and used in its event loop.

    Args:
        socket: where they come from.

    Attributes:
        reader: the task that collects them; done when the connection has ended.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._frames: list[str | bytes] = []
        self._has_mail = asyncio.Event()
        self.reader = asyncio.create_task(self._read(socket))

    async def wait(self, seconds: float) -> None:
        """Wait until then, or until something has come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._has_mail.wait()

    def take(self) -> tuple[list[Any], int]:
        """Return the commands that have come, and how many frames were none: what Roblox cannot read is lost."""
        frames, self._frames = self._frames, []
        self._has_mail.clear()
        commands, lost = [], 0
        for frame in frames:
            try:
                commands.append(orjson.loads(frame))
            except ValueError:
                lost += 1
        return commands, lost

    async def close(self) -> None:
        """Collect no more."""
        self.reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.reader

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                self._frames.append(frame)
                self._has_mail.set()
        finally:
            self._has_mail.set()
