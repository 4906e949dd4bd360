"""A population: Ray Tune's population-based training, in which trials keep their names, frames and replay."""

import random
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining

from envs.errors import ConfigError
from experiments import metrics
from experiments.trial import ADOPTED, OBJECTIVE
from tune.proposers import MOST_DRAWS
from tune.space.domain import Domain
from tune.space.keys import value_at
from tune.space.space import SearchSpace

_INTERVALS = 20  # looks at the population over a whole training, where nothing else is said
# What may change while a trial trains; of that, what the shapes of weights, replay and rollouts depend on may not.
_LIVE = "algo.training."
_SHAPES = ("head", "critic_hidden", "shared_encoder", "replay_capacity", "sequence_length", "burn_in", "rollout_")


class Pbt(PopulationBasedTraining):
    """Lets the worst of a population take over weights and settings of the best, and changes the settings.

    What a trial keeps when it takes over another's: its name, frames, replay, seed and tracks.

    Args:
        interval_frames: Environment frames of a trial between two looks at the others.
        quantile: Share that is replaced, by as many of the best.
        resample_probability: Of drawing a value anew instead of multiplying it by 0.8 or 1.2 (or taking the one beside
            it, of a choice).
        stop_frames: `stop.frames`.
        mode: `max` or `min`.
        space: What may change.
        seed: Of the run.
    """

    side_by_side = True

    def __init__(
        self,
        *,
        interval_frames: int | None,
        quantile: float,
        resample_probability: float,
        stop_frames: int | None,
        mode: str,
        space: SearchSpace,
        seed: int,
    ) -> None:
        if interval_frames is None and stop_frames is None:
            raise ConfigError(
                "tuner=pbt looks at the population after equal frames: set stop.frames or "
                "tuner.scheduler.interval_frames."
            )
        interval = int((stop_frames or 0) / _INTERVALS) if interval_frames is None else interval_frames
        if interval < 1:
            raise ConfigError(f"tuner.scheduler.interval_frames={interval}: expected 1 or more.")
        if not 0 < quantile <= 0.5:
            raise ConfigError(f"tuner.scheduler.quantile={quantile}: expected more than 0 and at most 0.5.")
        _check_live(space)
        super().__init__(
            time_attr=metrics.FRAMES,
            metric=OBJECTIVE,
            mode=mode,
            perturbation_interval=interval,
            quantile_fraction=quantile,
            resample_probability=resample_probability,
            hyperparam_mutations=_nested(space.domains),
            log_config=False,  # the trials' records and MLflow hold it
            require_attrs=False,  # a trial has no return before its first episode
        )
        # Tune would have actors change trials: ours own a folder, and an algorithm that was built for their config.
        warnings.filterwarnings("ignore", message="Consider boosting PBT performance")
        self._space, self._interval, self._quantile = space, interval, quantile
        self._frames: dict[str, float] = {}
        self.has_room = True
        random.seed(seed)  # Ray draws from the two global generators
        np.random.seed(seed)

    def __str__(self) -> str:
        """Say what it does, for the header."""
        return f"every {self._interval:,} frames the worst {self._quantile:.0%} take over from the best"

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take a member in; one from before a resume was looked at when it had its frames."""
        if trial in self._trial_state:  # it lost its processes, and nothing that is known of it
            return
        super().on_trial_add(tune_controller, trial)
        self._trial_state[trial].last_perturbation_time = int(self._frames.get(trial.trial_id, 0))
        self._trial_state[trial].last_train_time = int(self._frames.get(trial.trial_id, 0))
        if self._synch:
            self._begin_round()

    def set_room(self, has_room: bool) -> None:
        """Say whether the whole population trains at the same time. Else members take turns, and wait for each other.

        Without waiting, whoever has just had its turn would be ahead of the others, and never the worst.
        """
        self.has_room, self._synch = has_room, not has_room

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> Any:
        """Look at a member. Ray would have it make room for one that waits, which needs none where all have some."""
        for member, state in self._trial_state.items():
            if member.is_finished():  # of these Ray would wait for those that failed
                state.last_train_time = sys.maxsize
        round_ends_at = self._next_perturbation_sync
        decision = super().on_trial_result(tune_controller, trial, result)
        if self._synch and self._next_perturbation_sync != round_ends_at:
            self._begin_round()
        return self.CONTINUE if decision == self.PAUSE and self.has_room else decision

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Choose whose turn it is. Whom all others wait for may have ended: then they go on without a look."""
        chosen = super().choose_trial_to_run(tune_controller)
        if chosen is None and self._synch:
            members = [member for member in self._trial_state if not member.is_finished()]
            if members and all(member.status == Trial.PAUSED for member in members):
                self._begin_round()
                chosen = super().choose_trial_to_run(tune_controller)
        return chosen

    def _begin_round(self) -> None:
        """Let members that take turns train for an interval more than the furthest has; there they wait for each other.

        Ray counts rounds from the start, and falls behind where reports are coarse or a sweep was resumed: then nobody
        waits any more.
        """
        states = [state for member, state in self._trial_state.items() if not member.is_finished()]
        furthest = max(state.last_train_time for state in states)
        for state in states:
            state.last_perturbation_time = furthest
        self._next_perturbation_sync = furthest + self._interval

    def recall(self, trial_id: str, rows: list[tuple[float, Any]]) -> None:
        """Take up how far a trial was before the sweep was resumed."""
        self._frames[trial_id] = rows[-1][0] if rows else 0

    def reason(self, frames: float) -> str:
        """Say why a trial was stopped, which a population does not do."""
        return f"stopped at {frames:,.0f} frames"

    def _exploit(self, tune_controller: Any, trial: Any, trial_to_clone: Any) -> None:
        """Take over weights and settings; the next look comes by the trial's own frames, which it keeps."""
        state = self._trial_state[trial]
        looked_at, trained = state.last_perturbation_time, state.last_train_time
        super()._exploit(tune_controller, trial, trial_to_clone)
        source = trial_to_clone.trial_id.rpartition("_")[2]
        trial.set_config(trial.config | {ADOPTED: f"{source} at {trained:,} frames"})
        state.last_perturbation_time, state.last_train_time = looked_at, trained

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Change the better one's settings within their domains; the rest of the config stays the trial's own."""
        for _ in range(MOST_DRAWS):
            explored, operations = super()._get_new_config(trial, trial_to_clone)
            config = self._with_values_of(trial.config, explored)
            if self._space.broken_constraint(config) is None:
                break
        else:
            config, operations = self._with_values_of(trial.config, trial_to_clone.config), {}
        return config, operations

    def _with_values_of(self, config: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        """Return a config with another's values of what is searched, within their domains."""
        assigned = {}
        for key, domain in self._space.domains.items():
            assigned[key] = domain.nearest(value_at(other, key))
            config = _with_value(config, key.split("."), assigned[key])
        return config | {"assigned": assigned}


def _check_live(space: SearchSpace) -> None:
    for key in space.domains:
        name = key.removeprefix(_LIVE)
        if not key.startswith(_LIVE) or name.startswith(_SHAPES):
            raise ConfigError(
                f"tuner=pbt changes values while training goes on; {key} cannot change then: weights or replay of "
                f"another trial would not fit. It may change the numbers of {_LIVE}*, such as lr or gamma; search "
                f"{key} with tuner=asha or random."
            )
        if space.conditions.get(key):
            raise ConfigError(f"tuner=pbt changes all values of all trials: {key} can have no `when`.")


def _nested(domains: Mapping[str, Domain]) -> dict[str, Any]:
    """Return Ray's domains in the shape of the config: {"algo": {"training": {"lr": …}}}."""
    nested: dict[str, Any] = {}
    for key, domain in domains.items():
        *sections, name = key.split(".")
        section = nested
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = domain.ray_domain()
    return nested


def _with_value(config: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Return a copy of a nested config in which one value differs."""
    first, *rest = path
    return {**config, first: _with_value(config[first], rest, value) if rest else value}
