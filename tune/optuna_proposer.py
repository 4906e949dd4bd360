"""Settings chosen by what came of earlier ones, for one metric or the Pareto front of several: Optuna's TPE."""

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from envs.errors import ConfigError
from tune.proposers import MOST_DRAWS, Assignment, Proposer, Search, need_space
from tune.records import FAILED, FINISHED, STOPPED, TrialRecord

_JOURNAL = "optuna.log"
_STUDY = "sweep"
_MOST_REFUSED = 10  # of one proposal, before it is drawn at random


class Optuna(Proposer):
    """Proposes by the tree-structured Parzen estimator, from a journal that a resume reads again.

    Args:
        num_random: Settings drawn before the first is chosen.
        search: As of any proposer.
    """

    finds_fronts = True

    def __init__(self, *, num_random: int, search: Search) -> None:
        super().__init__(search=search)
        if num_random < 1:
            raise ConfigError(f"tuner.proposer.num_random={num_random}: expected 1 or more.")
        self._num_proposed = len(search.known)
        self._study: optuna.Study | None = None
        if search.run_folder is not None:
            self._study = self._open(search.run_folder / _JOURNAL, num_random, search.modes)
            self._forget_all_but(search.known)
            for record in search.known:  # a crash may have come between a trial's end and Optuna's hearing of it
                if record.state in (FINISHED, STOPPED, FAILED):
                    self.observe(record)

    def check(self) -> None:
        """Refuse a space with a grid: which value comes next is what Optuna is for."""
        need_space(self._space, "optuna")
        if self._space.has_grid:
            raise ConfigError("tuner=optuna chooses every value itself: write choice: […] in place of grid: […].")

    @property
    def num_total(self) -> int:
        """As many as asked for."""
        return self._num_trials

    @property
    def is_exhausted(self) -> bool:
        """Whether all were proposed."""
        return self._num_proposed >= self._num_trials

    def propose(self) -> tuple[Assignment, Any]:
        """Ask Optuna, and tell it of those that the constraints refuse.

        Raises:
            ConfigError: They refused all it came up with.
        """
        assert self._study is not None
        tpe, dice = self._study.sampler, optuna.samplers.RandomSampler(seed=self._seed + self._num_proposed)
        for attempt in range(MOST_DRAWS):
            # It learns nothing of refusals: where returns rise towards what is forbidden, it would not leave off.
            self._study.sampler = tpe if attempt < _MOST_REFUSED else dice
            trial = self._study.ask()
            assigned = self._space.suggest(trial, {})
            self._study.sampler = tpe
            if self._is_allowed(assigned):
                self._num_proposed += 1
                return assigned, trial.number
            self._study.tell(trial, state=TrialState.FAIL)
        raise ConfigError(f"tuner.constraints refused {MOST_DRAWS} settings in a row that Optuna chose.")

    def observe(self, record: TrialRecord) -> None:
        """Tell Optuna the newest value, of a trial that was stopped early too."""
        assert self._study is not None
        if record.state not in (FINISHED, STOPPED) or record.objective is None:
            self._study.tell(record.origin, state=TrialState.FAIL, skip_if_finished=True)
            return
        asked = self._study.get_trials(deepcopy=False)[record.origin]
        if asked.state != TrialState.FAIL:
            self._study.tell(record.origin, record.objective, skip_if_finished=True)
            return
        # It had failed before a resume, and Optuna changes no trial that has ended: this is another with its values.
        if any(trial.user_attrs.get("again") == record.origin for trial in self._study.get_trials(deepcopy=False)):
            return
        values = record.objective if isinstance(record.objective, list) else [record.objective]
        again = optuna.trial.create_trial(
            params=asked.params, distributions=asked.distributions, values=values, user_attrs={"again": record.origin}
        )
        self._study.add_trial(again)

    def _open(self, path: Path, num_random: int, modes: list[str]) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # A lock by opening a file: the one by links is not for every system.
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=num_random,
                seed=self._seed + self._num_proposed,  # after a resume: not the same draws again
                constant_liar=True,  # trials that still run count as bad, so that those beside them look elsewhere
            )
        return optuna.create_study(
            study_name=_STUDY,
            storage=storage,
            sampler=sampler,
            directions=["maximize" if mode == "max" else "minimize" for mode in modes],
            load_if_exists=True,
        )

    def _forget_all_but(self, known: list[TrialRecord]) -> None:
        """Give up what was asked for in the moment of a crash, before there was a record of it."""
        assert self._study is not None
        origins = {record.origin for record in known}
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.number not in origins:
                self._study.tell(trial.number, state=TrialState.FAIL)
