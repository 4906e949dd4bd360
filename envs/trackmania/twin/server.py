"""The twin as another process sees it: the game on a clock, its telemetry, a pad and pictures, each at a port."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

from envs.arguments import build_section, check_range, check_types
from envs.door import Door
from envs.ports import bind_datagrams
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.frame import Frame
from envs.trackmania.twin.frame_channel import serve_frames
from envs.trackmania.twin.game import TwinGame
from envs.trackmania.twin.pad import DATAGRAM, Pad
from envs.trackmania.twin.perspective import Picture
from envs.trackmania.twin.plugin_channels import GhostPort, ReadinessPort
from envs.trackmania.twin.race import SECOND_US
from envs.trackmania.twin.records import DEFAULT, check_layout
from envs.trackmania.twin.telemetry_port import TelemetryPort

_WAKE_S = 0.05  # at least so often it is looked whether to end
_BEHIND_S = 0.25  # real time that is made up for; beyond it, the game has been slow


class TwinServer:
    """A game that others connect to, until it is closed.

    Args:
        host: where to listen.
        port: of the telemetry; the pad's is the next, and that of the pictures the one after. 0: any three.
        number: among the twins of one command; added to the seed, and to the ports of the other plugins.
        speed: game time by real time. 0: lock-step, the game goes on when `step` is called, here or by the channel.
        layout: of the records.
        ghost_port: where connections save ghosts; None: that plugin is absent.
        readiness_port: of the plugin that says whether a map is ready; None: absent.
        game: arguments of `TwinGame`.
        faults: what goes wrong, by name as in `Faults`.

    Attributes:
        game: the game; others than this class touch it while they hold `lock`.
        pad: counts datagrams.
        telemetry: where records come from, host and port.
        pad_address: where datagrams go, UDP.
        frames: where pictures come from.
        ghosts: the ghost channel, which counts; None without.
        readiness: the readiness channel; None without.
        times_slow: how often real time was lost.

    Raises:
        ConfigError: a value is wrong, or a port is taken.
    """

    ports_per_game = 3
    default_port = 9000

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 9000,
        number: int = 0,
        speed: float = 1.0,
        layout: str = DEFAULT,
        ghost_port: int | None = None,
        readiness_port: int | None = None,
        game: Mapping[str, Any] | None = None,
        faults: Mapping[str, Any] | None = None,
    ) -> None:
        check_range("port", port, 0, 65535 - self.ports_per_game + 1)
        check_range("speed", speed, 0.0, 1000.0)
        self._layout, self._speed = check_layout(layout), speed
        arguments = dict(game or {})
        check_types(TwinGame, arguments)
        seeded = {"seed": int(arguments.pop("seed", 0)) + number}
        self.game: TwinGame = build_section(TwinGame, arguments | seeded | {"faults": build_section(Faults, faults)})
        self.lock, self._has_ended = threading.RLock(), threading.Event()
        self.pad, self.times_slow = Pad(self.game), 0
        with contextlib.ExitStack() as opened:  # what was opened before a port that is taken is closed again
            self._port = TelemetryPort(host, port)
            opened.callback(self._port.close)
            self._port.set_faults(self.game.faults)
            self._pad_socket = bind_datagrams(host, port and port + 1, "The twin's pad")
            opened.callback(self._pad_socket.close)
            frames = Door(host, port and port + 2, "The twin's frame channel", self._serve_frames)
            opened.callback(frames.close)
            self.ghosts = None if ghost_port is None else GhostPort(host, ghost_port and ghost_port + number)
            if self.ghosts:
                opened.callback(self.ghosts.close)
            self.readiness = (
                None
                if readiness_port is None
                else ReadinessPort(host, readiness_port and readiness_port + number, self._readiness)
            )
            if self.readiness:
                opened.callback(self.readiness.close)
            self._opened = opened.pop_all()
        self.telemetry = self._port.address
        self.pad_address: tuple[str, int] = self._pad_socket.getsockname()[:2]
        self.frames = frames.address
        self._thread = threading.Thread(target=self._run, name="twin", daemon=True)
        self._thread.start()

    @property
    def faults(self) -> Faults:
        """What goes wrong; counted from when it is set."""
        return self.game.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self.lock:
            self.game.faults = faults
            self._port.set_faults(faults)

    def step(self, duration_us: int) -> Frame:
        """Let the game go on, whatever its clock says, write the records of its frames, and return the newest."""
        with self.lock:
            self._hear()
            self._go_to(self.game.time_us + duration_us)
            return self.game.frame

    def describe(self) -> str:
        """Return where everything is, in words."""
        pace = f"{self._speed:g} x real time" if self._speed else "lock-step"
        (host, port), pad, frames = self.telemetry, self.pad_address[1], self.frames[1]
        more = [f"{what} {one.address[1]}" for what, one in self._plugins.items() if one]
        ports = ", ".join([f"pad {pad}/udp", f"frames {frames}", *more])
        return f"{self._layout} at {host}:{port}, {ports}; {pace}"

    def close(self) -> None:
        """End; a second call does nothing."""
        self._has_ended.set()
        self._thread.join(5.0)
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _plugins(self) -> dict[str, GhostPort | ReadinessPort | None]:
        return {"ghosts": self.ghosts, "readiness": self.readiness}

    def _run(self) -> None:
        """Keep the game at its pace: wait for the next frame or the pad, whichever is first."""
        began, first_us = time.monotonic(), self.game.time_us
        while not self._has_ended.is_set():
            with self.lock:
                wait = _WAKE_S
                if self._speed:
                    due = began + (self.game.next_frame_us - first_us) / SECOND_US / self._speed
                    wait = min(max(due - time.monotonic(), 0.0), _WAKE_S)
            # Not for the listener: one that is closed while it is waited for would keep its port from the next.
            select.select([self._pad_socket], [], [], wait)
            with self.lock:
                self._hear()
                if not self._speed:
                    continue
                now = time.monotonic()
                target = first_us + int((now - began) * self._speed * SECOND_US)
                if target - self.game.time_us > _BEHIND_S * self._speed * SECOND_US:
                    self.times_slow += 1
                    target = max(self.game.next_frame_us, self.game.time_us)
                    began, first_us = now, target
                if target > self.game.time_us:
                    self._go_to(target)

    def _hear(self) -> None:
        """Take a client that waits, and all that the pad has sent."""
        self._port.accept()
        with contextlib.suppress(OSError):  # nothing more has come
            while True:
                self.pad.take(self._pad_socket.recv(DATAGRAM.size + 1))

    def _go_to(self, time_us: int) -> None:
        game = self.game
        while game.next_frame_us <= time_us:
            number = game.frame.number
            game.advance_to(game.next_frame_us)
            if game.frame.number != number and self._port.is_connected:
                layout = self._port.layout(self._layout, game.faults)
                self._port.write(game.record_bytes(layout), game.faults)
        game.advance_to(time_us)

    def _serve_frames(self, connection: socket.socket) -> None:
        serve_frames(connection, self._shoot, self.step)

    def _shoot(self, kind: str) -> tuple[Frame, Picture]:
        frame = self.game.frame
        return frame, self.game.screen.draw(frame, kind)  # drawn beside the running game

    def _readiness(self) -> tuple[str | None, bool]:
        with self.lock:
            return None if self.faults.silent else self.game.map_uid, not self.game.popup_open
