"""One parquet file an episode, with the 110 columns that readers of the original's logs know."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from envs.assetto_corsa.geometry.derived import Derived
from envs.assetto_corsa.logs.columns import ACTION_COLUMNS, COMMAND_COLUMNS, TRUNCATED, log_schema
from envs.assetto_corsa.logs.log_head import LogHead
from envs.assetto_corsa.state_keys import STATE_KEYS, State
from envs.assetto_corsa.whole_files import flush, write_whole
from envs.errors import ConfigError

LAPS_FOLDER, STATIC_INFO = "laps", "static_info.json"
_SUFFIX = "_states.parquet"
_MS = 1000.0


class EpisodeLog:
    """Keep the rows of an episode and write them at its end, whichever end that is.

    Row 0 is the state that `reset` returned, then one row a step. Until `finish`, rows are only in memory: a process
    that is killed loses the episode it is in, and leaves no half of a file.

    Args:
        folder: of the run; files go to its folder `laps`, which is made.
        head: what all logs of this env say of themselves.
        extras: names of float columns after the 110, such as the optional channels of the observation.

    Raises:
        ConfigError: the folder cannot be made.
    """

    def __init__(self, folder: str | Path, head: LogHead, *, extras: Sequence[str] = ()) -> None:
        self.folder = Path(folder) / LAPS_FOLDER
        self.head, self.extras = head, tuple(extras)
        self._rows: list[tuple[State, Derived, tuple[float, ...], dict[str, Any], dict[str, float]]] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"Expected a folder for logs at {self.folder}: {error}.") from error

    @property
    def num_rows(self) -> int:
        """How many rows the episode has so far."""
        return len(self._rows)

    def write_static_info(self, info: Mapping[str, Any]) -> None:
        """Write `laps/static_info.json`, the game's reply about track and car; once a run is enough."""
        text = json.dumps(dict(info), indent=1, sort_keys=True) + "\n"
        write_whole(self.folder / STATIC_INFO, text.encode())

    def row(
        self,
        state: State,
        derived: Derived,
        *,
        command: npt.ArrayLike,
        action: npt.ArrayLike,
        reward: float,
        terminated: bool = False,
        truncated: bool = False,
        is_going_backwards: bool = False,
        timestamp_env_s: float | None = None,
        extras: Mapping[str, float] | None = None,
    ) -> None:
        """Add the state that a step, or the reset, led to.

        Args:
            state: the 90 keys as they came, `currentTime` in milliseconds.
            derived: channels of this state.
            command: `(3,)` joystick command u that led here: steer, throttle, brake in -1 … 1.
            action: `(3,)` action a that led here.
            reward: of the step.
            terminated: the task ended with it.
            truncated: it was ended with it.
            is_going_backwards: the env says so.
            timestamp_env_s: when the state was taken, on any clock that only goes on; now by default.
            extras: values of the extra columns.

        Raises:
            ValueError: the state lacks a key.
            KeyError: an extra column has no value.
        """
        if not state.keys() >= STATE_KEYS.keys():
            missing = [key for key in STATE_KEYS if key not in state]
            raise ValueError(f"Expected a state with all {len(STATE_KEYS)} keys, but {', '.join(missing)} are missing.")
        now = time.perf_counter() if timestamp_env_s is None else timestamp_env_s
        flags = {
            "done": int(terminated or truncated),
            "timestamp_env": now,
            "going_backwards": float(is_going_backwards),
            "terminated": bool(terminated),
            TRUNCATED: bool(truncated),
            "reward": float(reward),
        }
        controls = (*np.asarray(command, np.float64).tolist(), *np.asarray(action, np.float64).tolist())
        # Copied as they are: columns are made at the end, when nobody waits for the next action.
        further = {name: float((extras or {})[name]) for name in self.extras}
        self._rows.append((dict(state), derived, controls, flags, further))

    def finish(self, *, outcome: str = "ended") -> Path | None:
        """Write the episode and begin the next; return its file, None if it had no rows.

        Args:
            outcome: `ended`, or `aborted` where it was not driven to its end: kept all the same.
        """
        if not self._rows:
            return None
        rows, self._rows = [_columns(*row) for row in self._rows], []
        schema = log_schema(replace(self.head, outcome=outcome).as_metadata(), self.extras)
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
        return _write(pa.Table.from_arrays(columns, schema=schema), self.folder)


def _columns(
    state: State, derived: Derived, controls: tuple[float, ...], flags: dict[str, Any], extras: dict[str, float]
) -> dict[str, Any]:
    """Return a row by the names of columns."""
    named = dict(zip((*COMMAND_COLUMNS, *ACTION_COLUMNS), controls, strict=True))
    return state | {"currentTime": state["currentTime"] / _MS} | derived.columns() | named | flags | extras


def _write(table: pa.Table, folder: Path) -> Path:
    """Write a table under the time of day; a name that another env took in the same millisecond is left to it."""
    now = datetime.now()
    while True:
        name = now.strftime("%Y%m%d_%H%M%S.%f")[:-3] + _SUFFIX
        target, part = folder / name, folder / f".{name}.part"
        now += timedelta(milliseconds=1)
        try:
            part.touch(exist_ok=False)  # the name is ours while this file is there
        except FileExistsError:
            continue
        try:
            if target.exists():
                continue
            pq.write_table(table, part)
            flush(part)
            part.replace(target)
            return target
        finally:
            part.unlink(missing_ok=True)
