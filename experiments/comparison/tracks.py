"""Which tracks policies are compared on."""

from collections import Counter
from collections.abc import Sequence

from experiments.comparison.results import TrialResult


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
        f"score is left out. Score it anew: python -m experiments.evaluate run={trial.folder or 'FOLDER'} "
        f"first_seed={tracks.start} episodes={len(tracks)}."
        for trial in trials
        if trial.evaluation is not None and not trial.drove(tracks)
    ]
    return tracks, notes


def _say_tracks(tracks: range) -> str:
    return f"tracks {tracks.start} to {tracks.stop - 1}"
