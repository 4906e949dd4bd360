"""What is known of a sweep's trials, in one file of its folder: what each was given, and what became of it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments import folders

TRIALS_FILE = "trials.json"

WAITING, RUNNING, FINISHED, STOPPED, FAILED = "waiting", "running", "finished", "stopped", "failed"
STATES = (WAITING, RUNNING, FINISHED, STOPPED, FAILED)


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        name: Its folder below `trials/`.
        assigned: The swept keys and their values.
        state: `waiting`, `running` (or interrupted), `finished` (it reached its limit), `stopped` (by the tuner, which
            saw better ones), or `failed`.
        reason: Why it was stopped or failed.
        objective: The newest value of the tuner's metric, or values of its metrics.
        frames: Environment frames at that moment.
        origin: What the proposer needs to know it again.
    """

    name: str
    assigned: dict[str, Any] = field(default_factory=dict)
    state: str = WAITING
    reason: str | None = None
    objective: Any = None
    frames: int = 0
    origin: Any = None

    @property
    def first_objective(self) -> float | None:
        """The newest value of the first metric."""
        return self.objective[0] if isinstance(self.objective, list) else self.objective

    def __str__(self) -> str:
        """Say which one it is."""
        return " ".join([self.name, *(f"{short_key(key)}={_short(value)}" for key, value in self.assigned.items())])


class TrialRecords:
    """The records of a sweep, in the order that its trials were made; `save` puts all that is known on the disk.

    Args:
        run_folder: Of the sweep.
    """

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / TRIALS_FILE
        self._records: dict[str, TrialRecord] = {}

    @classmethod
    def load(cls, run_folder: Path, is_sweep: bool) -> "TrialRecords":
        """Read the records of a run; one from before there was such a file has its only trial.

        Args:
            run_folder: Of the run.
            is_sweep: Whether it has a search space.

        Raises:
            ConfigError: The file is damaged, or a sweep has none.
        """
        records = cls(run_folder)
        if not records._path.exists():
            if is_sweep:
                raise ConfigError(
                    f"{run_folder} has no {TRIALS_FILE}: the sweep stopped while it was starting. Start it anew."
                )
            records._records["00000"] = TrialRecord("00000", state=RUNNING)
            return records
        try:
            rows = json.loads(records._path.read_text(encoding="utf-8"))
            for row in rows:
                records._records[row["name"]] = TrialRecord(**row)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{records._path} cannot be read ({error}); this run cannot go on.") from error
        return records

    def __iter__(self) -> Iterator[TrialRecord]:
        """Iterate in the order that trials were made."""
        return iter(self._records.values())

    def __len__(self) -> int:
        """Return how many trials there are so far."""
        return len(self._records)

    def __getitem__(self, name: str) -> TrialRecord:
        """Return the record of a trial by its name."""
        return self._records[name]

    def add(self, assigned: dict[str, Any], origin: Any = None) -> TrialRecord:
        """Make the record of a new trial; `save` writes it."""
        record = TrialRecord(f"{len(self):05}", dict(assigned), origin=origin)
        self._records[record.name] = record
        return record

    def in_state(self, *states: str) -> list[TrialRecord]:
        """Return the trials that are in one of these states."""
        return [record for record in self if record.state in states]

    def save(self) -> None:
        """Write all of them."""
        folders.write_json(self._path, [asdict(record) for record in self])


def short_key(key: str) -> str:
    """Return the last part of a key, which mostly says enough."""
    return key.rpartition(".")[2]


def short_value(value: float) -> str:
    """Return a metric's value as people read it, be it a return of 852, a rate of 0.95 or a loss of 0.0123."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
