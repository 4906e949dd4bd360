"""The profile of a run (`profile=true`): what it splits its time into, the hottest functions, and flame graphs."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any

from experiments.profiling.calls import CallProfile
from experiments.profiling.operators import OperatorProfile
from experiments.profiling.text import MEANING, describe_burden, describe_functions, describe_operators, describe_split
from experiments.racing_algorithm import RacingAlgorithm

logger = logging.getLogger(__name__)

TEXT = "profile.txt"
LEARNER = "learner"
NUM_FUNCTIONS = 15
_NUM_OPERATORS = 12
_MAX_UPDATES = 20  # whose operators are recorded
_SPLIT_S = 20.0  # of training that nothing slows down, for the split and the rates
_LONGEST_S = 180.0  # of sampling calls: 45,000 samples a process
_RUNNER_DEADLINE_S = 30.0


class _Stage(Enum):
    WARM_UP = auto()  # ends with the first period that made an update: everything is imported and compiled
    SPLIT = auto()
    OPERATORS = auto()  # one period
    CALLS = auto()
    DONE = auto()


class TrainingProfile:
    """Profiles a trial's learner and its env runners, and writes into a folder what was found.

    A run is cut into periods, from one report to the next. Those up to the first update are warm-up. Then come some in
    which only the timers run, so that the split and the rates are those of any run; one for torch's operators; and
    at last those in which calls are sampled. Recording either slows training down.

    Args:
        folder: Where the files go.
        algorithm: What is trained.
        split_s: Training time that the split is taken from, at least.
        max_s: Training time in which calls are sampled, at most; it then goes on without.
    """

    def __init__(
        self, folder: Path, algorithm: RacingAlgorithm, split_s: float = _SPLIT_S, max_s: float = _LONGEST_S
    ) -> None:
        self._folder, self._algorithm, self._split_s, self._max_s = folder, algorithm, split_s, max_s
        self._stage = _Stage.WARM_UP
        self._calls = CallProfile(LEARNER)
        self._operators = OperatorProfile(algorithm.learner.optimizer, _MAX_UPDATES)
        self._seconds = dict.fromkeys(MEANING, 0.0)
        self._split = ""
        self._sampled_s = 0.0
        self._remember()

    @contextmanager
    def period(self) -> Iterator[None]:
        """Profile the training that happens in here."""
        if self._stage is _Stage.OPERATORS:
            with self._operators:
                yield
        elif self._stage is _Stage.CALLS:
            self._calls.start()
            try:
                yield
            finally:
                self._calls.stop()
        else:
            yield

    def end_period(self, report: dict[str, float], is_last: bool) -> list[str]:
        """Count what the report of a period says, and go on to what the next one is for.

        Returns:
            What the user should hear: once, when everything has been written.
        """
        seconds = {name: report[name] for name in MEANING}
        if self._stage is _Stage.CALLS:
            self._sampled_s += sum(seconds.values())
            if is_last or self._sampled_s >= self._max_s:
                self._stage = _Stage.DONE
                return self._try_write()
        elif is_last and self._stage is not _Stage.DONE:
            return [
                f"There is no profile: the run ended before calls were sampled, which begins {self._split_s:.0f} s of "
                "training and two reports after the first update. Give it a later stop."
            ]
        elif self._stage is _Stage.OPERATORS:
            self._stage = _Stage.CALLS
            self._for_all_runners(lambda runner: runner.start_profile())
            self._remember()
        elif self._stage is _Stage.SPLIT:
            self._seconds = {name: self._seconds[name] + seconds[name] for name in seconds}
            if sum(self._seconds.values()) >= self._split_s:
                self._stage = _Stage.OPERATORS
                self._split = self._describe_split()
        elif self._stage is _Stage.WARM_UP and self._algorithm.updates > self._updates_before:
            self._stage = _Stage.SPLIT
            self._remember()
        return []

    def _remember(self) -> None:
        """Remember where a stage begins."""
        self._began, self._frames_before = time.perf_counter(), self._algorithm.frames
        self._updates_before = self._algorithm.updates

    def _describe_split(self) -> str:
        return describe_split(
            self._seconds,
            wall_s=time.perf_counter() - self._began,
            frames=self._algorithm.frames - self._frames_before,
            updates=self._algorithm.updates - self._updates_before,
        )

    def _for_all_runners(self, action: Callable[[Any], Any]) -> list[Any]:
        """Return what the action gives of each runner that answers in time."""
        return self._algorithm.env_runner_group.foreach_env_runner(
            action, local_env_runner=False, timeout_seconds=_RUNNER_DEADLINE_S
        )

    def _try_write(self) -> list[str]:
        """Write; a disk that is full must not end the training."""
        try:
            return self._write()
        except OSError as error:
            logger.exception("No profile.")
            return [f"The profile could not be written to {self._folder} ({error})."]

    def _write(self) -> list[str]:
        """Write all files, and return what the user should hear."""
        learner = self._calls.result(NUM_FUNCTIONS)
        runners = self._for_all_runners(lambda runner: runner.take_profile(NUM_FUNCTIONS))
        found = [learner, *(runner for runner in runners if runner is not None)]
        self._folder.mkdir(exist_ok=True)
        for process in found:
            (self._folder / f"{process.process}.html").write_text(process.page, encoding="utf-8")
        operators = describe_operators(self._operators.hottest(_NUM_OPERATORS), self._operators.updates)
        burden = describe_burden(self._sampled_s, self._algorithm.frames - self._frames_before)
        sections = [self._split, burden, *(describe_functions(process) for process in found[:2]), operators]
        (self._folder / TEXT).write_text("\n\n".join(sections) + "\n", encoding="utf-8")
        logger.info("Wrote the profile %s.", self._folder)
        pages = ", ".join(f"{process.process}.html" for process in found)
        paths = f"  hottest functions: {self._folder / TEXT}\n  flame graphs, for a browser: {pages} beside it"
        notes = [f"{self._split}\n{paths}"]
        missing = self._algorithm.config.num_env_runners - (len(found) - 1)
        if missing:
            notes.append(
                f"{missing} of {self._algorithm.config.num_env_runners} env runners gave no profile: they were "
                f"restarted meanwhile, or did not answer within {_RUNNER_DEADLINE_S:.0f} s."
            )
        return notes
