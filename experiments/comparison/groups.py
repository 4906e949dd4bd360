"""Puts trials into groups by their tags and parameters, and finds the group that the others are measured against."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.errors import ConfigError
from experiments.comparison.results import Array, TrialResult
from experiments.comparison.values import order, parse, say, say_all, short_keys

SEED = "seed"
AXES = ("env", "model", "algo")
_LONGEST_LABEL = 28  # letters: more fit beside no picture
# Sections whose keys make one training differ from another.
_SECTIONS = ("env.", "model.", "algo.", "stop.")


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
        return [_resolve(word, trials) for word in asked]
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


def choose_tracks(trials: Sequence[TrialResult]) -> tuple[range, list[str]]:
    """Return the tracks that policies are compared on, and notes about trials that drove on others.

    These are the tracks of most trials (of equally many, the longer ones).
    """
    driven = Counter(trial.evaluation.tracks for trial in trials if trial.evaluation is not None)
    if not driven:
        return range(0), ["No trial was scored, so there is nothing to say about unseen tracks."]
    tracks, _ = max(driven.items(), key=lambda item: (item[1], len(item[0])))
    notes = [
        f"Trial {trial.name} was scored on {_say_tracks(trial.evaluation.tracks)}, not on {_say_tracks(tracks)}: its "
        "score is left out. Score it anew: python -m experiments.evaluate."
        for trial in trials
        if trial.evaluation is not None and not _holds(trial, tracks)
    ]
    return tracks, notes


def _holds(trial: TrialResult, tracks: range) -> bool:
    own = trial.evaluation.tracks if trial.evaluation is not None else range(0)
    return bool(tracks) and own.start <= tracks.start and own.stop >= tracks.stop


def _say_tracks(tracks: range) -> str:
    return f"tracks {tracks.start} to {tracks.stop - 1}"


def make_groups(trials: Sequence[TrialResult], keys: Sequence[str], tracks: range) -> list[Group]:
    """Return the groups, sorted by the values of the keys.

    Args:
        trials: all of the comparison.
        keys: what tells groups apart; keys that are the same everywhere stay out of the labels.
        tracks: what the scores are of.
    """
    members: dict[tuple[str | None, ...], list[TrialResult]] = {}
    for trial in trials:
        members.setdefault(tuple(trial.value(key) for key in keys), []).append(trial)
    ordered = sorted(members, key=lambda values: [order(value) for value in values])
    differing = [key for at, key in enumerate(keys) if len({values[at] for values in ordered}) > 1]
    descriptions = _describe([dict(zip(keys, values, strict=True)) for values in ordered], differing or list(keys))
    labels = _label(descriptions, [members[values] for values in ordered])
    groups = []
    for values, label, description in zip(ordered, labels, descriptions, strict=True):
        scored = [trial for trial in members[values] if _holds(trial, tracks)]
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
    return [f"setting {number}" for number in range(1, len(members) + 1)]


def find_mixtures(groups: Sequence[Group]) -> list[str]:
    """Return notes about groups whose trials differ in more than seeds and in what the comparison looks at."""
    notes = []
    for group in groups:
        params: dict[str, set[str | None]] = {}
        for key in sorted({key for trial in group.trials for key in trial.params if key.startswith(_SECTIONS)}):
            if key not in group.values:
                params[key] = {trial.params.get(key) for trial in group.trials}
        mixed = [f"{key} ({', '.join(sorted(map(say, seen)))})" for key, seen in params.items() if len(seen) > 1]
        if mixed:
            more = f" and {len(mixed) - 4} more" if len(mixed) > 4 else ""
            notes.append(
                f"Group {group.label} mixes trials that differ in {', '.join(mixed[:4])}{more}: its spread is not that "
                "of seeds alone. Add such a key to group_by to tell them apart."
            )
    return notes


def find_survivors(groups: Sequence[Group]) -> list[str]:
    """Return a note about groups whose bad luck was stopped or failed, and whose score is that of the luckier ones."""
    labels = [
        f"{group.label} ({group.num_seeds} of {len(group.trials)})"
        for group in groups
        if 0 < group.num_seeds < len(group.trials)
    ]
    if not labels:
        return []
    return [
        f"Only some trials were scored of {'; '.join(labels)}. Those that a tuner stopped were doing worse, so such a "
        "score is too good for its settings."
    ]


def choose_baseline(groups: Sequence[Group], word: Any) -> tuple[Group, str]:
    """Return the group that the others are measured against, and why it is that one.

    Args:
        groups: all of the comparison.
        word: of `baseline=`: a label, or values that one group alone has (`cnn`, `lr=0.0003`, `model=cnn clip=0.1`).

    Raises:
        ConfigError: The word means no group, or several.
    """
    if word is not None:
        return _named(groups, str(word)), f"baseline={word}"
    for group in groups:
        if group.scored and all(
            group.trials[0].default(key) is not None and parse(value) == parse(group.trials[0].default(key))
            for key, value in group.values.items()
        ):
            return group, "what the config says where nothing is swept"
    ranked = sorted(groups, key=lambda group: (group.mean, group.last_return))
    ranked = [group for group in ranked if group.scored] or ranked
    return ranked[(len(ranked) - 1) // 2], "the one in the middle, as no group is the config's own"


def _named(groups: Sequence[Group], word: str) -> Group:
    exact = [group for group in groups if word in (group.label, group.description)]
    parts = [part for part in re.split(r"[,\s]+", word) if part]
    found = exact or [group for group in groups if all(_has(group, part) for part in parts)]
    if len(found) == 1:
        return found[0]
    labels = "\n  ".join(group.description for group in groups)
    raise ConfigError(
        f"baseline={word} means {f'{len(found)} groups' if found else 'no group'}; expected the values of one of\n"
        f"  {labels}"
    )


def _has(group: Group, part: str) -> bool:
    key, is_pair, value = part.rpartition("=")
    return any(
        (not is_pair or name == key or name.endswith(f".{key}")) and (text == value or parse(text) == parse(value))
        for name, text in group.values.items()
    )
