"""`python -m envs.serve env=carracing num_games=6`: games over the socket protocol, for clients anywhere."""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from envs.action_history import ACTION_HISTORY
from envs.app import OK, plain, run_app
from envs.arguments import build_section, check_choice, check_range, check_types
from envs.errors import ConfigError
from envs.factory import FRAME_STACK, make_env
from envs.flags import rewritten
from envs.heap import use_one_heap
from envs.remote.addresses import parse_address
from envs.remote.clock import RealTimeClock
from envs.remote.conversation import Service
from envs.remote.security import connecting_context, known_token, listening_context
from envs.remote.served_game import ServedGame
from envs.remote.server import GameServer
from envs.remote.strict import StrictServer
from envs.remote.world import World

HUMAN, RGB_ARRAY, NONE = "human", "rgb_array", "none"
_MAX_GAMES = 64
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """The keys of `conf/serve.yaml` beside `env`, which says what each is for."""

    host: str | None = None
    port: int = 5555
    connect: list[str] | str = field(default_factory=list)
    num_games: int = 1
    render: str | None = None
    max_steps: int | None = None
    seed: int | None = None
    verbose: int = 1
    strict: bool = False
    hold_after_done: float = 0.5
    max_clients: int | None = None
    token: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_authority: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        check_types(type(self), vars(self))
        check_range("port", self.port, 0, 65535)
        check_range("num_games", self.num_games, 1, _MAX_GAMES)
        check_range("max_clients", 1 if self.max_clients is None else self.max_clients, 1)
        check_range("hold_after_done", self.hold_after_done, 0.0, 60.0)
        check_range("verbose", self.verbose, 0, 1)
        if self.render is not None:
            check_choice("render", self.render, (HUMAN, RGB_ARRAY, NONE))
        if self.max_steps is not None:
            check_range("max_steps", self.max_steps, 1)
        if self.seed is not None:
            check_range("seed", self.seed, 0)
        known_token(self.token)
        for address in self.targets:
            parse_address(address, "connect")
        listens, dials = ("tls_certificate", "tls_key"), ("tls_authority",)
        self._refuse(("token", "connect", *listens, *dials) if self.strict else (), "the original knows none of it")
        self._refuse(listens if self.targets else dials, "who listens shows a certificate, who dials checks it")

    def _refuse(self, names: Sequence[str], reason: str) -> None:
        given = [name for name in names if getattr(self, name)]
        if given:
            raise ConfigError(f"{', '.join(given)} would be without effect here: {reason}. Leave it out.")

    @property
    def targets(self) -> list[str]:
        """Where to dial out to."""
        return [self.connect] if isinstance(self.connect, str) else list(self.connect)


def main(config: Any) -> int:
    """Serve until ctrl-C."""
    use_one_heap()
    section = plain(config)
    env = section.pop("env")
    settings: ServeSettings = build_section(ServeSettings, section)
    logging.getLogger("envs").setLevel(logging.INFO if settings.verbose else logging.WARNING)
    if settings.strict:
        return _serve_strictly(settings)
    if not isinstance(env, dict):
        raise ConfigError("Expected env=NAME: the env to serve.")
    render_mode = _render_mode(settings.render or NONE, settings.num_games)
    games = [
        ServedGame(index, _world(env, settings, index, render_mode), hold_s=settings.hold_after_done)
        for index in range(settings.num_games)
    ]
    token = known_token(settings.token)
    service = Service(
        games=games,
        clock=RealTimeClock(1.0 / games[0].world.fps),
        env_id=games[0].world.env_id,
        token=token,
        tell_token=bool(settings.targets),
    )
    context = listening_context(settings.tls_certificate, settings.tls_key)
    authority = connecting_context(settings.tls_authority)
    server = GameServer(service, max_clients=settings.max_clients or max(8, 2 * settings.num_games), context=context)
    try:
        if settings.targets:
            server.dial([parse_address(target, "connect") for target in settings.targets], authority)
            where = "to " + ", ".join(settings.targets)
        else:
            host, port = server.listen(settings.host or _LOOPBACK[0], settings.port)
            where = f"at {host}:{port}"
            if host not in _LOOPBACK and token is None:
                log.warning("Whoever reaches %s:%d can drive these games. Set token=… or CHICANE_TOKEN.", host, port)
        encrypted = ", encrypted" if context or authority else ""
        num = settings.num_games
        print(
            f"Serving {num} game{'s' * (num > 1)} of {service.env_id} {where}{encrypted}. Ctrl-C ends it.", flush=True
        )
        while not server.wait(0.5):  # Windows delivers ctrl-C only between waits
            pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is closing already
        server.close()
    return OK


def _world(env: Mapping[str, Any], settings: ServeSettings, index: int, render_mode: str | None) -> World:
    if env.get(ACTION_HISTORY):
        raise ConfigError(f"env.{ACTION_HISTORY} is made where observations are read: set it in the runner's config.")
    config = {name: value for name, value in env.items() if name != FRAME_STACK}
    if settings.max_steps is not None:
        config["max_frames"] = settings.max_steps

    def make(training: bool) -> gym.Env[Any, Any]:
        try:
            return make_env(config, training=training, render_mode=render_mode)
        except ConfigError as error:
            if settings.max_steps is None:
                raise
            raise ConfigError(f"max_steps sets env.max_frames, which not every env has. {error}") from error

    return World(make, None if settings.seed is None else settings.seed + index)


def _render_mode(render: str, num_games: int) -> str:
    """Return Gymnasium's mode: pictures for clients, unless a person can and wants to watch."""
    if render != HUMAN:
        return RGB_ARRAY
    if num_games > 1:
        log.warning("render=human shows one game, and %d are served: nothing is shown.", num_games)
        return RGB_ARRAY
    has_display = sys.platform in ("win32", "darwin") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not has_display:
        log.warning("render=human needs a display, and there is none: nothing is shown.")
        return RGB_ARRAY
    return HUMAN


def _serve_strictly(settings: ServeSettings) -> int:
    server = StrictServer(
        host=settings.host or "0.0.0.0",
        port=settings.port,
        num_games=settings.num_games,
        render=settings.render or HUMAN,
        max_steps=settings.max_steps or 1000,
        seed=settings.seed,
    )
    print(f"Serving {settings.num_games} games as the original at {server.host}:{server.port}.", flush=True)
    server.serve()
    return OK


def words(arguments: Sequence[str]) -> list[str]:
    """Return the words of the command line, the original's flags as keys."""
    return rewritten(arguments, switches=("strict",))


if __name__ == "__main__":
    sys.argv[1:] = words(sys.argv[1:])
    run_app(main, config_name="serve")
