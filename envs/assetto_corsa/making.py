"""From an env's arguments to what it drives with: game found, preset, reward and endings chosen."""

from collections.abc import Callable

from envs.arguments import build_section
from envs.assetto_corsa import endings, games, gears, presets, rewards
from envs.assetto_corsa.actions import ActionMap
from envs.assetto_corsa.cars import car_controls
from envs.assetto_corsa.driving import Drive
from envs.assetto_corsa.env_arguments import RAISE, Arguments, hosts_of
from envs.assetto_corsa.image_sources import SHARED, ImageSettings, image_source
from envs.assetto_corsa.images import ImageScaler
from envs.assetto_corsa.opponents_client import CarSource, OpponentsClient, TwinCars
from envs.assetto_corsa.preflight import Expected, GameFacts
from envs.assetto_corsa.preset_choice import choose_preset
from envs.assetto_corsa.presets import Preset
from envs.assetto_corsa.race import Race
from envs.assetto_corsa.race_parts import RaceParts
from envs.assetto_corsa.rewards import Reward
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError
from envs.remote.addresses import parse_address


def make_game(arguments: Arguments, track: AcTrack | None) -> games.Game:
    """Return the game, which is not looked for before it is driven.

    Raises:
        ConfigError: addresses or arguments of a twin are wrong.
    """
    host, port = parse_address(hosts_of(arguments)[0], "env.hosts")
    settings = games.GameSettings(
        host=host,
        port=port,
        car=arguments["car"],
        mode=arguments["mode"],
        joystick=arguments["joystick"],
        shifts_itself=arguments["gears"] == gears.AUTO,
        connect_tries=arguments["connect_tries"],
        connect_wait_s=arguments["connect_wait_s"],
        reset_wait_s=arguments["reset_wait_s"],
        safe_brake=arguments["safe_brake"],
    )
    twin = arguments["twin"]
    if not twin:
        return games.real_game(settings)
    twin_arguments = dict(arguments["twin_game"] or {})
    if track is not None:
        twin_arguments.setdefault("track", track)
    return (games.lockstep_twin if twin == games.LOCKSTEP else games.served_twin)(settings, twin_arguments)


def make_race(
    arguments: Arguments, game: games.Game, track: AcTrack | None, see: Callable[[GameFacts], None]
) -> tuple[Race, Preset, ActionMap]:
    """Return what drives episodes, with what it observes and how it is acted on.

    Args:
        arguments: of the env.
        game: to drive.
        track: to drive on; None: asked from the game.
        see: is called with what the game says, at the first reset.

    Raises:
        ConfigError: arguments do not fit together.
    """
    image: ImageSettings = build_section(ImageSettings, arguments["image"])
    has_pictures = arguments["obs"] == presets.IMAGE or arguments["render_mode"] is not None
    scaler = ImageScaler(arguments["image_size"], grayscale=arguments["grayscale"])
    expected = Expected(
        car=arguments["car"],
        track=None if track is None else track.full_name,
        mode=arguments["mode"],
        shifts_itself=arguments["gears"] == gears.AUTO,
        image=_shared_image(image, game) if has_pictures else None,
    )
    drive = Drive(
        game.link(),
        expected,
        state_timeout_s=arguments["state_timeout_s"],
        measures_rate=arguments["measure_rate"],
        see=see,
    )
    action_map = ActionMap(
        arguments["actions"],
        car_controls(arguments["car"], arguments["steer_map"]),
        has_rate_limits=arguments["rate_limits"],
        max_steer_rate_degps=arguments["max_steer_rate_degps"],
    )
    preset = choose_preset(arguments, scaler, None if track is None else track.full_name)
    parts = RaceParts(
        drive=drive,
        actions=action_map,
        gears=arguments["gears"],
        preset=preset,
        reward=_reward(arguments),
        endings=endings.Endings(_end_settings(arguments), arguments["endings"]),
        images=(lambda: image_source(game, image)) if has_pictures else None,
        scaler=scaler if has_pictures else None,
        has_extras=arguments["obs_extra"],
        cars=(lambda: _cars(game)) if arguments["opponents"] else None,
    )
    return Race(parts, raises_faults=arguments["on_link_lost"] == RAISE), preset, action_map


def is_fixed(arguments: Arguments) -> bool:
    """Return whether the geometry is without the original's defects: only `acgym` has them."""
    return bool(arguments["obs"] != presets.ACGYM)


def _shared_image(image: ImageSettings, game: games.Game) -> tuple[int, int, str] | None:
    if game.pictures is not None or image.source != SHARED:
        return None
    return image.width, image.height, image.color_mode


def _cars(game: games.Game) -> CarSource:
    if game.cars is not None:
        return TwinCars(game.cars)
    if game.opponents is None:  # a twin without any
        return TwinCars(list)
    return OpponentsClient(game.opponents)


def _reward(arguments: Arguments) -> Reward:
    acgym = build_section(rewards.AcgymRewardSettings, arguments["acgym"])
    progress = build_section(rewards.ProgressRewardSettings, arguments["progress"])
    if arguments["reward"] == rewards.PROGRESS:
        return rewards.ProgressReward(progress)
    return rewards.AcgymReward(acgym, has_line=arguments["reward"] == rewards.ACGYM)


def _end_settings(arguments: Arguments) -> endings.EndSettings:
    section = dict(arguments["end"] or {})
    for name in ("max_steps", "max_laps"):
        if name in section:
            raise ConfigError(f"env.end.{name} is env.{name}: evaluations may have another.")
        section[name] = arguments[name]
    settings: endings.EndSettings = build_section(endings.EndSettings, section)
    return settings
