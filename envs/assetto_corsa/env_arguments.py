"""The arguments of `AssettoCorsaEnv` as they were given: what no env can be made of is refused here."""

from collections.abc import Mapping
from typing import Any

from envs.arguments import check_choice, check_range
from envs.assetto_corsa import actions, endings, games, gears, joystick, preflight, presets, rewards
from envs.assetto_corsa.geometry.derived import OFF_TRACK_RULES
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.files import load_ac_track
from envs.errors import ConfigError

DEFAULT_HOST = "127.0.0.1:2345"
TRUNCATE, RAISE = "truncate", "raise"
_ON_LINK_LOST = (TRUNCATE, RAISE)

Arguments = Mapping[str, Any]


def check_arguments(arguments: Arguments) -> None:
    """Refuse values that no env can be made of.

    Raises:
        ConfigError: names the argument and its choices.
    """
    for name, choices in (
        ("obs", presets.OBSERVATIONS),
        ("reward", rewards.REWARDS),
        ("endings", endings.PRESETS),
        ("actions", actions.CHOICES),
        ("gears", gears.CHOICES),
        ("mode", preflight.MODES),
        ("joystick", joystick.JOYSTICKS),
        ("off_track", OFF_TRACK_RULES),
        ("on_link_lost", _ON_LINK_LOST),
    ):
        check_choice(name, arguments[name], choices)
    if isinstance(arguments["twin"], str):
        check_choice("twin", arguments["twin"], (games.LOCKSTEP,))
    check_range("safe_brake", arguments["safe_brake"], -1.0, 1.0)
    is_local = arguments["mode"] == preflight.LOCAL
    if is_local and arguments["joystick"] == joystick.NONE and arguments["gears"] != gears.AUTO:
        raise ConfigError("env.joystick=none moves nothing, gears included: set env.gears=auto, or choose a joystick.")


def own_track(arguments: Arguments) -> AcTrack | None:
    """Return the track that the arguments name; None if they leave it to the game.

    Raises:
        ConfigError: it cannot be read.
    """
    source, name = arguments["track"], arguments["track_name"]
    if source is None:
        if name is not None:
            raise ConfigError(f"env.track_name={name} names a track of a folder: name the folder in env.track.")
        return None
    return load_ac_track(source, name)


def hosts_of(arguments: Arguments) -> list[str]:
    """Return the games that arguments name, at least one; a single env drives the first.

    Raises:
        ConfigError: there is none, or one is named twice.
    """
    hosts = arguments.get("hosts", DEFAULT_HOST)
    hosts = [hosts] if isinstance(hosts, str) else list(hosts)
    if not hosts or len(set(hosts)) < len(hosts) or not all(isinstance(one, str) for one in hosts):
        raise ConfigError(f"Expected env.hosts as HOST:PORT of at least one game, each once, got {hosts}.")
    return hosts
