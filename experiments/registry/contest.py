"""Whether a challenger drives better than the champion: a paired comparison over the same tracks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

MIN_TRACKS = 20  # percentile intervals of few numbers are too narrow: Hesterberg 2015, The American Statistician 69 (4)
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Score:
    """The part of an `evaluation.json` that a comparison needs.

    Attributes:
        env: The env's option name.
        first_seed: Of the first track; the others follow it.
        deterministic: Whether the policy took its most likely actions.
        returns: `(N,)`, one a track, in the order of the seeds.
    """

    env: str
    first_seed: int
    deterministic: bool
    returns: npt.NDArray[np.float64]

    @classmethod
    def of(cls, evaluation: Mapping[str, Any], env: str) -> Self:
        """Take the score out of an evaluation of a policy that was trained in `env`.

        Raises:
            ValueError: It is no score by which a champion may be chosen; the message is a reason to show.
        """
        missing = [
            key for key in ("env", "first_seed", "deterministic", "episodes", "returns") if key not in evaluation
        ]
        if missing:
            raise ValueError(f"its evaluation lacks {', '.join(missing)}")
        returns, first_seed = evaluation["returns"], evaluation["first_seed"]
        numbers = returns if isinstance(returns, list) else []
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in numbers):
            raise ValueError("its evaluation holds returns that are no finite numbers")
        if type(first_seed) is not int or len(numbers) != evaluation["episodes"]:
            raise ValueError(
                f"its evaluation announces {evaluation['episodes']} tracks from seed {first_seed} "
                f"and holds {len(numbers)} returns"
            )
        if evaluation["env"] != env:
            raise ValueError(f"it was evaluated in {evaluation['env']}, the champion is of {env}")
        if len(numbers) < MIN_TRACKS:
            raise ValueError(f"its evaluation has {len(numbers)} tracks, a champion needs at least {MIN_TRACKS}")
        return cls(env, first_seed, bool(evaluation["deterministic"]), np.array(numbers, dtype=np.float64))

    def tracks(self) -> str:
        """Return on what it was driven, in words."""
        kind = "deterministic" if self.deterministic else "sampling"
        return f"{len(self.returns)} tracks of {self.env} from seed {self.first_seed}, {kind}"


@dataclass(frozen=True)
class Judgement:
    """What a comparison says.

    Attributes:
        is_better: Whether the challenger takes the title.
        reason: Why, as half a sentence for people.
    """

    is_better: bool
    reason: str


def judge(challenger: Score, champion: Score, champion_name: str) -> Judgement:
    """Compare two policies on the tracks that both drove.

    The challenger is better where the 95 % interval of the mean difference of returns, track by track, lies above 0:
    tracks differ more than drivers, so the pairs tell far more than the two intervals do.

    Source: percentile bootstrap, Efron 1979, of the paired differences; `scipy.stats.bootstrap`.
    """
    if challenger.tracks() != champion.tracks():
        return Judgement(
            False,
            f"cannot be compared with {champion_name}: that drove {champion.tracks()}, this {challenger.tracks()}; "
            "evaluate both on the same tracks",
        )
    differences = challenger.returns - champion.returns
    low, high = paired_interval(differences)
    verdict = "beats" if low > 0 else "does not beat"
    return Judgement(
        low > 0,
        f"{verdict} {champion_name}: return {differences.mean():+.1f} on the same {len(differences)} tracks "
        f"(95 % interval {low:+.1f} to {high:+.1f})",
    )


def paired_interval(differences: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile-bootstrap interval of the mean of `(N,)` differences."""
    import scipy.stats  # 1.2 s

    found = scipy.stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=max(1, 1_000_000 // len(differences)),  # 8 MB at a time, however many tracks
        method="percentile",
        rng=0,
    ).confidence_interval
    return float(found.low), float(found.high)
