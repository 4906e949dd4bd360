"""From an env's arguments to what it observes."""

from typing import Any

from envs.arguments import build_section
from envs.assetto_corsa import presets
from envs.assetto_corsa.acgym_vector import VectorSettings, task_index
from envs.assetto_corsa.env_arguments import Arguments
from envs.assetto_corsa.images import ImageScaler
from envs.assetto_corsa.presets import Preset
from envs.errors import ConfigError
from envs.track.edges_ahead import EdgeSettings


class VectorSwitches:
    """Options of `env.vector`.

    Args:
        history: three earlier states: 125 numbers, else 50.
        target_speed: the line's target speeds ahead, 12 numbers.
        own_commands: instead of what the game says of wheel and pedals, what was commanded.
    """

    def __init__(self, *, history: bool = True, target_speed: bool = False, own_commands: bool = False) -> None:
        self._history, self._target_speed, self._own_commands = history, target_speed, own_commands

    def settings(self, *, has_line: bool, task: tuple[int, int] | None) -> VectorSettings:
        """Return what the vector holds."""
        if self._target_speed and not has_line:
            raise ConfigError("Target speeds are the racing line's: env.obs=acgym_noline has none of it.")
        return VectorSettings(
            has_line=has_line,
            has_history=self._history,
            has_target_speed=self._target_speed,
            has_own_commands=self._own_commands,
            task=task,
        )


def choose_preset(arguments: Arguments, scaler: ImageScaler, track_name: str | None) -> Preset:
    """Return what is observed.

    Args:
        arguments: of the env.
        scaler: of pictures, for presets that have them.
        track_name: full name of the track; None: not known yet.

    Raises:
        ConfigError: arguments do not fit together.
    """
    obs = arguments["obs"]
    if obs == presets.EDGES:
        for name in ("vector", "tasks"):
            if arguments[name]:
                raise ConfigError(f"env.{name} is a part of vectors, and env.obs=edges has none: leave it out.")
        return presets.EdgesPreset(build_section(EdgeSettings, arguments["edge"]))
    switches: VectorSwitches = build_section(VectorSwitches, arguments["vector"])
    task = None
    if arguments["tasks"]:
        tasks = [_pair(one) for one in arguments["tasks"]]
        if track_name is None:
            raise ConfigError("env.tasks tells tasks apart by their tracks: name this env's in env.track.")
        task = task_index(track_name, arguments["car"], tasks)
    vector = presets.VectorPreset(switches.settings(has_line=obs != presets.NOLINE, task=task))
    return presets.ImagePreset(vector, scaler.shape) if obs == presets.IMAGE else vector


def _pair(task: Any) -> tuple[str, str]:
    if not isinstance(task, list | tuple) or len(task) != 2 or not all(isinstance(word, str) for word in task):
        raise ConfigError(f"Expected env.tasks as pairs of track and car, got {task!r}.")
    return task[0], task[1]
