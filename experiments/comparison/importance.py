"""Which swept keys decided how well trials learned, and how much of that is chance."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.comparison.groups import SEED, swept_keys
from experiments.comparison.results import TrialResult
from experiments.comparison.values import is_number, parse, spans_magnitudes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_FEWEST_TRIALS = 6  # below, any two settings look different
# What counts as the best: half of few trials, fewer of many. In made-up sweeps of 24 trials, one key of four that
# mattered stood out from chance in 9 of 12 by the best fifth, in 12 of 12 by the best half, and by fANOVA in none.
_BEST_TRIALS, _LEAST_SHARE, _LARGEST_SHARE = 20, 0.1, 0.5
_SHUFFLES = 100
_MOST_CHOICES = 5  # a number with at most so many values counts as a choice between them


@dataclass(frozen=True)
class Importance:
    """How much a swept key explains.

    Attributes:
        key: which.
        share: 0..1, of all keys' importances.
        chance: the share that the key would reach in 1 of 20 sweeps if the outcomes had nothing to do with it.
    """

    key: str
    share: float
    chance: float


@dataclass(frozen=True)
class Importances:
    """All keys, the most important first; without any, `reason` says why.

    Attributes:
        keys: the swept keys.
        num_trials: what they are judged by.
        quantile: what counts as the best of the trials, 0..1.
        reason: None, or why there is nothing to say.
    """

    keys: list[Importance]
    num_trials: int
    quantile: float
    reason: str | None = None


def measure_importance(trials: Sequence[TrialResult], rng_seed: int = 0) -> Importances:
    """Judge the swept keys, but the seed, by the trials' last training return.

    PED-ANOVA asks where the best trials lie apart from the others. It wants no model of the return, so it bears few
    trials and keys that only some trials have. The same with shuffled returns says what chance brings.

    Source: Watanabe et al. 2023, "PED-ANOVA", in Optuna's `PedAnovaImportanceEvaluator`.
    """
    keys = [key for key in swept_keys(trials) if key != SEED]
    judged = [trial for trial in trials if trial.last_return is not None and trial.assigned]
    varied = [key for key in keys if len({trial.assigned.get(key) for trial in judged}) > 1]
    quantile = min(_LARGEST_SHARE, max(_LEAST_SHARE, _BEST_TRIALS / max(1, len(judged))))
    if len(varied) < 2:
        words = f"Only {varied[0]} was varied, so it has all the importance." if varied else "No key was swept."
        return Importances([], len(judged), quantile, words)
    if len(judged) < _FEWEST_TRIALS:
        words = f"{len(judged)} trials are too few to tell what mattered; it takes {_FEWEST_TRIALS}."
        return Importances([], len(judged), quantile, words)
    returns = np.array([trial.last_return for trial in judged], np.float64)
    rng = np.random.default_rng(rng_seed)
    found = _ped_anova(judged, varied, returns, quantile)
    shuffled = np.array([_ped_anova(judged, varied, rng.permutation(returns), quantile) for _ in range(_SHUFFLES)])
    total = found.sum()
    if total <= 0:
        return Importances([], len(judged), quantile, "The best trials lie where the others lie: nothing mattered.")
    chance = np.minimum(np.quantile(shuffled, 0.95, axis=0) / total, 1.0)  # no share is larger
    ranked = np.argsort(-found, kind="stable")
    return Importances(
        [Importance(varied[k], float(found[k] / total), float(chance[k])) for k in ranked], len(judged), quantile
    )


def _ped_anova(trials: Sequence[TrialResult], keys: Sequence[str], returns: np.ndarray, quantile: float) -> np.ndarray:
    """Return PED-ANOVA's importances `(K,)`, not normalised."""
    import optuna  # 0.6 s, and only sweeps are judged

    optuna.logging.set_verbosity(logging.ERROR)
    distributions = {key: _distribution([trial.assigned.get(key) for trial in trials]) for key in keys}
    study = optuna.create_study(direction="maximize")
    frozen = []
    for trial, value in zip(trials, returns, strict=True):
        own = {key: trial.assigned[key] for key in keys if key in trial.assigned}
        frozen.append(
            optuna.trial.create_trial(
                params={key: _value(text, distributions[key]) for key, text in own.items()},
                distributions={key: distributions[key] for key in own},
                value=float(value),
            )
        )
    study.add_trials(frozen)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few trials: our report says so
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(keys), normalize=False)
    return np.array([shares[key] for key in keys], np.float64)


def _distribution(texts: Sequence[str | None]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    given = sorted({text for text in texts if text is not None})
    values = [parse(text) for text in given]
    if not all(is_number(value) for value in values) or len(given) <= _MOST_CHOICES:
        return CategoricalDistribution(given)
    return FloatDistribution(min(values), max(values), log=spans_magnitudes(values))


def _value(text: str, distribution: "BaseDistribution") -> str | float:
    from optuna.distributions import FloatDistribution

    return float(parse(text)) if isinstance(distribution, FloatDistribution) else text
