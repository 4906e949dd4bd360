"""From driven episodes to a score that may be reported: the numbers, their file, and the lines a person reads."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.drive import Episode

logger = logging.getLogger(__name__)

_RESAMPLES = 10_000
_LOW_SCORE = 500.0  # an episode below it went wrong in CarRacing; published tables count these


def summarise(
    episodes: Sequence[Episode],
    *,
    env: str,
    checkpoint: str,
    commit: str,
    first_seed: int,
    deterministic: bool,
    wall_s: float,
    rng_seed: int = 0,
) -> dict[str, Any]:
    """Return the content of `evaluation.json`: plain values, one key a statistic.

    Args:
        episodes: one a seed, `first_seed`, `first_seed + 1`, …
        env: the env's option name.
        checkpoint: what drove.
        commit: of the code that drove.
        first_seed: of the first episode.
        deterministic: whether the policy took its most likely actions.
        wall_s: how long the driving took.
        rng_seed: of the bootstrap.

    Returns:
        `std` is the population's (divided by n), `p10` is interpolated linearly, shares and rates lie in 0..1, the
        interval is None for a single episode, which says nothing about the spread.

    Raises:
        ValueError: no episodes, other seeds than announced, or a return that is not a number.
    """
    seeds = [episode.seed for episode in episodes]
    if not seeds or seeds != list(range(first_seed, first_seed + len(seeds))):
        raise ValueError(
            f"A score needs one episode for each seed from {first_seed} on, none left out; the seeds came as {seeds}."
        )
    returns = np.array([episode.episode_return for episode in episodes], dtype=np.float64)
    if not np.isfinite(returns).all():
        bad = [seeds[k] for k in np.flatnonzero(~np.isfinite(returns))]
        raise ValueError(f"The returns of seeds {bad} are not finite numbers: the env {env} gave such rewards.")
    faults = [episode for episode in episodes if episode.fault is not None]
    if faults:
        logger.warning(
            "%d of %d episodes ended by a fault and count as driven; the first, seed %d: %s",
            len(faults),
            len(episodes),
            faults[0].seed,
            faults[0].fault,
        )
    interval = _bootstrap_interval(returns, rng_seed)
    return {
        "env": env,
        "checkpoint": checkpoint,
        "commit": commit,
        "episodes": len(episodes),
        "first_seed": first_seed,
        "deterministic": deterministic,
        "returns": returns.tolist(),
        "frames": [episode.frames for episode in episodes],
        "mean": float(returns.mean()),
        "std": float(returns.std()),
        "ci95_low": interval[0] if interval else None,
        "ci95_high": interval[1] if interval else None,
        "p10": float(np.percentile(returns, 10)),
        "median": float(np.median(returns)),
        "min": float(returns.min()),
        "max": float(returns.max()),
        "share_below_500": float((returns < _LOW_SCORE).mean()),
        "frames_mean": float(np.mean([episode.frames for episode in episodes])),
        "lap_times_s": [episode.lap_time_s for episode in episodes if episode.lap_time_s is not None],
        "finish_rate": float(np.mean([episode.finished for episode in episodes])),
        "wall_s": float(wall_s),
    }


def _bootstrap_interval(returns: npt.NDArray[np.float64], rng_seed: int) -> tuple[float, float] | None:
    """Return the 95 % percentile-bootstrap interval of the mean. Source: Efron 1979; scipy.stats.bootstrap."""
    if len(returns) < 2:
        return None
    picks = np.random.default_rng(rng_seed).integers(len(returns), size=(_RESAMPLES, len(returns)))
    low, high = np.percentile(returns[picks].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def format_score(evaluation: Mapping[str, Any]) -> str:
    """Return the few lines that a person reads at the end, from the content of `evaluation.json`."""
    count, first_seed = evaluation["episodes"], evaluation["first_seed"]
    seeds = f"seed {first_seed}" if count == 1 else f"seeds {first_seed} to {first_seed + count - 1}"
    kind = "deterministic" if evaluation["deterministic"] else "sampling"
    if evaluation["ci95_low"] is None:
        interval = "one episode, so no interval"
    else:
        interval = f"95 % interval {evaluation['ci95_low']:.1f} to {evaluation['ci95_high']:.1f}"
    laps = f"{evaluation['finish_rate']:.0%} finished a lap"
    if evaluation["lap_times_s"]:
        laps += f", best {min(evaluation['lap_times_s']):.2f} s, median {np.median(evaluation['lap_times_s']):.2f} s"
    return "\n".join(
        (
            f"{evaluation['env']}: {count} {'episode' if count == 1 else 'episodes'} "
            f"({seeds}, {kind}) in {evaluation['wall_s']:.0f} s",
            f"  return  mean {evaluation['mean']:.1f} ({interval}), std {evaluation['std']:.1f}",
            f"          p10 {evaluation['p10']:.1f}, median {evaluation['median']:.1f}, "
            f"min {evaluation['min']:.1f}, max {evaluation['max']:.1f}, "
            f"below {_LOW_SCORE:.0f}: {evaluation['share_below_500']:.0%}",
            f"  frames  mean {evaluation['frames_mean']:.0f} an episode; {laps}",
        )
    )
