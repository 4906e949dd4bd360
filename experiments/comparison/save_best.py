"""Writes the best trial back as an experiment, `conf/experiment/NAME.yaml`, with the evidence for it."""

import re
import tempfile
import textwrap
from datetime import date
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra

from envs.app import CONFIG_FOLDER
from envs.errors import ConfigError
from experiments import folders
from experiments.comparison import words
from experiments.comparison.comparison import Comparison
from experiments.comparison.results import TrialResult
from experiments.comparison.table import Row
from experiments.runs import read_config
from experiments.schema import register_schema, to_plain

_AXES = ("env", "model", "algo")
# What makes a run what it is. Where it is kept, how it is tracked and that it was one of a sweep is not part of it.
_SECTIONS = ("env", "model", "algo", "ray", "seed", "profile", "stop", "checkpoint", "evaluation")
# Of `ray`, what training depends on; the rest says where it ran.
_RAY = ("num_env_runners", "envs_per_runner", "precision")
# Of `evaluation`, what a sweep chooses by; what it chose is scored as any run is.
_OF_CHOICE = ("final_first_seed", "register")
_WIDTH = 120
_ABSENT = object()


def check_name(name: str, *, may_overwrite: bool) -> Path:
    """Return the file of an experiment.

    Raises:
        ConfigError: It exists, or such a name cannot be typed as a word.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"save_best={name}: expected small letters, digits and underscores, such as carracing_ppo_best."
        )
    path = CONFIG_FOLDER / "experiment" / f"{name}.yaml"
    if path.exists() and not may_overwrite:
        raise ConfigError(f"{path} exists; choose another save_best=NAME, or add overwrite=true.")
    return path


def save_best(name: str, comparison: Comparison, *, may_overwrite: bool) -> Path:
    """Write the best trial of the best group, and return the file.

    The file is composed before it takes its place, and has to give the very config that the trial had.

    Args:
        name: of the experiment.
        comparison: names the best.
        may_overwrite: whether a file of that name gives way.

    Raises:
        ConfigError: No trial was scored, or the best one's config is out of reach, or no such file can say it.
    """
    path = check_name(name, may_overwrite=may_overwrite)
    row, trial = find_best(comparison)
    if trial.has_changed:
        raise ConfigError(
            f"save_best={name}: the best trial, {trial.name}, is of a population that changed its settings and weights "
            "while it trained, which no experiment can say. Write down the settings of your choice, and train them."
        )
    if trial.folder is None or not (trial.folder / folders.CONFIG).is_file():
        raise ConfigError(
            f"save_best={name}: the best trial is {trial.name}, whose config should be in {trial.folder}. "
            "Run this where the trial's folder is."
        )
    config = read_config(trial.folder)
    config = _of_training(config | {"ray": config["ray"] | _planned(config.get("plan", {}))})
    text = make_experiment(name, config, describe_evidence(comparison, row, trial))
    _check_same(name, text, config, trial.folder)
    folders.write_durably(path, text)
    return path


def find_best(comparison: Comparison) -> tuple[Row, TrialResult]:
    """Return the group with the best mean score, and its trial with the best one.

    Raises:
        ConfigError: No trial was scored.
    """
    scored = [row for row in comparison.rows if row.scores is not None]
    if not scored:
        raise ConfigError("save_best: no trial was scored on unseen tracks, so none is known to be the best.")
    row = max(scored, key=lambda row: row.group.mean)
    means = row.group.scores.mean(axis=1)
    return row, row.group.scored[int(means.argmax())]


def describe_evidence(comparison: Comparison, row: Row, trial: TrialResult) -> str:
    """Return what is known of the best trial, in sentences."""
    assert row.scores is not None
    mean, tracks = row.scores["mean"], comparison.tracks
    own = float(row.group.scores[row.group.scored.index(trial)].mean())
    about = f"{words.number(own)} on tracks {tracks.start}-{tracks.stop - 1}, seed {trial.value('seed')}"
    if row.group.num_seeds > 1:
        interval = (
            f"these settings: mean {words.number(mean.value)} (95 % interval {words.interval(mean)}, over seeds and "
            f"tracks) of {row.group.num_seeds} seeds"
        )
    else:
        interval = f"95 % interval {words.interval(mean)}, over tracks alone: one seed"
    spent = f"{words.frames(trial.num_frames)} frames in {words.duration(trial.wall_s)}"
    versus = "" if row.group is comparison.baseline else f" {words.finding(comparison.rows, comparison.baseline)}"
    return (
        f"Trial {trial.name} of {comparison.title}, the best of {words.plural(len(comparison.trials), 'trial')}: "
        f"{about}; {interval}. {spent}, commit {trial.value('commit') or 'unknown'}, {date.today()}.{versus} "
        "Being the best of many is partly luck: score fresh seeds before publishing it."
    )


def make_experiment(name: str, config: dict[str, Any], evidence: str) -> str:
    """Return the file: groups, and what differs from their defaults.

    Args:
        name: of the experiment.
        config: a trial's plain config, with `choices`.
        evidence: of how good it is; becomes the comment at the top.
    """
    choices = config["choices"]
    base = _compose([f"{axis}={choices[axis]}" for axis in _AXES])
    body: dict[str, Any] = {"name": name}
    preset = choices.get("preset")
    if preset is not None:
        words_ = [*(f"{axis}={choices[axis]}" for axis in _AXES), f"model.preset={preset}"]
        default_model, base = base["model"], _compose(words_)
        if default_model != base["model"]:
            body["model"] = {"preset": preset}
    for section in _SECTIONS:
        if section not in config:
            continue
        difference = _difference(config[section], base.get(section, _ABSENT))
        if difference is not _ABSENT:
            merged = {**body[section], **difference} if section in body else difference
            body[section] = merged
    head = "\n".join(f"# {line}" for line in _wrap(evidence))
    groups = "\n".join(f"  - override /{axis}: {choices[axis]}" for axis in _AXES)
    return f"# @package _global_\n{head}\ndefaults:\n{groups}\n\n{yaml.safe_dump(body, sort_keys=False, width=_WIDTH)}"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)


def _difference(value: Any, base: Any) -> Any:
    """Return what of a nested value is not in its base; `_ABSENT` where they are the same."""
    if isinstance(value, dict) and isinstance(base, dict):
        own = {key: _difference(one, base.get(key, _ABSENT)) for key, one in value.items()}
        changed = {key: one for key, one in own.items() if one is not _ABSENT}
        return changed or _ABSENT
    return _ABSENT if type(value) is type(base) and value == base else value


def _check_same(name: str, text: str, config: dict[str, Any], folder: Path) -> None:
    """Compose the file from a folder of its own, and compare what comes out with the trial's config."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "experiment").mkdir()
        (Path(place) / "experiment" / f"{name}_as_written.yaml").write_text(text, encoding="utf-8")
        composed = _compose([f"experiment={name}_as_written", f"hydra.searchpath=[file://{place}]"])
    wrong = [
        f"{key}: the trial has {value}, the file gives {other}"
        for section in _SECTIONS
        if section in config
        for key, value, other in _unequal(section, config[section], composed.get(section, _ABSENT))
    ]
    if wrong:
        raise ConfigError(
            f"save_best={name}: an experiment cannot say what the config of {folder} was. {'; '.join(wrong[:5])}. Its "
            "commit may have had other defaults or keys: check that out, or write the file by hand."
        )


def _unequal(key: str, value: Any, other: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(value, dict) and isinstance(other, dict):
        found = []
        for name in dict.fromkeys([*value, *other]):
            found += _unequal(f"{key}.{name}", value.get(name, "nothing"), other.get(name, "nothing"))
        return found
    return [] if value == other else [(key, value, "nothing" if other is _ABSENT else other)]


def _compose(overrides: list[str]) -> dict[str, Any]:
    register_schema()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        plain = to_plain(hydra.compose("config", overrides=overrides))
    return _of_training(plain)


def _planned(plan: dict[str, Any]) -> dict[str, Any]:
    """Return how many envs there were, which the size of a rollout follows from: elsewhere it would be planned anew."""
    return {key: plan[key] for key in ("num_env_runners", "envs_per_runner") if key in plan}


def _of_training(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without what says where a run was, and how a sweep chose it."""
    ray = {key: value for key, value in config["ray"].items() if key in _RAY}
    evaluation = {key: value for key, value in config["evaluation"].items() if key not in _OF_CHOICE}
    return config | {"ray": ray, "evaluation": evaluation}
