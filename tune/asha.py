"""Early stopping: Ray Tune's asynchronous Hyperband on frames and the sweep's metric, which a resume can rebuild."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.tune.schedulers import AsyncHyperBandScheduler

from envs.errors import ConfigError
from experiments import metrics
from experiments.trial import OBJECTIVE
from tune.space.space import SearchSpace

_RUNGS = 2  # looks before the end, where nothing else is said


class Asha(AsyncHyperBandScheduler):
    """Stops trials early that are not among the best of their rung.

    Source: Li et al. 2020, algorithm 2, in Ray's stopping form: a trial is compared with those that were at the rung
    before it, and goes on or ends there and then. In the paper it pauses, until enough others are worse.

    Args:
        grace_frames: Environment frames that every trial gets, and the first rung; None: `stop_frames` divided by
            `reduction_factor` twice.
        reduction_factor: From one rung to the next, frames grow by it and the best of that share go on.
        brackets: Groups of trials, of which each begins to stop one rung later than the one before.
        stop_frames: `stop.frames`.
        mode: `max` or `min`.
        space: Of the sweep; any will do.
        seed: Of the run.
    """

    side_by_side = False

    def __init__(
        self,
        *,
        grace_frames: int | None,
        reduction_factor: float,
        brackets: int,
        stop_frames: int | None,
        mode: str,
        space: SearchSpace,
        seed: int,
    ) -> None:
        if stop_frames is None:
            raise ConfigError("tuner=asha and hyperband compare trials after equal frames: set stop.frames.")
        if reduction_factor <= 1:
            raise ConfigError(f"tuner.scheduler.reduction_factor={reduction_factor}: expected more than 1.")
        # Rounded up: the third rung is the end, never just before it, where it would cost a trial its last frames.
        grace = math.ceil(stop_frames / reduction_factor**_RUNGS) if grace_frames is None else grace_frames
        if not 0 < grace <= stop_frames:
            raise ConfigError(
                f"tuner.scheduler.grace_frames={grace}: expected more than 0 and at most stop.frames={stop_frames}."
            )
        rungs = int(np.log(stop_frames / grace) / np.log(reduction_factor)) + 1
        if not 1 <= brackets <= rungs:
            raise ConfigError(
                f"tuner.scheduler.brackets={brackets}: from {grace} to {stop_frames} frames there are {rungs} rungs; "
                f"choose 1 to {rungs} brackets, or fewer grace_frames."
            )
        super().__init__(
            time_attr=metrics.FRAMES,
            metric=OBJECTIVE,
            mode=mode,
            max_t=stop_frames,
            grace_period=grace,
            reduction_factor=reduction_factor,
            brackets=brackets,
            stop_last_trials=False,  # else Ray takes a trial that passed two rungs in one report for one at the lower
        )
        self._seed = seed

    def __str__(self) -> str:
        """Say what it does, for the header."""
        share = f"best 1/{self._reduction_factor:g}"
        rungs = [f"{milestone:,.0f}" for milestone, _ in reversed(self._brackets[0]._rungs) if milestone < self._max_t]
        brackets = f" ({len(self._brackets)} brackets)" if len(self._brackets) > 1 else ""
        return f"the {share} go on at {', '.join(rungs)} frames{brackets}"

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Choose the trial's bracket: by its number, so that a resume chooses the same."""
        sizes = np.array([len(bracket._rungs) for bracket in self._brackets])
        shares = np.exp(sizes - sizes.max())
        number = int(trial.trial_id.rpartition("_")[2])
        chosen = np.random.default_rng([self._seed, number]).choice(len(self._brackets), p=shares / shares.sum())
        self._trial_info[trial.trial_id] = self._brackets[chosen]

    def recall(self, trial_id: str, rows: list[tuple[float, Any]]) -> None:
        """Take up what a trial had reported before the sweep was resumed: frames and objective, oldest first."""
        stub = SimpleNamespace(trial_id=trial_id)
        self.on_trial_add(None, stub)
        for frames, objective in rows:
            self._trial_info[trial_id].on_result(stub, frames, self._metric_op * objective)
        del self._trial_info[trial_id]

    def reason(self, frames: float) -> str:
        """Say why a trial was stopped."""
        return f"not in the best 1/{self._reduction_factor:g} at {frames:,.0f} frames"
