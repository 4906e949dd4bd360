"""What a reader has to know before the numbers: what is mixed, left out, repeated, or changed on the way."""

from collections import Counter
from collections.abc import Sequence

from experiments.comparison.groups import SEED, Group
from experiments.comparison.values import identity, say

# Sections whose keys make one training differ from another.
_SECTIONS = ("env.", "model.", "algo.", "stop.")
_MOST_NAMES = 4  # in a sentence


def find_notes(groups: Sequence[Group]) -> list[str]:
    """Return all that there is to know of the groups, in sentences."""
    return [
        *find_mixtures(groups),
        *find_repetitions(groups),
        *find_survivors(groups),
        *find_changed(groups),
        *_note_envs(groups),
        *_note_untrained(groups),
    ]


def find_mixtures(groups: Sequence[Group]) -> list[str]:
    """Return notes about groups whose trials differ in more than seeds and in what the comparison looks at."""
    notes = []
    for group in groups:
        keys = {
            key for trial in group.trials for key in trial.params if key.startswith(_SECTIONS)
        } - group.values.keys()
        mixed = []
        for key in sorted(keys):
            seen = {identity(text): text for trial in group.trials for text in [trial.params.get(key)]}
            if len(seen) > 1:
                mixed.append(f"{key} ({', '.join(sorted(map(say, seen.values())))})")
        if mixed:
            notes.append(
                f"Group {group.label} mixes trials that differ in {_some(mixed)}: its spread is not that "
                "of seeds alone. Add such a key to group_by to tell them apart."
            )
    return notes


def find_repetitions(groups: Sequence[Group]) -> list[str]:
    """Return notes about groups in which a seed counts more than once, as if it were several."""
    notes = []
    for group in groups:
        counts = Counter(trial.value(SEED) for trial in group.scored)
        repeated = [f"{say(seed)} ({count} times)" for seed, count in counts.items() if count > 1]
        if repeated:
            notes.append(
                f"In group {group.label} seeds were trained repeatedly: {_some(repeated)}. Its intervals take all "
                f"{group.num_seeds} policies for independent, and are too narrow as far as equal seeds train alike."
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


def find_changed(groups: Sequence[Group]) -> list[str]:
    """Return a note about trials whose settings are not what they were trained with from beginning to end."""
    names = [trial.name for group in groups for trial in group.trials if trial.has_changed]
    if not names:
        return []
    return [
        f"A population changed settings and weights of trials {_some(sorted(names))} while they trained: they stand "
        "here, in groups, importances and parallel coordinates too, with the settings that they began with."
    ]


def _note_envs(groups: Sequence[Group]) -> list[str]:
    envs = sorted({trial.tags.get("env", "?") for group in groups for trial in group.trials})
    if len(envs) < 2:
        return []
    return [f"These trials drive in {', '.join(envs)}: returns compare only as far as these are the same task."]


def _note_untrained(groups: Sequence[Group]) -> list[str]:
    return [
        f"Trial {trial.name} ended before its first episode did ({trial.state}), so it has no curve."
        for group in groups
        for trial in group.trials
        if trial.curve.is_empty
    ]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
