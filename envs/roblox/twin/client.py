"""A twin that connects outward to a server and plays, in real time or a multiple of it, as a Roblox game does."""

import asyncio
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from envs.arguments import build_section, check_range, check_types
from envs.errors import ConfigError
from envs.roblox.messages import MAX_BYTES, SPAWN_AGENTS, action_command, agents_command, car_id
from envs.roblox.twin.faults import Faults
from envs.roblox.twin.game import RobloxGame
from envs.roblox.twin.mailbox import Mailbox
from envs.roblox.twin.pace import Pace
from envs.roblox.twin.wire import Wire

_LOG = logging.getLogger(__name__)
_OPEN_S, _SEND_S, _CLOSE_S = 10.0, 10.0, 1.0  # real time, for each
_RETRY_S = 0.5  # real time between tries until the first connection, which a game would be started for


class TwinClient:
    """Play one game to a server, in a thread.

    A connection that is lost is made anew after as long as the dialect waits, or never; only the first one is tried
    until it succeeds, so that it does not matter which side is started first.

    Args:
        url: of the server, as `ws://127.0.0.1:8000/ws/NAME`, with `?token=…` where it wants one.
        speed: game time by real time.
        number: of this twin among several; added to the seed.
        game: arguments of `RobloxGame`.
        faults: what goes wrong, by name as in `Faults`.
        make_wire: makes what turns messages into frames, of the faults and a seed.

    Attributes:
        game: the game; others than this class touch it while they hold `lock`.
        wire: counts what was sent.
        connections: that were made so far.
        is_connected: whether there is one now.
        pace: counts how often real time was lost.
        trouble: why the last connection ended, or could not be made; empty at first.

    Raises:
        ConfigError: a value is wrong.
    """

    ports_per_game = 0  # it calls, and nobody calls it

    def __init__(
        self,
        url: str,
        *,
        speed: float = 1.0,
        number: int = 0,
        game: Mapping[str, Any] | None = None,
        faults: Mapping[str, Any] | None = None,
        make_wire: Callable[[Faults, int], Wire] = Wire,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigError(f"Expected url like ws://127.0.0.1:8000/ws/twin, got {url!r}.")
        check_range("speed", speed, 0.01, 1000.0)
        arguments = dict(game or {})
        check_types(RobloxGame, arguments)
        seed = int(arguments.pop("seed", 0)) + number
        self.game: RobloxGame = build_section(RobloxGame, arguments | {"seed": seed})
        _compile(build_section(RobloxGame, arguments | {"seed": seed}))
        self._faults: Faults = build_section(Faults, faults)
        self.wire = make_wire(self._faults, seed)
        self.url, self._speed = url, speed
        self.lock = threading.RLock()
        self.pace = Pace(speed)
        self.connections, self.is_connected, self.trouble = 0, False, ""
        self._loop = asyncio.new_event_loop()
        self._has_ended = False
        self._task = self._loop.create_task(self._play())
        self._thread = threading.Thread(target=self._run, name=f"roblox-twin-{number}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it plays, or will once more; a v0 game that lost its connection does not."""
        return self._thread.is_alive()

    def describe(self) -> str:
        """Return what it is, in words."""
        game = self.game
        return f"{game.dialect} with {game.vehicle}, track {game.seed}, to {self.url}; {self._speed:g} x real time"

    def close(self) -> None:
        """End; a second call does nothing."""
        self._has_ended = True
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        finally:
            self._loop.close()

    async def _play(self) -> None:
        """Connect, talk, and connect again, until closed."""
        reconnect_s = self.game.rules.reconnect_s
        while not self._has_ended:
            try:
                await self._connect()
            except (OSError, websockets.WebSocketException, TimeoutError) as error:
                self._note(f"{type(error).__name__}: {error}")
            finally:
                self._leave()
            if not self.connections:
                await asyncio.sleep(_RETRY_S)
                continue
            if reconnect_s is None:
                _LOG.warning("A v0 game does not connect again; start the twin anew.")
                return
            await asyncio.sleep(reconnect_s / self._speed)
            with self.lock:
                self.game.advance(reconnect_s)

    async def _connect(self) -> None:
        connecting = connect(
            self.url,
            open_timeout=_OPEN_S,
            close_timeout=_CLOSE_S,
            ping_interval=None,
            max_size=MAX_BYTES,
            compression=None,
            proxy=None,
        )
        async with connecting as socket:
            self.connections, self.is_connected = self.connections + 1, True
            _LOG.info("The twin is connected to %s.", self.url)
            mailbox = Mailbox(socket)
            try:
                await self._talk(socket, mailbox)
            finally:
                await mailbox.close()

    async def _talk(self, socket: ClientConnection, mailbox: Mailbox) -> None:
        """Keep the game at its pace, until either side ends the connection."""
        loop, game = self._loop, self.game
        with self.lock:
            first_s = game.now_s
            self.pace.restart(first_s, loop.time())
            said = game.connect()
        while True:
            for message in said:
                for frame in self.wire.frames(message, game.now_s - first_s):
                    async with asyncio.timeout(_SEND_S):
                        await socket.send(frame)
            if mailbox.reader.done():
                mailbox.reader.result()  # raises what ended it, unless the server said goodbye
                self._note("The server closed the connection.")
                return
            if game.wants_to_close:
                self._note("The game heard nothing for too long.")
                await socket.close()
                return
            if self._faults.disconnect_after is not None and game.now_s - first_s >= self._faults.disconnect_after:
                self._note("disconnect_after")
                socket.transport.abort()
                return
            with self.lock:
                due_s = self.pace.due_s(game.next_tick_s)
            await mailbox.wait(due_s - loop.time())
            with self.lock:
                target_s = self.pace.target_s(game.next_tick_s, loop.time())
                said = game.advance(max(target_s - game.now_s, 0.0))
                commands, lost = mailbox.take()
                game.commands.malformed += lost
                for command in commands:
                    said += game.handle(command)

    def _leave(self) -> None:
        self.is_connected = False
        with self.lock:
            self.game.disconnect()

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            _LOG.info("The twin's connection to %s: %s", self.url, trouble)
        self.trouble = trouble


def _compile(game: RobloxGame) -> None:
    """Have a game like the one to be played run all compiled code once: it would stand still for it in mid-game."""
    (one, other) = (car_id(number, str(uuid.UUID(int=0))) for number in range(2))
    game.handle(agents_command(SPAWN_AGENTS, "", [one, other]))
    for _ in range(2):
        game.handle(action_command("", {one: [1.0, 0.0, -1.0], other: [0.0, 0.0, 0.0]}))
        game.advance_to_tick()
