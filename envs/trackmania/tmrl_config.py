"""Take over a `config.json` of TMRL: what it sets becomes arguments of `TrackmaniaEnv`; what it hides stays hidden."""

import difflib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from envs.trackmania import games, tasks
from envs.trackmania import tmrl_keys as keys
from envs.trackmania import tmrl_taken as taken
from envs.trackmania.presets import FULL, LIDAR

OLDEST = (0, 6, 0)
_INTERFACES = ("TM20FULL", "TM20IMAGES", "TM20LIDAR", "TM20LIDARPROGRESS")
_OURS = {
    "time_step_duration": "step_s",
    "start_obs_capture": "capture_s",
    "time_step_timeout_factor": "elasticity",
    "act_buf_len": "actions_in_obs",
    "wait_on_done": "wait_on_done",
}


@dataclass(frozen=True)
class TmrlConfig:
    """What a config.json says, without its secrets.

    Attributes:
        env: arguments of `TrackmaniaEnv`.
        algorithm: the section ALG, as it is.
        warnings: what a person should know, sentences.
        dead: keys that are kept but do nothing in TMRL.
        left: keys that do something in TMRL, and are not taken over.
        files: beside it, that can be taken over too.
    """

    env: dict[str, Any]
    algorithm: dict[str, Any]
    warnings: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())

    @property
    def words(self) -> tuple[str, ...]:
        """What `run.py` is called with."""
        words = ["env=trackmania"]
        for name, value in self.env.items():
            if isinstance(value, dict):  # a section whose keys have defaults in the code
                words += [f"+env.{name}.{key}={_value(one)}" for key, one in value.items()]
            else:
                words.append(f"env.{name}={_value(value)}")
        return tuple(words)

    def describe(self) -> str:
        """Return everything in words, for the console."""
        lines = [f"python run.py {shlex.join(self.words)} algo=sac"]
        lines += [f"no effect in TMRL: {name}" for name in self.dead]
        lines += [f"not taken over: {', '.join(self.left)}"] if self.left else []
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"may be taken over: {file}" for file in self.files]
        return "\n".join(lines)


def _value(value: Any) -> str:
    """Return a value as it stands on a command line, without quotes where none are needed."""
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)


def load_tmrl_config(path: str | Path) -> TmrlConfig:
    """Read a config.json and look what lies around it; nothing else is opened.

    Raises:
        ConfigError: it is missing, no JSON, too old, or asks for what we do not have.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Expected a config.json of TMRL, got {file} ({error.strerror}).") from error
    except ValueError as error:
        raise ConfigError(
            f"{file} is no JSON ({error}). JSON has no comments and no comma after the last key."
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds no config of TMRL: expected an object, got {type(content).__name__}.")
    return import_tmrl_config(content, beside=_beside(file.parent))


def import_tmrl_config(content: Mapping[str, Any], *, beside: tuple[Path, ...] = ()) -> TmrlConfig:
    """Return what a config says; a pure function.

    Args:
        content: of the file.
        beside: files that may be taken over.

    Raises:
        ConfigError: it is too old, holds a value of the wrong type, or asks for what we do not have.
    """
    _check_version(content)
    environment, algorithm = _section(content, "ENV"), _section(content, "ALG")
    rtgym, reward = _section(environment, "RTGYM_CONFIG"), _section(environment, "REWARD_CONFIG")
    sections = {
        **{taken.RUN: content, taken.ALG: algorithm, taken.ENV: environment},
        **{taken.RTGYM: rtgym, taken.REWARD: reward},
    }
    taken.check_values(sections)
    warnings = [
        *_unknown("", content, keys.RUN),
        *_unknown("ALG.", algorithm, keys.ALG),
        *_unknown("ENV.", environment, keys.ENV),
        *_unknown("ENV.RTGYM_CONFIG.", rtgym, keys.RTGYM),
        *_unknown("ENV.REWARD_CONFIG.", reward, set(keys.REWARD)),
        *(f"{name} is not taken over." for name in keys.SECRETS if name in content),
        *taken.check_algorithm(algorithm),
    ]
    env = {
        **_observation(environment, warnings),
        "reward": tasks.TMRL,
        "actions": "game",
        "controls": games.GAMEPAD if content.get("VIRTUAL_GAMEPAD", True) else games.KEYBOARD,
        "sleep_at_reset_s": float(environment.get("SLEEP_TIME_AT_RESET", 1.5)),
        **{ours: rtgym[name] for name, ours in _OURS.items() if name in rtgym},
        "episode_steps": _episode_steps(content, rtgym),
        "tmrl": {ours: reward[name] for name, ours in keys.REWARD.items() if name in reward},
    }
    if rtgym.get("act_in_obs") is False:
        env["actions_in_obs"] = 0
    if rtgym.get("interface_kwargs") is not None and _section(rtgym, "interface_kwargs").get("save_replays"):
        env["save_replays"] = True
    dead = tuple(f"ALG.{name}" for name in algorithm if name.startswith(keys.DEAD_PREFIXES))
    left = taken.left_behind(sections, sees_pictures=env["obs"] == FULL)
    return TmrlConfig(env, algorithm, tuple(warnings), dead, left, beside)


def _observation(environment: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    name = str(environment.get("RTGYM_INTERFACE", "TM20FULL"))
    if name not in _INTERFACES:
        warnings.append(
            f"ENV.RTGYM_INTERFACE is {name!r}, none of {', '.join(_INTERFACES)}: its end decides, as in TMRL."
        )
    history = {"image_history": int(environment.get("IMG_HIST_LEN", 4))}
    if name.endswith("LIDARPROGRESS"):
        return {"obs": "lidar_progress", **history}
    if name.endswith("LIDAR"):
        return {"obs": LIDAR, **history}
    width, height = (environment.get(f"IMG_{side}", 64) for side in ("WIDTH", "HEIGHT"))
    if width != height:
        raise ConfigError(f"Expected square pictures, got IMG_WIDTH {width} and IMG_HEIGHT {height}: set both alike.")
    grayscale = bool(environment.get("IMG_GRAYSCALE", False))
    return {
        "obs": FULL,
        **history,
        "image_size": int(width),
        "grayscale": grayscale,
        "frame_stack": history["image_history"],
    }


def _episode_steps(content: Mapping[str, Any], rtgym: Mapping[str, Any]) -> int:
    """Return the smaller of both limits: TMRL's worker and rtgym's env each have one."""
    return int(min(content.get("RW_MAX_SAMPLES_PER_EPISODE", 1000), rtgym.get("ep_max_length", 1000)))


def _check_version(content: Mapping[str, Any]) -> None:
    told = content.get("__VERSION__")
    try:
        version = tuple(int(part) for part in str(told).split(".")[:3])
    except ValueError:
        version = ()
    if version < OLDEST:
        raise ConfigError(
            f"Expected a config.json of TMRL 0.6.0 or later, got __VERSION__ {told!r}: older ones have other keys. "
            "Let TMRL write a new one (rename the old, then python -m tmrl --install) and set your values there."
        )


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"Expected {name} of the config.json to be an object, got {section!r}.")
    return section


def _unknown(prefix: str, section: Mapping[str, Any], known: set[str]) -> list[str]:
    warnings = []
    for name in section:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f" Is {prefix}{near[0]} meant?" if near else ""
            warnings.append(f"{prefix}{name} is no key of TMRL and has no effect.{hint}")
    return warnings


def _beside(folder: Path) -> tuple[Path, ...]:
    """Return files of TMRL's data folder that can be read safely; full pickles (*.tcpt, data.pkl) are not listed."""
    rewards = [folder.parent / "reward" / "reward.pkl", folder / "reward.pkl"]
    weights = sorted((*folder.glob("*.tmod"), *(folder.parent / "weights").glob("*.tmod")))
    return tuple(file for file in (*rewards, *weights) if file.is_file())
