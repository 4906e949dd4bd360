"""All pictures of a comparison, by name, and what is said below each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.comparison.comparison import Comparison
from experiments.comparison.curves import FRAMES, MINUTES
from experiments.comparison.drawings.curves import draw_curves
from experiments.comparison.drawings.importance import draw_importance
from experiments.comparison.drawings.look import DARK, LIGHT, Look, rank_groups, to_png
from experiments.comparison.drawings.parallel import draw_parallel
from experiments.comparison.drawings.profiles import draw_profiles
from experiments.comparison.drawings.scores import draw_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {
    "light": Look(LIGHT),
    "dark": Look(DARK),
    "light_narrow": Look(LIGHT, is_narrow=True),
    "dark_narrow": Look(DARK, is_narrow=True),
}


_NOTHING = "Nothing to show: no trial has such data."


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in all its looks.

    Attributes:
        name: of its files.
        heading: above it.
        alt: what it is, for who does not see it, and where its numbers are.
        text: below it.
        pngs: by look; empty where there is nothing to show, which `text` explains.
    """

    name: str
    heading: str
    alt: str
    text: str
    pngs: dict[str, bytes]


def draw_all(comparison: Comparison) -> list[Picture]:
    """Return the pictures of a comparison, in the order of a report."""
    ranks = rank_groups([row.group for row in comparison.rows], comparison.baseline)
    threshold, curves = comparison.threshold, comparison.curves
    return [
        _picture(
            "scores",
            "Scores",
            "Each group's mean return with its interval; the table of groups has the numbers.",
            "The dot is the mean return of all drives, the bar its 95 % interval, small marks the mean of each policy.",
            lambda look: draw_scores(comparison.rows, comparison.baseline, ranks, look),
        ),
        _picture(
            "curves",
            "Learning curves over frames",
            "Training return against environment frames, a line a group; curves.csv has the numbers.",
            f"Training return: of the last episodes, not of unseen tracks. {_about_curves(comparison)}",
            lambda look: draw_curves(curves[FRAMES], ranks, threshold, FRAMES, look),
        ),
        _picture(
            "curves_time",
            "Learning curves over time",
            "Training return against minutes, a line a group; the table of trials says how long each trained.",
            "The same against the time that each trial trained: what counts where the machine is the limit.",
            lambda look: draw_curves(curves[MINUTES], ranks, None, MINUTES, look),
        ),
        _picture(
            "profiles",
            "Performance profiles",
            "Share of drives above each return, a line a group; profiles.csv has the numbers.",
            "For every return τ, the share of drives that brought more. A line above another everywhere is better "
            "everywhere; where lines cross, one is better on easy tracks and the other on hard ones.",
            lambda look: draw_profiles(comparison.profiles, ranks, look),
        ),
        _picture(
            "importance",
            "What mattered",
            "The importance of each swept key, a bar a key; importance.csv has the numbers.",
            _about_importance(comparison),
            lambda look: draw_importance(comparison.importances, look),
        ),
        _picture(
            "parallel",
            "All settings",
            "Every trial's settings and last training return, a line a trial; the table of trials has the numbers.",
            "A line is a trial, from setting to setting to its last training return.",
            lambda look: draw_parallel(comparison.trials, look),
        ),
    ]


def _picture(name: str, heading: str, alt: str, text: str, draw: "Callable[[Look], Figure | None]") -> Picture:
    pngs = {}
    for word, look in LOOKS.items():
        with look.styled():
            figure = draw(look)
            if figure is None:
                return Picture(name, heading, alt, text if name == "importance" else _NOTHING, {})
            pngs[word] = to_png(figure)
    return Picture(name, heading, alt, text, pngs)


def _about_curves(comparison: Comparison) -> str:
    words = []
    if any(curve.num_trials > 1 for curve in comparison.curves[FRAMES]):
        words.append(
            "Thick lines are means, as far as all trials of a group got; bands reach from the lowest trial to the "
            "highest; thin lines are trials that went on alone."
        )
    states = {trial.state.partition(":")[0] for trial in comparison.trials}
    if states & {"stopped", "failed"}:
        words.append("A square ends a trial that was stopped early, a cross one that failed.")
    return " ".join(words)


def _about_importance(comparison: Comparison) -> str:
    found = comparison.importances
    if found.reason is not None:
        return found.reason
    return (
        f"How far the best {found.quantile:.0%} of {found.num_trials} trials, by their last training return, keep to "
        "certain values of a key (PED-ANOVA). The mark is what a key that does not matter reaches in 1 of 20 such "
        "sweeps: a bar that stays below it shows nothing. Trials that were stopped early count with what they had."
    ).replace("%", " %")
