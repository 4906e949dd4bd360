"""What a sweep is before it starts: its space, its first trials, and the room that they get; checked as a whole."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.errors import ConfigError
from experiments import metrics
from experiments.checks import check_run
from experiments.machine import Machine
from experiments.placement import check_fits
from experiments.plan import Plan
from experiments.tracking import flatten
from models.encoder import build
from tune.compose import TrialConfigs
from tune.disk import describe_replays
from tune.proposers import MOST_DRAWS, Assignment, Proposer, Search
from tune.records import FAILED, TrialRecords
from tune.resume import CHANGEABLE, saved_config
from tune.slots import Slots, fit_memory, make_slots
from tune.space.space import SearchSpace

if TYPE_CHECKING:
    from experiments.model_size import ModelSize


@dataclass(frozen=True)
class Preparation:
    """A sweep that could start.

    Attributes:
        base: The run's plain config, with `words`, what stood on the command line.
        machine: Where it shall run.
        space: What differs between its trials.
        configs: Makes the configs of new trials.
        assignments: Of the trials of a new sweep that are known before anything starts.
        num_total: Trials there will be, at most.
        slots: The room that they get.
        largest: The plan of the trial that takes most memory.
        size: Of the first trial's networks.
        scheduling: What the scheduler says that it does, if there is one.
        disk: What the disk does not hold of the trials' replays, if there is anything to say.
    """

    base: dict[str, Any]
    machine: Machine
    space: SearchSpace
    configs: TrialConfigs
    assignments: list[Assignment]
    num_total: int
    slots: Slots
    largest: Plan
    size: "ModelSize"
    scheduling: str | None
    disk: str | None = None

    @classmethod
    def check(
        cls, base: dict[str, Any], machine: Machine, run_folder: Path | None = None, records: TrialRecords | None = None
    ) -> "Preparation":
        """Check a sweep, and each of its trials, before anything starts.

        Args:
            base: The run's plain config.
            machine: Where it shall run.
            run_folder: Of the sweep to go on with, if it is none that is new.
            records: Of its trials so far.

        Raises:
            ConfigError: Something cannot work; the message says what, why and what to do.
        """
        tuner, configs = base["tuner"], TrialConfigs("config", base["words"])
        _check_numbers(tuner)
        space = SearchSpace.parse(tuner["space"] or {}, tuner["constraints"], base)
        proposer = make_proposer(base, space, configs, known=list(records or ()))
        num_total = proposer.num_total
        if num_total > tuner["max_trials"]:
            raise ConfigError(
                f"tuner.space and tuner.num_trials make {num_total:,} trials, more than tuner.max_trials="
                f"{tuner['max_trials']:,}. Make it smaller, or say that you mean it: tuner.max_trials={num_total}."
            )
        scheduler = make_scheduler(base, space)
        side_by_side = getattr(scheduler, "side_by_side", False)
        slots = make_slots(base["ray"], machine, num_total, tuner["num_concurrent"], side_by_side)
        assignments: list[Assignment] = []
        if run_folder is not None and records is not None:
            if not proposer.is_exhausted:
                _check_unchanged(base, configs)
            # Those that failed are tried again, each for itself: one that cannot start does not stop the others.
            known = [record for record in records if record.state != FAILED] or list(records)
            tried = [saved_config(base, run_folder, record) for record in known]
        else:
            assignments = proposer.planned()
            tried = [trial_config(base, configs, one) for one in assignments]
        tried = tried or _examples(base, configs, space)
        checked = [check_run(config, machine, slots.share) for config in tried]
        largest = max((plan for plan, _ in checked), key=lambda plan: plan.memory_bytes)
        fitting = fit_memory(slots, largest, machine, is_asked=tuner["num_concurrent"] is not None)
        if fitting != slots:  # fewer at once: each has more cores
            slots = fitting
            checked = [check_run(config, machine, slots.share) for config in tried]
            largest = max((plan for plan, _ in checked), key=lambda plan: plan.memory_bytes)
        for plan, _ in checked:
            check_fits(machine, plan)
        if proposer.is_exhausted:
            num_total = len(records) if records is not None else len(assignments)
        disk = None
        if run_folder is None and not machine.is_cluster:  # else some are there, or on other disks
            outputs = Path(base["paths"]["outputs"])
            disk = describe_replays(outputs, largest.replay_bytes, slots.num_concurrent, num_total)
        return cls(
            base=base,
            machine=machine,
            space=space,
            configs=configs,
            assignments=assignments,
            num_total=num_total,
            slots=slots,
            largest=largest,
            size=checked[0][1],
            scheduling=None if scheduler is None else str(scheduler),
            disk=disk,
        )

    @property
    def is_sweep(self) -> bool:
        """Whether there is more than the config as it is."""
        return bool(self.space.domains)


def trial_config(base: dict[str, Any], configs: TrialConfigs, assigned: Assignment) -> dict[str, Any]:
    """Return a new trial's whole plain config; without anything assigned it is the run's."""
    if not assigned:
        return deepcopy(base)
    return configs.config(assigned) | {"words": base["words"]}


def _examples(base: dict[str, Any], configs: TrialConfigs, space: SearchSpace) -> list[dict[str, Any]]:
    """Return configs of trials as they may come, for checks: at the corners of the space, else from within it.

    Raises:
        ConfigError: The constraints allow none of very many.
    """
    corners = [trial_config(base, configs, corner) for corner in space.corners()]
    allowed = [config for config in corners if space.broken_constraint(config) is None]
    if allowed:
        return allowed
    rng = np.random.default_rng(base["seed"])
    for _ in range(MOST_DRAWS):
        config = trial_config(base, configs, space.sample(rng))
        if space.broken_constraint(config) is None:
            return [config]
    raise ConfigError(f"tuner.constraints allow none of {MOST_DRAWS} settings that were drawn from tuner.space.")


def make_proposer(base: dict[str, Any], space: SearchSpace, configs: TrialConfigs, **known: Any) -> Proposer:
    """Build the proposer that `tuner.proposer` names.

    Args:
        base: The run's plain config.
        space: What it may choose from.
        configs: Makes whole configs, which constraints are about.
        **known: `run_folder` and `known` of `Search`, once there are such.

    Raises:
        ConfigError: There is no such proposer, or the space is none for it.
    """
    tuner = base["tuner"]

    def is_allowed(assigned: Assignment) -> bool:
        return not space.constraints or space.broken_constraint(trial_config(base, configs, assigned)) is None

    search = Search(space, tuner["num_trials"], base["seed"], modes(tuner), is_allowed, **known)
    return _built("tuner.proposer", tuner["proposer"], Proposer, search=search)  # type: ignore[no-any-return]


def make_scheduler(base: dict[str, Any], space: SearchSpace) -> Any:
    """Build the Ray Tune scheduler that `tuner.scheduler` names, or return None: every trial trains to its end.

    Raises:
        ConfigError: There is no such scheduler, or it does not go with the run.
    """
    tuner = base["tuner"]
    if tuner["scheduler"] is None:
        return None
    if len(modes(tuner)) > 1:
        raise ConfigError("tuner.scheduler compares trials by one metric: name one in tuner.metric, or drop it.")
    from ray.tune.schedulers import TrialScheduler  # 1 s, spared to runs without one

    built = {"stop_frames": base["stop"]["frames"], "mode": modes(tuner)[0], "space": space, "seed": base["seed"]}
    return _built("tuner.scheduler", tuner["scheduler"], TrialScheduler, **built)


def modes(tuner: Mapping[str, Any]) -> list[str]:
    """Return `max` or `min` for each of the tuner's metrics."""
    mode = tuner["mode"]
    return list(mode) if isinstance(mode, list) else [mode]


def _built(where: str, section: dict[str, Any], base: type, **built: Any) -> Any:
    try:
        return build(section, base, **built)
    except ConfigError:
        raise
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_numbers(tuner: Mapping[str, Any]) -> None:
    metric = tuner["metric"]
    names = metric if isinstance(metric, list) else [metric]
    unknown = [name for name in names if name not in metrics.ALL and not str(name).startswith(metrics.LEARNER_PREFIX)]
    if unknown or not names:
        wrong = unknown[0] if unknown else metric
        raise ConfigError(f"tuner.metric={wrong}: expected one of {', '.join(metrics.ALL)}, learner/….")
    if len(names) != len(modes(tuner)) or any(mode not in ("max", "min") for mode in modes(tuner)):
        raise ConfigError(f"tuner.mode={tuner['mode']}: expected max or min for each of tuner.metric={metric}.")
    if tuner["max_failures"] < 0:
        raise ConfigError(f"tuner.max_failures={tuner['max_failures']}: expected 0 or more.")


def _check_unchanged(base: dict[str, Any], configs: TrialConfigs) -> None:
    """Refuse to go on proposing trials from a conf/ that no longer says what it said when the sweep began."""
    ignored = (*CHANGEABLE, "paths", "tracking", "words", "choices")
    before = flatten({key: value for key, value in base.items() if key not in ignored})
    now = flatten({key: value for key, value in configs.config({}).items() if key not in ignored})
    changed = [f"{key}: saved {before.get(key)}, now {now.get(key)}" for key in {**before, **now}]
    changed = [line for line, key in zip(changed, {**before, **now}, strict=True) if before.get(key) != now.get(key)]
    if changed:
        raise ConfigError(
            f"conf/ has changed since this sweep began, and its next trials would not be of it: {'; '.join(changed)}."
        )
