"""Which game is driven: the real one, a twin over sockets, or one in lock-step; each as the parts of an interface."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from envs.arguments import check_choice
from envs.errors import ConfigError
from envs.track.frames import FloatArray
from envs.trackmania.client import TelemetryClient
from envs.trackmania.controls import PRESS_S
from envs.trackmania.gamepad import GamepadSink
from envs.trackmania.keyboard import KeyboardSink
from envs.trackmania.layouts import RICH1, Layout
from envs.trackmania.lockstep import LockstepTwin
from envs.trackmania.real_time import GameTime, RealTime
from envs.trackmania.served_screen import ServedScreen
from envs.trackmania.sinks import DatagramSink, NullSink
from envs.trackmania.sources import ControlSink, GameParts, ScreenCapture, TelemetrySource
from envs.window_capture import WindowCapture

GAMEPAD, KEYBOARD, LOOPBACK, NONE = "gamepad", "keyboard", "loopback", "none"
CONTROLS = (GAMEPAD, KEYBOARD, LOOPBACK, NONE)
LOCKSTEP = "lockstep"
_TWIN = "envs.trackmania.twin"

Address = tuple[str, int]


@dataclass(frozen=True)
class Game:
    """A game that can be connected to.

    Attributes:
        telemetry: returns where records come from.
        sink: returns where controls go.
        capture: returns where pictures come from; None where none are taken.
        time: its clock.
        pause_s: that a reset waits after the restart.
        renew: makes the game as it was at its very begin; None where that cannot be.
        trajectory: `(N, 3)` of a drive, where the game itself knows one: twins do.
        edges: `(2, K, 3)` of its road, likewise.
        end: ends what was started for it.
    """

    telemetry: Callable[[], TelemetrySource]
    sink: Callable[[], ControlSink]
    capture: Callable[[], ScreenCapture | None]
    time: GameTime
    pause_s: float
    renew: Callable[[], None] | None = None
    trajectory: FloatArray | None = None
    edges: FloatArray | None = None
    end: Callable[[], None] = lambda: None

    def connect(self) -> GameParts:
        """Return everything that an interface drives.

        Raises:
            SimulatorUnavailable: there is no window, or no gamepad.
        """
        return GameParts(self.telemetry(), self.sink(), self.capture(), self.renew)


@dataclass(frozen=True)
class GameSettings:
    """What a game is found with.

    Attributes:
        host: of its telemetry.
        port: of its telemetry.
        layout: of its records; None: identified.
        controls: `gamepad`, `keyboard`, `none`, or `loopback`: those of a twin at `host`, whose window is there too.
        window_title: of its window.
        screen: kind of pictures; None: none are taken.
        sleep_at_reset_s: TMRL's `SLEEP_TIME_AT_RESET`.
        stalled_s: after which telemetry is lost.
    """

    host: str
    port: int
    layout: Layout | None
    controls: str
    window_title: str
    screen: str | None
    sleep_at_reset_s: float
    stalled_s: float

    @property
    def pause_s(self) -> float:
        """What is left of the sleep: holding a pad's button is a part of it, a key's is not."""
        return self.sleep_at_reset_s if self.controls == KEYBOARD else max(0.0, self.sleep_at_reset_s - PRESS_S)


def real_game(settings: GameSettings) -> Game:
    """Return the game on this machine, which is looked for when it is connected to."""
    check_choice("controls", settings.controls, CONTROLS)
    if settings.controls == LOOPBACK:
        host, port = settings.host, settings.port
        return _twin_elsewhere(settings, (host, port), (host, port + 1), (host, port + 2))
    sinks: Mapping[str, Callable[[], ControlSink]] = {
        GAMEPAD: GamepadSink,
        KEYBOARD: KeyboardSink,
        NONE: NullSink,
    }
    return Game(
        lambda: _client(settings, settings.host, settings.port),
        sinks[settings.controls],
        lambda: None if settings.screen is None else WindowCapture(settings.window_title),
        RealTime(),
        settings.pause_s,
    )


def lockstep_twin(settings: GameSettings, arguments: Mapping[str, Any]) -> Game:
    """Return a twin in this process whose time waits for the env."""
    if settings.layout is RICH1:
        raise ConfigError("env.layout=RICH1 has a header, which env.twin=lockstep does not send: choose env.twin=true.")
    make = _twin_class("game", "TwinGame")
    layout = {} if settings.layout is None else {"layout": settings.layout}
    twin = LockstepTwin(lambda: make(**arguments), screen=settings.screen, **layout)
    return Game(
        lambda: twin,
        NullSink if settings.controls == NONE else lambda: twin,
        lambda: twin if settings.screen else None,
        twin,
        settings.pause_s,
        twin.renew,
        twin.game.trajectory(),
        _edges(twin.game),
    )


def served_twin(settings: GameSettings, arguments: Mapping[str, Any]) -> Game:
    """Return a twin that runs beside the env in real time, and is driven through sockets as the game is."""
    layout = {} if settings.layout is None else {"layout": settings.layout.name}
    server = _twin_class("server", "TwinServer")(port=0, game=dict(arguments), **layout)
    game = _twin_elsewhere(settings, server.telemetry, server.pad_address, server.frames)
    return replace(game, trajectory=server.game.trajectory(), edges=_edges(server.game), end=server.close)


def _twin_elsewhere(settings: GameSettings, telemetry: Address, pad: Address, frames: Address) -> Game:
    """Return a twin behind its three ports, in this process or another."""
    client = _twin_class("frame_channel", "FrameClient")
    return Game(
        lambda: _client(settings, *telemetry, checks_units=False),
        NullSink if settings.controls == NONE else lambda: DatagramSink(*pad),
        lambda: ServedScreen(lambda: client(*frames), settings.screen) if settings.screen else None,
        RealTime(),
        settings.pause_s,
    )


def _client(settings: GameSettings, host: str, port: int, *, checks_units: bool = True) -> TelemetryClient:
    return TelemetryClient(
        host=host, port=port, layout=settings.layout, stalled_s=settings.stalled_s, checks_units=checks_units
    )


def _edges(game: Any) -> FloatArray | None:
    edges = getattr(game, "edges", None)
    return None if edges is None else edges()


def _twin_class(module: str, name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(f"{_TWIN}.{module}"), name)
    except ImportError as error:
        raise ConfigError(f"env.twin needs {_TWIN}.{module}, which does not import ({error}).") from error
    return found
