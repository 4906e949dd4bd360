"""Episodes that were recorded: logs of ours, policy logs of the original, laps of people. Parquet only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from envs.assetto_corsa.actions import rate_limits, relative_action
from envs.assetto_corsa.cars import CarControls
from envs.assetto_corsa.logs.columns import ACTION_COLUMNS, COMMAND_COLUMNS
from envs.assetto_corsa.logs.feedback import commands_of_feedback
from envs.assetto_corsa.logs.log_head import LogHead
from envs.assetto_corsa.preflight import STATE_RATE_HZ
from envs.errors import ConfigError
from envs.track.frames import FloatArray

# What observation, geometry and actions are made from; people's laps have no more than these and a few others.
NEEDED_COLUMNS = (
    *("speed", "world_position_x", "world_position_y", "yaw", "NormalizedSplinePosition", "numberOfTyresOut"),
    *("LastFF", "RPM", "accelX", "accelY", "actualGear", "angular_velocity_y", "local_velocity_x", "local_velocity_y"),
    *("SlipAngle_fl", "SlipAngle_fr", "SlipAngle_rl", "SlipAngle_rr", "steerAngle", "accStatus", "brakeStatus"),
)
MAX_ROWS = 1_000_000  # 11 hours
CHANNELS = ("steer", "throttle", "brake")
_PICKLE, _PARQUET = b"\x80", b"PAR1"
_SAME = 1e-6  # of commands that were computed twice
_LEAST_MPS = 5.0  # below, the way between two rows says little about their distance in time


@dataclass(frozen=True)
class RecordedLap:
    """One episode, or one lap of a person.

    Attributes:
        path: of its file.
        head: what our own logs say of themselves; None of others.
        columns: the file's, by name; lists as `(N, K)`.
        commands: `(N, 3)` of the joystick; row t led to row t.
        actions: `(N, 3)` relative actions; row t led to row t.
        has_recorded_actions: they were recorded, not computed from wheel and pedals.
        clipped: by channel, the share of rows whose command moved faster than relative actions can.
        rate_hz: rows a second, from ways and speeds, whatever unit the file's clock has; None of a car that stands.
    """

    path: Path
    head: LogHead | None
    columns: dict[str, npt.NDArray[Any]]
    commands: FloatArray
    actions: FloatArray
    has_recorded_actions: bool
    clipped: dict[str, float]
    rate_hz: float | None

    @property
    def num_rows(self) -> int:
        """How many states there are."""
        return len(self.commands)

    def state(self, row: int) -> dict[str, Any]:
        """Return the columns of a row by name, and what people's laps lack: a clock, and laps by the game."""
        lacking = {"timestamp_ac": row / STATE_RATE_HZ, "LapInvalidated": 0, "iLastTime": 0}
        return lacking | {name: values[row].tolist() for name, values in self.columns.items()}


def read_laps(folder: str | Path, car: CarControls) -> list[RecordedLap]:
    """Return all parquet files of a folder, or one file, in the order of their names.

    Raises:
        ConfigError: there are none, or one cannot be read; pickles are refused.
    """
    path = Path(folder)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        pickles = len(list(path.glob("*.pkl")))
        beside = (
            f" There are {pickles} pickles: reading one may run what it contains, so they are refused."
            if pickles
            else ""
        )
        raise ConfigError(f"Expected parquet files of laps in {path}, and there are none.{beside}")
    return [read_lap(file, car) for file in files]


def read_lap(path: str | Path, car: CarControls) -> RecordedLap:
    """Return one file.

    Actions are taken as they were recorded. Where only wheel and pedals are known, commands are
    `[steerAngle / scale, 2 accStatus - 1, 2 brakeStatus^(1/2.4) - 1]`, clipped at the car's range, and actions what
    leads from each to the next; the first is taken to have been held before.

    Args:
        path: a parquet file.
        car: whose steering the wheel's angles are of.

    Raises:
        ConfigError: it is no parquet, lacks columns or rows, or has numbers that are not finite.
    """
    file = Path(path)
    table = _table(file)
    columns = {name: _column(file, name, table.column(name)) for name in table.column_names if _is_number(table, name)}
    missing = [name for name in NEEDED_COLUMNS if name not in columns]
    if missing:
        raise ConfigError(f"Expected columns of numbers {', '.join(missing)} in {file}: they are not there.")
    try:
        head = LogHead.from_metadata(table.schema.metadata)
    except ValueError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    limits = rate_limits(car)
    commands = _recorded(columns, COMMAND_COLUMNS)
    is_recorded = commands is not None
    if commands is None:
        commands = commands_of_feedback(columns["steerAngle"], columns["accStatus"], columns["brakeStatus"], car)
    before = np.concatenate([commands[:1], commands[:-1]])
    wanted = np.abs(commands - before) / limits
    actions = relative_action(before, commands, limits)
    told = _recorded(columns, ACTION_COLUMNS) if is_recorded else None
    if told is not None and _leads(told, before, commands, limits, car):
        actions = told
    return RecordedLap(
        path=file,
        head=head,
        columns=columns,
        commands=commands,
        actions=actions,
        has_recorded_actions=is_recorded,
        clipped=dict(zip(CHANNELS, (wanted > 1.0 + _SAME).mean(axis=0).tolist(), strict=True)),
        rate_hz=_rate_hz(columns),
    )


def _table(file: Path) -> pa.Table:
    try:
        with file.open("rb") as data:
            start = data.read(4)
    except OSError as error:
        raise ConfigError(f"Expected a parquet file of a lap at {file}: {error}.") from error
    if file.suffix in (".pkl", ".pickle") or start[:1] == _PICKLE:
        raise ConfigError(
            f"{file} is a pickle: reading one may run what it contains, so it is refused. Convert it where you trust "
            'it, with pandas: DataFrame(pickle.load(file)["states"]).to_parquet(…).'
        )
    if start != _PARQUET:
        raise ConfigError(f"Expected a parquet file of a lap, got {file}, which begins with {start!r}.")
    try:
        count = pq.read_metadata(file).num_rows
        table = pq.read_table(file) if count <= MAX_ROWS else None
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{file} is a broken parquet file: {error}.") from error
    if table is None or count < 2:
        raise ConfigError(
            f"Expected 2 … {MAX_ROWS} rows in {file}, got {count}: one episode, in which actions lead on."
        )
    return table


def _is_number(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _column(file: Path, name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    try:
        if pa.types.is_nested(column.type):
            values = np.array(column.to_pylist(), np.float64)
        else:
            values = np.asarray(column.to_numpy())
    except (ValueError, TypeError) as error:
        raise ConfigError(f"Expected lists of one length as {name} in {file}: {error}.") from error
    broken = np.argwhere(~np.isfinite(values.astype(np.float64)))
    if len(broken) and name in (*NEEDED_COLUMNS, *COMMAND_COLUMNS, *ACTION_COLUMNS, "reward"):
        raise ConfigError(
            f"Expected finite numbers as {name} in {file}, got {values[tuple(broken[0])]} at row {broken[0][0]}."
        )
    return values


def _recorded(columns: dict[str, npt.NDArray[Any]], names: tuple[str, ...]) -> FloatArray | None:
    if not all(name in columns for name in names):
        return None
    return np.column_stack([columns[name] for name in names]).astype(np.float64)


def _leads(actions: FloatArray, before: FloatArray, commands: FloatArray, limits: FloatArray, car: CarControls) -> bool:
    """Return whether these are the relative actions that lead from each command to the next."""
    high = np.array([car.norm, 1.0, 1.0])
    reached = np.clip(before + actions * limits, -high, high)
    return bool(np.abs(reached - commands)[1:].max() < _SAME)


def _rate_hz(columns: dict[str, npt.NDArray[Any]]) -> float | None:
    ways = np.hypot(np.diff(columns["world_position_x"]), np.diff(columns["world_position_y"]))
    speeds = 0.5 * (columns["speed"][1:] + columns["speed"][:-1])
    moving = (speeds > _LEAST_MPS) & (ways > 0.0)
    return float(1.0 / np.median(ways[moving] / speeds[moving])) if moving.any() else None
