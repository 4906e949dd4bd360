"""How the numbers of a comparison are said: rounded to what is known, with units, and what they do and do not show."""

from collections.abc import Sequence

from experiments.comparison.groups import Group
from experiments.comparison.table import GAIN, LOSS, NOISE, Contrast, Estimate, Row
from experiments.comparison.thresholds import Reached
from experiments.comparison.values import MISSING

NOT_SCORED = "not scored"


def number(value: float) -> str:
    """Return a return: without decimals from 100 on, else with one, or two below 10."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)


def interval(estimate: Estimate) -> str:
    """Return `798 to 849`."""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def share(estimate: Estimate) -> tuple[str, str]:
    """Return a probability and its interval: `64 %`, `52 to 75 %`."""
    return f"{100 * estimate.value:.0f} %", f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f} %"


def duration(seconds: float | None) -> str:
    """Return `12.3 min`."""
    if seconds is None:
        return MISSING
    return (
        f"{seconds:.0f} s"
        if seconds < 60
        else f"{seconds / 60:.1f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def frames(count: float | None) -> str:
    """Return `1.23 M`."""
    if count is None:
        return MISSING
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:  # what rounds to 1,000 of a unit is 1 of the next
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"


def reached(result: Reached | None, num_trials: int) -> tuple[str, str]:
    """Return `1.2 M`, `3 of 3`; or `≥ 800 k`, `1 of 3` where too few trials came so far to know the median."""
    if result is None or result.frames is None:
        return MISSING, ""
    return f"{'≥ ' if result.is_censored else ''}{frames(result.frames)}", f"{result.num_reached} of {num_trials}"


def states(group: Group) -> str:
    """Return how the trials of a group ended, where not all finished: `1 stopped, 1 failed`."""
    counts: dict[str, int] = {}
    for trial in group.trials:
        word = trial.state.partition(":")[0]
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items() if word != "finished")


def name(group: Group) -> str:
    """Return a group's label, with its values where the label does not say them."""
    return group.label if group.label == group.description else f"{group.label} ({group.description})"


def plural(count: int, word: str) -> str:
    """Return `1 trial`, `3 trials`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def verdict(contrast: Contrast | None) -> str:
    """Return what a difference is worth, in a table's few words."""
    if contrast is None:
        return ""
    if contrast.verdict == NOISE or contrast.has_seeds:
        return contrast.verdict
    return f"{contrast.verdict} on these policies"


def finding(rows: Sequence[Row], baseline: Group) -> str:
    """Return what a reader in a hurry takes along: whether anything beat the baseline by more than noise."""
    scored = [row for row in rows if row.scores is not None]
    if not scored:
        return "No trial was scored on unseen tracks: this compares training, and cannot say which policy is better."
    rivals = [row for row in scored if row.contrast is not None]
    if not baseline.scored:
        return f"The baseline {baseline.label} was not scored, so nothing can be measured against it."
    if not rivals:
        return f"Only {baseline.label} was scored, so there is nothing to measure it against."
    gains = [row for row in rivals if row.contrast is not None and row.contrast.verdict == GAIN]
    best = (gains or rivals)[0]
    assert best.contrast is not None
    gain = best.contrast.gain
    found = (
        f"{name(best.group)} brings {signed(gain.value)} a drive against the baseline {name(baseline)} "
        f"(95 % interval {signed(gain.low)} to {signed(gain.high)})"
    )
    among = (
        f" With {plural(len(rivals), 'comparison')} a difference has to be clearer than for one."
        if len(rivals) > 1
        else ""
    )
    if best.contrast.verdict == NOISE:
        return f"No gain beyond noise: the best of the others, {found}.{among}{_about_seeds(best)}"
    if best.contrast.verdict == LOSS:
        return (
            f"Nothing beats the baseline: the best of the others, {found}, which is more than noise."
            f"{_about_seeds(best)}"
        )
    higher = "" if best is rivals[0] else f" {name(rivals[0].group)} has the highest mean, but within noise."
    return f"{found}, which is more than noise.{higher}{among}{_about_seeds(best)}"


def _about_seeds(row: Row) -> str:
    if row.contrast is None or row.contrast.has_seeds:
        return ""
    return (
        " At least one of the two has a single seed, whose luck the interval does not know, so it is still too narrow."
        if row.contrast.verdict == NOISE
        else " At least one of the two has a single seed, whose luck this noise leaves out: these policies differ as "
        "said, another training run of the same settings may not. Train more seeds before believing it."
    )


def basis(rows: Sequence[Row], tracks: range) -> list[str]:
    """Return sentences about what n is, and what was resampled."""
    trials = [trial for row in rows for trial in row.group.trials]
    scored = [row.group.num_seeds for row in rows if row.scores is not None]
    running = sum(trial.state == "running" for trial in trials)
    sentences = [
        f"{plural(len(trials), 'trial')} in {plural(len(rows), 'group')}; {sum(scored)} scored, "
        f"{sum(trial.state.startswith('stopped') for trial in trials)} stopped early, "
        f"{sum(trial.has_failed for trial in trials)} failed"
        f"{f', {running} still running' if running else ''}."
    ]
    if not scored:
        return sentences
    sentences.append(
        f"Every scored policy drove the same {plural(len(tracks), 'track')} (seeds {tracks.start} to "
        f"{tracks.stop - 1}), which training never saw. n is the number of policies of a group, each trained with a "
        "seed of its own."
    )
    several, single = [size for size in scored if size > 1], scored.count(1)
    if several:
        sizes = f"{min(several)}" if min(several) == max(several) else f"{min(several)} to {max(several)}"
        sentences.append(
            f"Where n is above 1 (here {sizes}), intervals resample training seeds and tracks: they are about another "
            "training run on other tracks. They are widened for n being small (Student's t), as resampling alone is "
            "too sure of itself then."
        )
    if single:
        sentences.append(
            f"Where n is 1 ({plural(single, 'group')}), intervals resample tracks alone: they are about this one "
            "policy on other tracks, and say nothing about what another seed would bring."
        )
    if len(tracks) < 30:
        sentences.append(
            f"{plural(len(tracks), 'track')} cannot say much: intervals over them are too narrow. Score 100."
        )
    return sentences
