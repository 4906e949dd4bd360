"""From an assignment of swept values to a trial's full plain config, through Hydra as the command line goes."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from envs.app import CONFIG_FOLDER, explain
from envs.errors import ConfigError
from experiments.schema import to_plain
from tune.overlay import check_experiment
from tune.space.keys import GROUPS, check_sweepable

# The groups whose chosen words tell runs apart.
CHOICES = ("env", "model", "algo", "experiment", "debug")


@dataclass(frozen=True)
class _Point:
    """A composed config without Hydra's own section, and the words that were chosen in its groups."""

    config: DictConfig
    words: dict[str, str | None]


class TrialConfigs:
    """Makes the configs of a sweep's trials; each combination of group words is composed once.

    `experiments.schema.register_schema` must have been called, and this process composes nothing else meanwhile:
    Hydra's composition is one for a process. What `hydra.main` set up is as before after each call.

    Args:
        config_name: The primary config, `config`.
        overrides: The words of the command line. They hold in every trial, but for the groups and keys that are swept.
    """

    def __init__(self, config_name: str, overrides: list[str]) -> None:
        self._config_name, self._overrides = config_name, list(overrides)
        self._points: dict[tuple[tuple[str, str], ...], _Point] = {}

    def config(self, assignment: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain config of a trial, with the words chosen in each group as `choices`.

        Args:
            assignment: Plain values by dotted key; those of `env`, `model` and `algo` are words, and swap the section.

        Returns:
            As a new run's: everything resolved, the model's preset put in place, nothing shared with other configs.

        Raises:
            ConfigError: A key may not be swept or does not exist (those beside it are listed), a value has the wrong
                type, a group has no such option, or an experiment's numbers do not go with the algorithm.
        """
        for key in assignment:
            check_sweepable(key)
        point = self._point({key: value for key, value in assignment.items() if key in GROUPS})
        config = point.config.copy()
        for key, value in assignment.items():
            if key not in GROUPS:
                _set(config, key, value)
        try:
            plain = to_plain(config)
        except OmegaConfBaseException as error:  # an interpolation of a value that makes no sense there
            raise ConfigError(f"With {_said(assignment)}, the config has no value for a key: {error}") from error
        plain.pop("resume", None)
        words = {group: point.words[group] for group in CHOICES}
        plain["choices"] = words | {"preset": config.model.get("preset")}
        return plain

    def _point(self, groups: Mapping[str, Any]) -> _Point:
        """Return what the command line composes with other words in some groups."""
        for group, word in groups.items():
            if not isinstance(word, str) or not word.isidentifier():
                raise ConfigError(f"tuner.space: {group}: expected the word of an option, got {word}.")
        combination = tuple(sorted(groups.items()))
        if combination not in self._points:
            self._points[combination] = self._composed(groups)
        return self._points[combination]

    def _composed(self, groups: Mapping[str, str]) -> _Point:
        overrides = [word for word in self._overrides if _key_of(word) not in groups]
        overrides += [f"{group}={word}" for group, word in groups.items()]
        with _hydra_kept():
            try:
                config = _compose(self._config_name, overrides)
            except (HydraException, OmegaConfBaseException) as error:
                raise self._explained(error, groups, overrides) from error
            words = {group: config.hydra.runtime.choices[group] for group in CHOICES}
            check_experiment(words["experiment"], words["algo"], overrides, self._config_name)
        with open_dict(config):
            del config["hydra"]
        return _Point(config, words)

    def _explained(self, error: Exception, groups: Mapping[str, str], overrides: list[str]) -> ConfigError:
        """Say what Hydra did not like: a word of the command line may not go with a group's word of the space."""
        unknown = re.search(r"Could not override '([\w.]+)'", str(error))
        if unknown is None or not groups:
            return ConfigError(f"{f'With {_said(groups)}: ' if groups else ''}{explain(error, self._config_name)}")
        words = [word for word in overrides if "." not in _key_of(word) and (CONFIG_FOLDER / _key_of(word)).is_dir()]
        try:
            _set(_compose(self._config_name, words), unknown[1], None)
        except ConfigError as missing:
            return ConfigError(f"With {_said(groups)}, from tuner.space, the command line does not go: {missing}")
        return ConfigError(f"With {_said(groups)}: {explain(error, self._config_name)}")


def _set(config: DictConfig, key: str, value: Any) -> None:
    """Set an existing key of a composed config."""
    *sections, name = key.split(".")
    node: DictConfig = config
    path: list[str] = []
    for part in sections:
        child = node.get(part)
        if not isinstance(child, DictConfig):
            raise _unknown(key, node, path)
        node, path = child, [*path, part]
    if name not in node:
        raise _unknown(key, node, path)
    if not OmegaConf.is_interpolation(node, name) and isinstance(node[name], DictConfig):
        raise ConfigError(f"{key} is a section, not a value: name one of its keys, {_names(node[name])}.")
    try:
        OmegaConf.update(node, name, value, merge=False)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"{key} cannot be {value!r}: {reason}.") from error


def _unknown(key: str, node: DictConfig, path: list[str]) -> ConfigError:
    message = f"There is no key {key}. {'.'.join(path) or 'The config'} has {_names(node)}."
    group = key.partition(".")[0]
    if path and group in GROUPS:
        message += f" In tuner.space, a key that only some options of {group} have needs when: {{{group}: WORD}}."
    return ConfigError(message)


def _names(node: DictConfig) -> str:
    return ", ".join(sorted(str(name) for name in node))


def _said(assignment: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in assignment.items()) or "nothing swept"


def _key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _compose(config_name: str, overrides: list[str]) -> DictConfig:
    """Compose from our folder, also while `hydra.main` is active: see `_hydra_kept`."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return hydra.compose(config_name, overrides=overrides, return_hydra_config=True)


@contextmanager
def _hydra_kept() -> Iterator[None]:
    """Put Hydra's global state back at the end, whatever happened to it."""
    before = GlobalHydra.instance()
    kept = before.hydra
    try:
        yield
    finally:
        GlobalHydra.set_instance(before)
        before.hydra = kept
