"""Is the game the one that the env was made for? Asked before the first control is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envs.assetto_corsa.faults import CAR, GEARS, IMAGE, MODE, RATE, TRACK, GameMismatchError
from envs.assetto_corsa.state_keys import State
from envs.errors import ProtocolError

STATE_RATE_HZ = 25.0
REMOTE, LOCAL = "remote", "local"
MODES = (REMOTE, LOCAL)
FRAME_RATES = {REMOTE: 100, LOCAL: 50}  # of the game, to which its frame rate must be limited
_NO_CONFIGURATION = ("", "-1", "None")
_TOLERANCE = 0.08  # of the measured rate


@dataclass(frozen=True)
class Expected:
    """What the game is to be.

    Attributes:
        car: as the game calls it.
        track: full name; None: whatever is loaded.
        mode: `remote`: the plugin moves the joystick; `local`: this machine does.
        shifts_itself: whether the game's automatic gearbox is to be on.
        image: width, height and colour mode (`gray`, `bgr`) of pictures through shared memory; None without.
    """

    car: str
    track: str | None
    mode: str
    shifts_itself: bool = True
    image: tuple[int, int, str] | None = None


@dataclass(frozen=True)
class GameFacts:
    """What the management service says.

    Attributes:
        static_info: car and track.
        config: the plugin's settings.
    """

    static_info: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def car(self) -> str:
        """The car's name."""
        return str(self._told(self.static_info, "CarName", "static info"))

    @property
    def track(self) -> str:
        """The track's full name: with its layout, if it has several."""
        name = str(self._told(self.static_info, "TrackName", "static info"))
        layout = str(self.static_info.get("TrackConfiguration", ""))
        return name if layout in _NO_CONFIGURATION else f"{name}-{layout}"

    @property
    def track_length_m(self) -> float:
        """The game's length of the track, which lap distances are in."""
        length = self._told(self.static_info, "TrackLength", "static info")
        if isinstance(length, bool) or not isinstance(length, int | float) or not 1.0 < length < 1e6:
            raise ProtocolError(f"Expected TrackLength in metres, got {length!r}.")
        return float(length)

    @property
    def mode(self) -> str:
        """Who moves the joystick."""
        return REMOTE if self._told(self.config, "vjoy_executed_by_server", "config") else LOCAL

    def setting(self, key: str) -> Any:
        """Return a setting of the plugin.

        Raises:
            ProtocolError: it has none of this name.
        """
        return self._told(self.config, key, "config")

    @staticmethod
    def _told(reply: Mapping[str, Any], key: str, name: str) -> Any:
        if key not in reply:
            raise ProtocolError(f"Expected {key} in the plugin's {name}, got {', '.join(reply) or 'nothing'}.")
        return reply[key]


def check_facts(expected: Expected, facts: GameFacts) -> None:
    """Refuse a game that is set up otherwise.

    Raises:
        GameMismatchError: names what differs, and where to change it.
        ProtocolError: the plugin does not say.
    """
    for mismatch in mismatches(expected, facts):
        raise mismatch


def mismatches(expected: Expected, facts: GameFacts) -> Iterator[GameMismatchError]:
    """Yield everything in which a game is set up otherwise.

    Raises:
        ProtocolError: the plugin does not say.
    """
    if facts.car != expected.car:
        yield GameMismatchError(
            CAR,
            f"Expected the car {expected.car} (env.car), the game has {facts.car}. Choose it in the game, or set "
            f"env.car={facts.car}.",
        )
    if expected.track is not None and facts.track != expected.track:
        yield GameMismatchError(
            TRACK,
            f"Expected the track {expected.track} (env.track), the game has {facts.track}. Load it in the game, or "
            "name the files of the game's track in env.track.",
        )
    yield from _mode(expected.mode, facts)
    yield from _rates(expected.mode, facts)
    shifts_itself = bool(facts.static_info.get("autoShifterOn", expected.shifts_itself))
    if shifts_itself != expected.shifts_itself:
        is_on, wanted = ("on", "auto") if shifts_itself else ("off", "box")
        yield GameMismatchError(
            GEARS,
            f"The game's automatic gearbox is {is_on}, and env.gears says otherwise: set env.gears={wanted}, or change "
            "it in the game (Assists).",
        )
    if expected.image is not None:
        yield from _images(expected.image, facts)


def check_measured_rate(first: State, last: State, rate_hz: float = STATE_RATE_HZ) -> float:
    """Return the rate of states by the game's own clock.

    Args:
        first: a state.
        last: a later one; those in between need not have come.
        rate_hz: that is expected.

    Raises:
        GameMismatchError: it is another.
    """
    duration = last["timestamp_ac"] - first["timestamp_ac"]
    measured = (last["steps"] - first["steps"]) / duration if duration > 0.0 else float("inf")
    if abs(measured / rate_hz - 1.0) > _TOLERANCE:
        raise GameMismatchError(
            RATE,
            f"Expected {rate_hz:g} states/s, measured {measured:.2f}: the plugin counts frames, not time. Limit the "
            f"game's frame rate to exactly the plugin's sampling_freq ({FRAME_RATES[LOCAL]} in local, "
            f"{FRAME_RATES[REMOTE]} in remote mode), and see that the machine keeps up.",
        )
    return float(measured)


def _mode(mode: str, facts: GameFacts) -> Iterator[GameMismatchError]:
    if facts.mode != mode:
        other = {REMOTE: "True", LOCAL: "False"}
        yield GameMismatchError(
            MODE,
            f"Expected the plugin in {mode} mode (env.mode), it is in {facts.mode} mode, where controls do not reach "
            f"the car. Set vjoy_executed_by_server to {other[mode]} in the plugin's config.py and sampling_freq and "
            f"the game's frame rate to {FRAME_RATES[mode]}, or set env.mode={facts.mode}.",
        )


def _rates(mode: str, facts: GameFacts) -> Iterator[GameMismatchError]:
    told = facts.setting("ego_sampling_freq")
    if told != STATE_RATE_HZ:
        yield GameMismatchError(
            RATE,
            f"Expected {STATE_RATE_HZ:g} states/s, the plugin's ego_sampling_freq is {told}. Set it in its config.py.",
        )
    frames = facts.setting("sampling_freq")
    if frames != FRAME_RATES[mode]:
        yield GameMismatchError(
            RATE,
            f"Expected the plugin's sampling_freq to be {FRAME_RATES[mode]} in {mode} mode, it is {frames}. Set it in "
            "its config.py, and limit the game's frame rate to the same.",
        )


def _images(image: tuple[int, int, str], facts: GameFacts) -> Iterator[GameMismatchError]:
    if not facts.setting("screen_capture_enable"):
        yield GameMismatchError(
            IMAGE,
            "The plugin takes no pictures: set screen_capture_enable to True in its config.py, or choose another "
            "env.obs.",
        )
        return
    told = tuple(facts.setting(key) for key in ("final_image_width", "final_image_height", "color_mode"))
    if told != image:
        yield GameMismatchError(
            IMAGE,
            f"Expected pictures of {image[0]} x {image[1]} pixels, {image[2]}, the plugin takes {told[0]} x {told[1]}, "
            f"{told[2]}. Set final_image_width, final_image_height and color_mode in its config.py, or env.image.",
        )
