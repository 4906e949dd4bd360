"""What a comparison knows of one trial, as plain data: where it came from, how it learned, how it drove."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """How a trial learned; all three are `(P,)`, the frames strictly rising.

    Attributes:
        frames: environment frames.
        returns: mean return of training's last episodes.
        wall_s: seconds since the trial began, NaN where nobody wrote them down.
    """

    frames: Array
    returns: Array
    wall_s: Array

    @property
    def is_empty(self) -> bool:
        """Whether the trial ended before its first episode did."""
        return not len(self.frames)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a trial's policy drove: its returns `(T,)` on the tracks `first_seed`, `first_seed + 1` and so on."""

    first_seed: int
    returns: Array

    @property
    def tracks(self) -> range:
        """The seeds of the tracks."""
        return range(self.first_seed, self.first_seed + len(self.returns))

    def on(self, tracks: range) -> Array:
        """Return the returns on these tracks, which must be among the driven ones."""
        return self.returns[tracks.start - self.first_seed : tracks.stop - self.first_seed]


@dataclass(frozen=True, eq=False)
class TrialResult:
    """One trial.

    Attributes:
        run_id: of its MLflow run.
        name: `00003`.
        state: `finished`, `running`, `stopped: REASON`, `failed: REASON`.
        tags: of the MLflow run; `env`, `model`, `algo`, `seed`, `commit` and others.
        params: the flattened config.
        assigned: the swept keys, with this trial's values as text.
        defaults: the flattened config of the sweep, before anything was swept.
        folder: of the trial, where it says so; it need not be on this machine.
        evaluation: None where nobody scored it.
        frames_per_s: of training, the last that was reported.
        has_changed: whether a population gave it other settings or weights on the way: `assigned` is how it began.
    """

    run_id: str
    name: str
    state: str
    tags: dict[str, str]
    params: dict[str, str]
    curve: Curve
    assigned: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    evaluation: Evaluation | None = None
    frames_per_s: float | None = None
    has_changed: bool = False

    def drove(self, tracks: range) -> bool:
        """Whether its policy was scored on all of these tracks."""
        own = self.evaluation.tracks if self.evaluation is not None else range(0)
        return bool(tracks) and own.start <= tracks.start and own.stop >= tracks.stop

    @property
    def has_failed(self) -> bool:
        """Whether it ended by an error."""
        return self.state.startswith("failed")

    @property
    def has_finished(self) -> bool:
        """Whether it trained for as long as it was meant to."""
        return self.state == "finished"

    @property
    def is_whole(self) -> bool:
        """Whether nothing cut it short, as far as it is known."""
        return self.has_finished or self.state == "running"

    @property
    def last_return(self) -> float | None:
        """The training return at its end."""
        return None if self.curve.is_empty else float(self.curve.returns[-1])

    @property
    def num_frames(self) -> float | None:
        """How many environment frames it trained for."""
        return None if self.curve.is_empty else float(self.curve.frames[-1])

    @property
    def wall_s(self) -> float | None:
        """How many seconds it trained for."""
        known = self.curve.wall_s[np.isfinite(self.curve.wall_s)]
        return float(known[-1]) if len(known) else None

    def value(self, key: str) -> str | None:
        """Return what the trial has for a swept key, a tag or a parameter; None if it has no such thing."""
        for place in (self.assigned, self.tags, self.params):
            if key in place:
                return place[key]
        return self.params.get(f"choices.{key}")

    def default(self, key: str) -> str | None:
        """Return what the trial would have for a key, had it not been swept."""
        return self.defaults.get(f"choices.{key}", self.defaults.get(key))
