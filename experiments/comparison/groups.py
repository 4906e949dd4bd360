"""Puts trials into groups by their tags and parameters, and gives the groups names."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.errors import ConfigError
from experiments.comparison.results import Array, TrialResult
from experiments.comparison.values import identity, order, say_all, short_keys

SEED = "seed"
AXES = ("env", "model", "algo")
_LONGEST_LABEL = 28  # letters: more fit beside no picture


@dataclass(frozen=True, eq=False)
class Group:
    """Trials that differ in nothing that the comparison looks at, other than seeds.

    Attributes:
        label: what people call it: its values where these are short, else the trial's name or a number.
        description: the values that tell it from the other groups.
        values: of each key that groups.
        trials: all of it.
        scored: those that were driven on the common tracks.
        scores: their returns `(S, T)`, one row for each of `scored`.
    """

    label: str
    description: str
    values: dict[str, str | None]
    trials: list[TrialResult]
    scored: list[TrialResult]
    scores: Array

    @property
    def num_seeds(self) -> int:
        """Number of policies that were scored."""
        return len(self.scored)

    @property
    def mean(self) -> float:
        """Mean return of all drives; minus infinity where there were none."""
        return float(self.scores.mean()) if self.scores.size else -np.inf

    @property
    def last_return(self) -> float:
        """Mean of the trials' last training returns; minus infinity where there are none."""
        known = [trial.last_return for trial in self.trials if trial.last_return is not None]
        return float(np.mean(known)) if known else -np.inf


def swept_keys(trials: Sequence[TrialResult]) -> list[str]:
    """Return the keys that any sweep assigned, in their order."""
    return list(dict.fromkeys(key for trial in trials for key in trial.assigned))


def choose_keys(trials: Sequence[TrialResult], asked: Sequence[str] | None, num_sweeps: int) -> list[str]:
    """Return the keys to group by.

    Args:
        trials: all of the comparison.
        asked: the words of `group_by=`, if any; the last part of a swept key is enough.
        num_sweeps: how many runs the trials are of.

    Returns:
        What was asked; else the swept keys but the seed, and where several runs or none of them swept, also env, model,
        algo and, should it differ, experiment.

    Raises:
        ConfigError: No trial has such a key.
    """
    if asked is not None:
        return list(dict.fromkeys(_resolve(word, trials) for word in asked))
    swept = [key for key in swept_keys(trials) if key != SEED]
    if swept and num_sweeps == 1:
        return swept
    named = [*AXES, "experiment"] if len({trial.tags.get("experiment") for trial in trials}) > 1 else [*AXES]
    return list(dict.fromkeys([*named, *swept]))


def _resolve(word: str, trials: Sequence[TrialResult]) -> str:
    if any(trial.value(word) is not None for trial in trials):
        return word
    swept = swept_keys(trials)
    ending = [key for key in swept if key.endswith(f".{word}")]
    if len(ending) == 1:
        return ending[0]
    tags = sorted({tag for trial in trials for tag in trial.tags if not tag.startswith("mlflow.")})
    params = sorted({param for trial in trials for param in trial.params})
    near = difflib.get_close_matches(word, [*swept, *tags, *params], n=3)
    near += [param for param in params if param.endswith(f".{word}")]
    raise ConfigError(
        f"group_by={word}: no trial has such a tag or parameter. "
        f"Swept were {', '.join(swept) or 'none'}; tags are {', '.join(tags)}; "
        f"parameters are the config's keys, {len(params)} of them"
        + (f"; near are {', '.join(dict.fromkeys(near))}." if near else ", such as algo.training.lr.")
    )


def make_groups(trials: Sequence[TrialResult], keys: Sequence[str], tracks: range) -> list[Group]:
    """Return the groups, sorted by the values of the keys.

    Args:
        trials: all of the comparison.
        keys: what tells groups apart; keys that are the same everywhere stay out of the labels.
        tracks: what the scores are of.
    """
    alike: dict[tuple[str | None, ...], list[TrialResult]] = {}
    for trial in trials:
        alike.setdefault(tuple(identity(trial.value(key)) for key in keys), []).append(trial)
    members = {tuple(those[0].value(key) for key in keys): those for those in alike.values()}
    ordered = sorted(members, key=lambda values: [order(value) for value in values])
    differing = [key for at, key in enumerate(keys) if len({values[at] for values in ordered}) > 1]
    descriptions = _describe([dict(zip(keys, values, strict=True)) for values in ordered], differing or list(keys))
    labels = _label(descriptions, [members[values] for values in ordered])
    groups = []
    for values, label, description in zip(ordered, labels, descriptions, strict=True):
        scored = [trial for trial in members[values] if trial.drove(tracks)]
        scores = [trial.evaluation.on(tracks) for trial in scored if trial.evaluation is not None]
        groups.append(
            Group(
                label=label,
                description=description,
                values=dict(zip(keys, values, strict=True)),
                trials=members[values],
                scored=scored,
                scores=np.array(scores, np.float64).reshape(len(scores), len(tracks)),
            )
        )
    return groups


def _describe(values: Sequence[dict[str, str | None]], keys: Sequence[str]) -> list[str]:
    """Return the values of each group, with as many digits as it takes to tell them apart."""
    names = short_keys(keys)
    for digits in (3, 6, 17):
        labels = [say_all({key: one[key] for key in keys}, names, digits) for one in values]
        if len(set(labels)) == len(labels):
            break
    return labels


def _label(descriptions: list[str], members: Sequence[list[TrialResult]]) -> list[str]:
    if max(map(len, descriptions)) <= _LONGEST_LABEL:
        return descriptions
    names = [trials[0].name for trials in members if len(trials) == 1]
    if len(set(names)) == len(members):
        return [f"trial {name}" for name in names]
    if len(members) == 1:
        return ["one setting"]
    return [f"setting {number}" for number in range(1, len(members) + 1)]
