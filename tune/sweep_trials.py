"""The trials of a sweep that goes on: their configs on disk, new ones as they are proposed, which are to be trained."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import folders
from experiments.checks import check_run
from experiments.runs import read_config, write_config
from tune.preparation import Preparation, make_proposer, trial_config
from tune.records import FAILED, FINISHED, STOPPED, TrialRecord, TrialRecords
from tune.resume import saved_config


class SweepTrials:
    """Knows what every trial is given.

    Args:
        preparation: The sweep.
        run_folder: Where it is.
        records: Of its trials.
        given: What every trial's config has beside a run's: `run_folder`, `started_at`, `commit`, `host`.
    """

    def __init__(
        self, preparation: Preparation, run_folder: Path, records: TrialRecords, given: Mapping[str, Any]
    ) -> None:
        self._preparation, self._folder, self._records, self._given = preparation, run_folder, records, given
        self._proposer = make_proposer(
            preparation.base, preparation.space, preparation.configs, run_folder=run_folder, known=list(records)
        )

    def config(self, record: TrialRecord) -> dict[str, Any]:
        """Return what `experiments.trial.Trial` is given.

        Raises:
            ConfigError: It cannot work (any more).
        """
        config = saved_config(self._preparation.base, self._folder, record)
        plan, _ = check_run(config, self._preparation.machine, self._preparation.slots.share)
        return config | {"assigned": record.assigned, "plan": asdict(plan), **self._given}

    def propose(self) -> TrialRecord:
        """Make a new trial."""
        assigned, origin = self._proposer.propose()
        config = trial_config(self._preparation.base, self._preparation.configs, assigned)
        record = self._records.add(assigned, origin)
        _write(self._folder, record, config)
        self._records.save()
        return record

    @property
    def is_exhausted(self) -> bool:
        """Whether all trials were made."""
        return self._proposer.is_exhausted

    def observe(self, record: TrialRecord) -> None:
        """Let the proposer know what became of a trial."""
        self._proposer.observe(record)

    def refuse(self, record: TrialRecord, error: Exception) -> None:
        """Write down that a trial cannot start."""
        record.state, record.reason = FAILED, f"{type(error).__name__}: {error}"
        self._records.save()
        self.observe(record)

    def to_train(self) -> list[TrialRecord]:
        """Return the trials that are to be trained, in their order.

        Those that failed are tried again. Those that finished go on where the run may now go on for longer; and a run's
        only trial does so always, which ends it at once if nothing changed.
        """
        return trials_to_train(self._preparation, self._folder, self._records)


def trials_to_train(preparation: Preparation, run_folder: Path, records: TrialRecords) -> list[TrialRecord]:
    """See `SweepTrials.to_train`."""

    def has_ended(record: TrialRecord) -> bool:
        if record.state == STOPPED:
            return True
        if record.state != FINISHED or not preparation.is_sweep:
            return False
        saved = read_config(run_folder / folders.TRIALS / record.name)["stop"]
        return bool(saved == saved_config(preparation.base, run_folder, record)["stop"])

    return [record for record in records if not has_ended(record)]


def create_trials(preparation: Preparation, run_folder: Path) -> TrialRecords:
    """Write the records and configs of those trials of a new sweep that are known, and return the records."""
    records = TrialRecords(run_folder)
    (run_folder / folders.TRIALS).mkdir()
    for assigned in preparation.assignments:
        record = records.add(assigned)
        _write(run_folder, record, trial_config(preparation.base, preparation.configs, assigned))
    records.save()
    return records


def _write(run_folder: Path, record: TrialRecord, config: dict[str, Any]) -> None:
    folder = run_folder / folders.TRIALS / record.name
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
