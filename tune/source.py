"""Where Ray Tune takes its trials from: those of before a resume that have not ended, then what a proposer proposes."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.tune.search
from ray.tune.experiment import Experiment
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser

from envs.errors import ConfigError
from tune.records import TrialRecord
from tune.sweep_trials import SweepTrials

logger = logging.getLogger(__name__)

# Tune's ids end in the trial's name, which is its folder's.
TRIAL_ID_PREFIX = "trial_"


class TrialSource(ray.tune.search.SearchAlgorithm):
    """Hands trials to Tune under their own names, no more at once than there is room for.

    Args:
        waiting: Trials that are to be trained, first to last.
        trials: Makes configs and new trials.
        say: Where to tell the user of a trial that cannot start.
        num_concurrent: Trials that may be alive at once.
        stop_request: The file that asks to stop: then there are no more trials.
        room: Says how many trials have room now, where that may become more than `num_concurrent`.
    """

    def __init__(
        self,
        *,
        waiting: list[TrialRecord],
        trials: SweepTrials,
        say: Callable[[str], None],
        num_concurrent: int,
        stop_request: Path,
        room: Callable[[], int] | None = None,
    ) -> None:
        self._waiting, self._trials, self._say = list(waiting), trials, say
        self._num_concurrent, self._stop_request, self._room = num_concurrent, stop_request, room
        self._alive: set[str] = set()
        self._spec: dict[str, Any] = {}
        self._parser = _make_parser()

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind when Tune pickles it: a resume reads the records."""
        return {}

    def add_configurations(self, experiments: Experiment | list[Experiment] | dict[str, Any]) -> None:
        """Take over what all trials share: the trainable, storage, checkpointing, retries."""
        assert isinstance(experiments, list)
        self._spec = experiments[0].spec

    def next_trial(self) -> Any:
        """Return the next trial, or None where there is no room or nothing to propose yet."""
        while not self.is_finished() and len(self._alive) < self._most():
            record = self._next_record()
            if record is None:
                return None
            try:
                config = self._trials.config(record)
            except Exception as error:  # the others go on
                logger.exception("Trial %s cannot start.", record.name)
                self._trials.refuse(record, error)
                self._say(f"Trial {record} cannot start: {error}")
                continue
            self._alive.add(record.name)
            return _create_trial_from_spec(
                self._spec | {"config": config},
                self._parser,
                trial_id=f"{TRIAL_ID_PREFIX}{record.name}",
                experiment_tag=record.name,
            )
        return None

    def _most(self) -> int:
        """Return how many trials may be alive now."""
        return self._num_concurrent if self._room is None else max(self._num_concurrent, self._room())

    def _next_record(self) -> TrialRecord | None:
        if self._waiting:
            return self._waiting.pop(0)
        try:
            return self._trials.propose()
        except ConfigError as error:  # nothing that it would propose is allowed
            self._say(str(error))
            self.set_finished()
            return None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make room."""
        self._alive.discard(trial_id.removeprefix(TRIAL_ID_PREFIX))

    def is_finished(self) -> bool:
        """Return whether there are no more trials."""
        if self._finished or self._stop_request.exists():
            return True
        return not self._waiting and self._trials.is_exhausted

    def set_finished(self) -> None:
        """Hand out no more."""
        self._finished = True
