"""`env=assetto_corsa`: Assetto Corsa through assetto_corsa_gym's plugin, or its twin; its observations, or ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.utils import EzPickle

from envs.arguments import check_choice, check_types
from envs.assetto_corsa import actions as action_choices
from envs.assetto_corsa import endings as end_choices
from envs.assetto_corsa import env_arguments, making, presets, rewards
from envs.assetto_corsa import gears as gear_choices
from envs.assetto_corsa import joystick as joysticks
from envs.assetto_corsa.geometry.derived import OFF_TRACK_RULES, Geometry
from envs.assetto_corsa.preflight import REMOTE, GameFacts
from envs.assetto_corsa.race_env import RaceEnv
from envs.capacity import Capacity
from envs.findings import Finding
from envs.track.frames import FloatArray


class AssettoCorsaEnv(RaceEnv, EzPickle):
    """Drive Assetto Corsa, 25 decisions a second, each in the newest state that the plugin has sent.

    The game does not wait: whoever updates networks between two decisions calls `send_action` before and `receive`
    after it, which together are `step`. A link that is lost ends the episode as truncated, `info["reason"]` and
    `info["fault"]` say why, and the next reset connects again.

    Args:
        obs: `acgym`: 125 numbers, the original's with its geometry; `acgym_fixed`: the same without its defects;
            `acgym_noline`: without what needs the racing line; `acgym_image`: a dict of `vector` and `image`; `edges`:
            a dict of `telemetry` and `edges` ahead.
        vector: of the first four: `history` (True), `target_speed` (False), `own_commands` (False).
        tasks: pairs of track and car, of which this is one, told as 0 and 1 at the vector's end; None: not told.
        reward: `acgym`, exactly, `acgym_noline` or `progress`.
        endings: `acgym`: slower than 1 m/s for 10 s; `paper`: slower than 5 km/h for 2 s.
        actions: `relative`, `absolute`, `scaled` or `pedal`, see `ActionMap`.
        rate_limits: whether absolute kinds move no faster than relative ones could.
        max_steer_rate_degps: of the wheel.
        gears: `auto`: the game shifts; `box`: one more number; `discrete`: a dict of `controls` and `gear`.
        car: as the game calls it.
        steer_map: file of a car that is not known.
        track: a folder or CSV of the track's borders and line; None: asked from the game.
        track_name: full name of the track, where the folder has several.
        off_track: `game`: more than two tyres out; `grid`: the car's middle is on no road.
        hosts: `HOST:PORT` of the plugin's ego channel; opponents and management are at the next two ports. Of several,
            one env drives the first, runners and vector envs one each (`AssettoCorsaVectorEnv`).
        mode: of the plugin: `remote`: it moves the joystick; `local`: this machine does.
        joystick: of local mode.
        twin: False: the real game; True: a twin in real time; `lockstep`: a twin whose time waits for the env.
        twin_game: arguments of the twin's game.
        max_steps: after which an episode is truncated.
        max_laps: completed, after which an episode is truncated; None: any number.
        end: the other endings, see `EndSettings`.
        state_timeout_s: for each state; then the game is looked for once.
        connect_tries: before a game is given up.
        connect_wait_s: for an answer to each.
        reset_wait_s: that the game gets to put the car back.
        safe_brake: of the car that nobody drives, -1 … 1.
        on_link_lost: `truncate` or `raise`.
        measure_rate: whether the first reset watches how fast states come.
        image: of `acgym_image`, see `ImageSettings`.
        image_size: pixels.
        grayscale: of pictures.
        edge: of `edges`, see `EdgeSettings`.
        acgym: of that reward, see `AcgymRewardSettings`.
        progress: of that reward, see `ProgressRewardSettings`.
        obs_extra: whether `info` has nine raw channels more.
        opponents: whether `info` tells where the other cars are.
        log: folder for a parquet of every episode; None: nothing is written.
        training: changes nothing here.
        render_mode: None or `rgb_array`, where there are pictures.

    Raises:
        ConfigError: an argument has the wrong type or value, or a file is not what it should be.
    """

    files = ("track", "steer_map", "log", "twin_game.track")
    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012 (Gymnasium's declaration)
    vector_env = "envs.assetto_corsa.vector.AssettoCorsaVectorEnv"

    def __init__(
        self,
        *,
        obs: str = presets.ACGYM,
        vector: Mapping[str, Any] | None = None,
        tasks: list[Any] | None = None,
        reward: str = rewards.ACGYM,
        endings: str = end_choices.ACGYM,
        actions: str = action_choices.RELATIVE,
        rate_limits: bool = False,
        max_steer_rate_degps: float = action_choices.MAX_STEER_RATE_DEGPS,
        gears: str = gear_choices.AUTO,
        car: str = "dallara_f317",
        steer_map: str | None = None,
        track: str | None = None,
        track_name: str | None = None,
        off_track: str = OFF_TRACK_RULES[0],
        hosts: list[str] | str = env_arguments.DEFAULT_HOST,
        mode: str = REMOTE,
        joystick: str = joysticks.AUTO,
        twin: bool | str = False,
        twin_game: Mapping[str, Any] | None = None,
        max_steps: int = 15000,
        max_laps: int | None = None,
        end: Mapping[str, Any] | None = None,
        state_timeout_s: float = 0.5,
        connect_tries: int = 5,
        connect_wait_s: float = 2.0,
        reset_wait_s: float = 1.0,
        safe_brake: float = 0.0,
        on_link_lost: str = env_arguments.TRUNCATE,
        measure_rate: bool = True,
        image: Mapping[str, Any] | None = None,
        image_size: int = 64,
        grayscale: bool = True,
        edge: Mapping[str, Any] | None = None,
        acgym: Mapping[str, Any] | None = None,
        progress: Mapping[str, Any] | None = None,
        obs_extra: bool = False,
        opponents: bool = False,
        log: str | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        check_types(type(self), given)
        env_arguments.check_arguments(given)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        EzPickle.__init__(self, **given)
        self.render_mode, self._arguments = render_mode, given
        named = env_arguments.own_track(given)
        self.game = making.make_game(given, named)
        self.track = named if named is not None else self.game.track
        try:
            self.race, preset, action_map = making.make_race(given, self.game, self.track, self._bind)
        except BaseException:
            self.game.end()
            raise
        self.observation_space = preset.space
        self.action_space = gear_choices.action_space(gears, action_map.space)

    @classmethod
    def capacity(cls, arguments: Mapping[str, Any]) -> Capacity:
        """One game a host: a plugin serves one client. Twins are as many as anybody wants."""
        if arguments.get("twin"):
            return Capacity(None, 1 << 16)
        num_games = len(env_arguments.hosts_of(arguments))
        return Capacity(num_games, num_games)

    @classmethod
    def diagnose(cls, arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
        """Look at the game, or at a twin; see `envs.assetto_corsa.doctor`."""
        from envs.assetto_corsa.doctor import diagnose  # it builds envs of this class

        return diagnose(arguments, seconds)

    @classmethod
    def record(cls, arguments: Mapping[str, Any], request: Mapping[str, Any]) -> str:
        """Turn recorded laps into demonstrations; see `envs.assetto_corsa.lap_import`."""
        from envs.assetto_corsa.lap_import import record  # it builds envs of this class

        return record(arguments, request)

    @property
    def road_edges(self) -> FloatArray | None:
        """Left and right border, `(2, N, 2)` metres; None until the track is known."""
        return None if self.track is None else np.stack([self.track.left_m, self.track.right_m])

    def geometry(self, length_m: float | None = None) -> Geometry:
        """Return what is measured on the track, which must be known, by this env's rules; `length_m` is the game's."""
        assert self.track is not None
        arguments = self._arguments
        return Geometry(
            self.track, fixed=making.is_fixed(arguments), off_track=arguments["off_track"], length_m=length_m
        )

    def _bind(self, facts: GameFacts) -> None:
        """Take the track, before the first control is sent."""
        if self.track is None:
            assert self.game.load_track is not None
            self.track = self.game.load_track(facts)
        arguments = self._arguments
        geometry = self.geometry(facts.track_length_m)
        self.race.bind(geometry)
        if arguments["log"] is not None:
            from envs.assetto_corsa.recording import EpisodeRecorder  # needs pyarrow, which envs without logs do not

            told = {name: arguments[name] for name in ("obs", "vector", "reward", "actions", "rate_limits", "endings")}
            self.race.recorder = EpisodeRecorder(
                arguments["log"], facts, geometry, told, has_extras=arguments["obs_extra"]
            )
