"""A comparison from the trials to all that is known of them, before anything of it is written."""

from dataclasses import dataclass
from typing import Any

from experiments.comparison.baseline import choose_baseline
from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.curves import FRAMES, MINUTES, GroupCurve, group_curve
from experiments.comparison.groups import Group, choose_keys, make_groups
from experiments.comparison.importance import Importances, measure_importance
from experiments.comparison.notes import find_notes
from experiments.comparison.profiles import Profile, make_profiles
from experiments.comparison.results import TrialResult
from experiments.comparison.selection import Selection
from experiments.comparison.table import Row, make_rows
from experiments.comparison.thresholds import default_threshold
from experiments.comparison.tracks import choose_tracks


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a report shows.

    Attributes:
        title: what is compared.
        trials: all of them.
        keys: what groups them.
        tracks: what scores are of.
        baseline: the group that others are measured against.
        baseline_reason: why it is that one.
        threshold: the training return whose frames are counted.
        rows: of the table, the best group first.
        curves: over frames and over minutes.
        profiles: of the scored groups.
        importances: of the swept keys.
        notes: what a reader has to know: what was left out, what is mixed.
    """

    title: str
    trials: list[TrialResult]
    keys: list[str]
    tracks: range
    baseline: Group
    baseline_reason: str
    threshold: float | None
    rows: list[Row]
    curves: dict[str, list[GroupCurve]]
    profiles: list[Profile]
    importances: Importances
    notes: list[str]


def compare(
    selection: Selection,
    *,
    group_by: list[str] | None = None,
    baseline: Any = None,
    threshold: float | None = None,
) -> Comparison:
    """Return the comparison of the selected trials.

    Args:
        selection: the trials.
        group_by: tags and parameters; None: what was swept.
        baseline: values of a group; None: the config's own.
        threshold: a training return; None: 90 % of the best.

    Raises:
        ConfigError: No trial has such a key, or no group such values.
    """
    trials = selection.trials
    keys = choose_keys(trials, group_by, selection.num_sweeps)
    tracks, notes = choose_tracks(trials)
    groups = make_groups(trials, keys, tracks)
    reference, reason = choose_baseline(groups, baseline)
    if threshold is None:
        threshold = default_threshold(groups)
    rows = make_rows(groups, reference, threshold, Bootstrap())
    ordered = [row.group for row in rows]
    return Comparison(
        title=selection.title,
        trials=trials,
        keys=keys,
        tracks=tracks,
        baseline=reference,
        baseline_reason=reason,
        threshold=threshold,
        rows=rows,
        curves={axis: [c for g in ordered if (c := group_curve(g, axis)) is not None] for axis in (FRAMES, MINUTES)},
        profiles=make_profiles(ordered),
        importances=measure_importance(trials),
        notes=[*selection.notes, *notes, *find_notes(groups)],
    )
