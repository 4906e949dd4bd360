"""The twin as another process sees it: a game on a clock, with the plugin's three ports."""

import select
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

from envs.arguments import build_section, check_range, check_types
from envs.assetto_corsa.twin.ego_session import MOST_BYTES, EgoSession
from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.pace import Pace
from envs.assetto_corsa.twin.ports import TwinPorts

DEFAULT_PORT = 2345
_WAKE_S = 0.05  # at least so often it is looked whether to end
_MOST_AT_ONCE = 256  # datagrams that are heard before the game goes on
_LARGEST_BYTES = 65536  # of a datagram
_DYING_S = 0.5  # from the fatal datagram until the socket is closed


class TwinServer:
    """A game with its plugin that others connect to, until it is closed.

    Args:
        host: where to listen.
        port: of the ego channel, UDP; the opponents' is the next, management's the one after, both TCP. 0: any three.
        number: among the twins of one command; added to the seed.
        is_strict: with the original's faults and deaths; lenient otherwise.
        speed: game time by real time. 0: lock-step, each control advances the game by one state.
        token: without which controls are ignored, under `token` in the control object; None: not needed.
        accepts_foreign: whether controls from others than the client count; a strict twin always accepts them.
        watchdog_s: without a control, after which a lenient twin lets go of them; 0: never.
        has_extra_keys: whether a lenient twin's states have more numbers than the 90.
        track_info_every: so many-th row is in the track info; the whole is more than the original's client can read.
        game: arguments of `TwinGame`.
        faults: what goes wrong, by name as in `Faults`.

    Attributes:
        game: the game; others than this class touch it while they hold `lock`.
        pace: how its clock goes, and how often that was too slow.
        session: the ego channel's, which counts.
        ego: where datagrams go, host and port.
        management: where commands go.
        opponents: where the stream of the other cars is; None without any.

    Raises:
        ConfigError: a value is wrong, or a port is taken.
    """

    ports_per_game = 3
    default_port = DEFAULT_PORT

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        number: int = 0,
        is_strict: bool = False,
        speed: float = 1.0,
        token: str | None = None,
        accepts_foreign: bool = False,
        watchdog_s: float = 1.0,
        has_extra_keys: bool = False,
        track_info_every: int = 1,
        game: Mapping[str, Any] | None = None,
        faults: Mapping[str, Any] | None = None,
    ) -> None:
        check_range("port", port, 0, 65535 - self.ports_per_game + 1)
        check_range("speed", speed, 0.0, 1000.0)
        check_range("track_info_every", track_info_every, 1, 1000)
        self._speed, self._is_strict = speed, is_strict
        arguments = dict(game or {})
        check_types(TwinGame, arguments)
        seeded = {"seed": int(arguments.pop("seed", 0)) + number}
        self.game: TwinGame = build_section(TwinGame, arguments | seeded | {"faults": build_section(Faults, faults)})
        self.lock, self._has_ended = threading.RLock(), threading.Event()
        self.session = EgoSession(
            self.game,
            lambda data, client: self._ports.send(data, client),
            is_strict=is_strict,
            is_lockstep=speed == 0.0,
            token=token,
            accepts_foreign=accepts_foreign,
            watchdog_s=watchdog_s,
            has_extra_keys=has_extra_keys,
            seed=seeded["seed"],
        )
        self._died_s: float | None = None
        self._ports = TwinPorts(host, port, self.game, self.lock, is_strict=is_strict, every=track_info_every)
        self.ego, self.opponents, self.management = self._ports.ego, self._ports.opponents, self._ports.management
        if self.game.faults.refuse:
            self._ports.close()
        self.pace = Pace(self.game, speed)
        self._thread = threading.Thread(target=self._run, name="twin", daemon=True)
        self._thread.start()

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.game.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self.lock:
            was_refusing, self.game.faults = self.game.faults.refuse, faults
            if faults.refuse and not was_refusing:
                self._ports.close()
            elif was_refusing and not faults.refuse:
                self._ports.open()

    def revive(self) -> None:
        """Bring an ego server back that has died, as a new session of the game does."""
        with self.lock:
            self._ports.open_ego()
            self._died_s = None
            self.session.revive()

    def describe(self) -> str:
        """Return where everything is, in words."""
        pace = f"{self._speed:g} x real time" if self._speed else "lock-step"
        kind = "strict" if self._is_strict else "lenient"
        (host, port), opponents = self.ego, "" if self.opponents is None else f", opponents {self.opponents[1]}"
        game = self.game
        return (
            f"{game.car} on {game.track.full_name} at {host}:{port}/udp, management {self.management[1]}{opponents}; "
            f"{kind}, {game.mode} mode, {pace}. It is not the game: its lap times compare with nothing else"
        )

    def close(self) -> None:
        """End; a second call does nothing."""
        self._has_ended.set()
        self._thread.join(5.0)
        with self.lock:
            self._ports.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        """Keep the game at its pace: wait for the next event or a datagram, whichever is first."""
        while not self._has_ended.is_set():
            with self.lock:
                wait, heard = self._wait_s(), self._ports.socket
            try:
                readable = [heard] if heard is not None and self.session.quiet_until_us is None else []
                select.select(readable, [], [], wait)
            except (OSError, ValueError):
                continue  # it was closed meanwhile
            with self.lock:
                self._turn(time.monotonic())

    def _wait_s(self) -> float:
        """Return how long nothing is due."""
        if self.session.is_lockstep:
            return _WAKE_S
        due_us = min(self.pace.next_state_us, self.session.quiet_until_us or float("inf"))
        return min(max(self.pace.until_s(due_us), 0.0), _WAKE_S)

    def _turn(self, now_s: float) -> None:
        if self.session.is_lockstep:
            self.pace.restart()
        else:
            self._go_to(self.pace.target_us(now_s))
        self._hear()
        self.session.watch(now_s)
        if self.session.is_dead and self._ports.socket is not None:
            self._died_s = now_s if self._died_s is None else self._died_s
            if now_s - self._died_s >= _DYING_S:
                self._ports.close_ego()

    def _go_to(self, target_us: int) -> None:
        """Let the game go on, and its states be sent when they are due."""
        while True:
            quiet = self.session.quiet_until_us
            due = min(self.pace.next_state_us, target_us, float("inf") if quiet is None else quiet)
            self.game.advance_to(int(due))
            if quiet is not None and due >= quiet:
                self._hear()  # what came in the silence is read before the next state
                if self.session.is_lockstep:
                    return
            if due >= self.pace.next_state_us:
                self.pace.next_state_us += self.game.state_period_us
                self.session.emit()
            if due >= target_us:
                return

    def _hear(self) -> None:
        """Take what has come, unless the server sleeps."""
        most_bytes = MOST_BYTES if self._is_strict else _LARGEST_BYTES
        for _ in range(_MOST_AT_ONCE):
            if self.session.quiet_until_us is not None:
                return
            came = self._ports.receive(most_bytes)
            if came is None:
                return
            self.session.hear(*came, time.monotonic())
