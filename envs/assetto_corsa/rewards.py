"""What a step earns: the original's reward, exactly, or metres along the line; each term by its name."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.arguments import check_range
from envs.assetto_corsa.look import Look
from envs.track.frames import FloatArray

ACGYM, NOLINE, PROGRESS = "acgym", "acgym_noline", "progress"
REWARDS = (ACGYM, NOLINE, PROGRESS)
_KMH, _FULL_KMH, _GAP_M = 3.6, 300.0, 12.0
_DEPTH = 3


class Reward(Protocol):
    """Pays one car's episodes."""

    def reset(self, look: Look) -> None:
        """Begin an episode."""

    def of(self, look: Look, *, gained_m: float, is_failure: bool) -> Mapping[str, float]:
        """Return the terms of the next step's reward, whose sum it is.

        Args:
            look: at what the step led to.
            gained_m: metres along the line, farther than ever before.
            is_failure: whether the step ended the episode as terminated.
        """


@dataclass(frozen=True, kw_only=True)
class AcgymRewardSettings:
    """Options of the original's reward.

    Attributes:
        penalize_actions_diff: whether moving wheel and pedals costs.
        penalize_actions_diff_coef: how much.
    """

    penalize_actions_diff: bool = False
    penalize_actions_diff_coef: float = 0.1

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("penalize_actions_diff_coef", self.penalize_actions_diff_coef, 0.0)


class AcgymReward:
    """`3.6 v (1 - |gap| / 12) / 300`: speed, less beside the racing line, negative beyond 12 m.

    Args:
        settings: see `AcgymRewardSettings`.
        has_line: False leaves the gap out.

    Source: assetto_corsa_gym, commit ef0fa50; Remonda et al. 2024 (arXiv 2407.16680), r = v (1 - α d), α = 1/12.
    """

    def __init__(self, settings: AcgymRewardSettings, *, has_line: bool = True) -> None:
        self._settings, self._has_line = settings, has_line
        self._past: deque[FloatArray] = deque(maxlen=_DEPTH)

    def reset(self, look: Look) -> None:
        """Begin an episode."""
        self._past.clear()
        self._past.append(look.feedback)

    def of(self, look: Look, *, gained_m: float, is_failure: bool) -> Mapping[str, float]:
        """See `Reward`: `speed`, and `actions_diff` if it is asked for."""
        reward = _KMH * look.state["speed"]
        if self._has_line:
            reward *= 1.0 - abs(look.derived.gap_m) / _GAP_M
        terms = {"speed": float(reward / _FULL_KMH)}
        feedback = look.feedback
        if self._settings.penalize_actions_diff:
            change = feedback - self._past[-1] if len(self._past) == _DEPTH else np.zeros(3)
            terms["actions_diff"] = -self._settings.penalize_actions_diff_coef * float(np.linalg.norm(change))
        self._past.append(feedback)
        return terms


@dataclass(frozen=True, kw_only=True)
class ProgressRewardSettings:
    """What is paid for getting on.

    Attributes:
        per_metre: along the racing line, farther than ever before in the episode.
        time_cost_per_s: always.
        tyre_out_cost_per_s: for each tyre off the track.
        smoothness_cost: for wheel and pedals moving by 1 in a step.
        failure_penalty: once, when the episode ends as terminated.
    """

    per_metre: float = 0.02
    time_cost_per_s: float = 0.1
    tyre_out_cost_per_s: float = 0.25
    smoothness_cost: float = 0.0
    failure_penalty: float = 5.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            check_range(name, value, 0.0)


class ProgressReward:
    """Metres along the line less time: nothing is earned twice, and faster is always better.

    Args:
        settings: see `ProgressRewardSettings`.
    """

    def __init__(self, settings: ProgressRewardSettings) -> None:
        self._settings = settings
        self._time_s = 0.0
        self._feedback: FloatArray = np.zeros(3)

    def reset(self, look: Look) -> None:
        """Begin an episode."""
        self._time_s, self._feedback = look.state["timestamp_ac"], look.feedback

    def of(self, look: Look, *, gained_m: float, is_failure: bool) -> Mapping[str, float]:
        """See `Reward`: `progress`, `time`, `tyres_out`, `smoothness`, `failure`."""
        settings, now = self._settings, look.state["timestamp_ac"]
        passed_s, self._time_s = max(now - self._time_s, 0.0), now
        change, self._feedback = look.feedback - self._feedback, look.feedback
        return {
            "progress": settings.per_metre * gained_m,
            "time": -settings.time_cost_per_s * passed_s,
            "tyres_out": -settings.tyre_out_cost_per_s * passed_s * look.state["numberOfTyresOut"],
            "smoothness": -settings.smoothness_cost * float(np.linalg.norm(change)),
            "failure": -settings.failure_penalty if is_failure else 0.0,
        }
