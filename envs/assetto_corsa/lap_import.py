"""`python -m envs.record env=assetto_corsa kind=laps laps=FOLDER file=FOLDER`: logged laps as demonstrations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.arguments import check_choice
from envs.assetto_corsa import gears
from envs.assetto_corsa.actions import ABSOLUTE, RELATIVE
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.errors import ConfigError

LAPS = "laps"


def record(arguments: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Read laps of the original, of ours or of people, and write the episodes that they make; say how many.

    Observations, and rewards where none were recorded, are those of the env that shall learn from them.

    Args:
        arguments: of `AssettoCorsaEnv`, with the track that was driven on.
        request: `kind`, `laps` (a parquet file, or a folder of them), `file` (a folder for episodes).

    Raises:
        ConfigError: the request cannot be carried out, or a file is none; pickles are refused.
    """
    from envs.assetto_corsa.logs.demonstrations import demonstrations  # needs pyarrow, which the env does not
    from envs.assetto_corsa.logs.recorded_lap import read_laps

    check_choice("kind", request["kind"], (LAPS,))
    if not request.get("laps"):
        raise ConfigError("Expected laps=FOLDER of parquet files: the logs of assetto_corsa_gym, or of env.log.")
    if arguments.get("track") is None:
        raise ConfigError("Expected env.track: the files of the track that the laps were driven on.")
    actions = arguments.get("actions", RELATIVE)
    if actions not in (RELATIVE, ABSOLUTE) or arguments.get("gears", gears.AUTO) != gears.AUTO:
        raise ConfigError("Laps hold joystick commands: choose env.actions=relative or absolute, and env.gears=auto.")
    env = AssettoCorsaEnv(**{**arguments, "twin": False, "log": None})
    geometry, parts = env.geometry(), env.race.parts
    folder = Path(request["file"])
    folder.mkdir(parents=True, exist_ok=True)
    laps = read_laps(request["laps"], parts.actions.car)
    number = len(list(folder.glob("episode_*.npz")))
    first = number
    for lap in laps:
        reward = None if "reward" in lap.columns else parts.reward
        for one in demonstrations(lap, geometry, parts.preset, config=arguments, actions=actions, reward=reward):
            one.save(folder / f"episode_{number:05d}.npz")
            number += 1
    return f"{number - first} episodes of {len(laps)} recordings are in {folder}."
