"""The vector of assetto_corsa_gym, 125 numbers in its order and scale, and what can be left out or put on.

Source: dasGringuen/assetto_corsa_gym, commit ef0fa50, observation and scales; here float32, as its space declares. The
"previous actions" are what the game says of pedals and wheel, not what was commanded, unless asked otherwise.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.geometry.derived import Derived
from envs.assetto_corsa.look import STEER_DEG
from envs.assetto_corsa.state_keys import State
from envs.errors import ConfigError
from envs.track.frames import FloatArray

DEPTH = 3  # states before this one, in the history
TASKS = tuple(
    (track, "dallara_f317")
    for track in ("ks_barcelona-layout_gp", "ks_red_bull_ring-layout_gp", "monza", "indianapolis_sp")
)
GAP = "gap"
_TELEMETRY: tuple[tuple[str, float], ...] = (
    *(("speed", 80.0), (GAP, 10.0), ("LastFF", 1.0), ("RPM", 10000.0), ("accelX", 5.0), ("accelY", 5.0)),
    *(("actualGear", 8.0), ("angular_velocity_y", float(np.pi))),
    *(("local_velocity_x", 80.0), ("local_velocity_y", 20.0)),
    *((f"SlipAngle_{wheel}", 25.0) for wheel in ("fl", "fr", "rl", "rr")),
)
_RAY_M, _CURVATURE, _SPEED_MPS = 200.0, 0.1, 80.0
_NUM_RAYS, _NUM_AHEAD = 11, 12


@dataclass(frozen=True, kw_only=True)
class VectorSettings:
    """What the vector holds.

    Attributes:
        has_line: gap and curvature ahead, which need the racing line.
        has_history: three earlier states (125 numbers, else 50).
        has_target_speed: the line's target speeds ahead, 12 numbers at the end, in 80 m/s.
        has_own_commands: instead of what the game says of pedals and wheel, what was commanded.
        task: which of how many tasks this is, as 0 and 1 at the very end; None without.
    """

    has_line: bool = True
    has_history: bool = True
    has_target_speed: bool = False
    has_own_commands: bool = False
    task: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """What each number is."""
        basic = self._basic_names
        ahead = tuple(f"curvature_{25 * index}m" for index in range(_NUM_AHEAD)) if self.has_line else ()
        controls = ("steer", "throttle", "brake")
        names = [*basic, *ahead]
        names += [f"{name}[t-{back}]" for name in controls for back in range(DEPTH, 0, -1)]
        names += controls
        if self.has_history:
            names += [f"{name}[t-{back}]" for back in range(DEPTH, 0, -1) for name in basic[:-1]]
        if self.has_target_speed:
            names += [f"target_speed_{25 * index}m" for index in range(_NUM_AHEAD)]
        if self.task is not None:
            names += [f"task_{index}" for index in range(self.task[1])]
        return tuple(names)

    @property
    def _basic_names(self) -> tuple[str, ...]:
        telemetry = tuple(name for name, _ in _TELEMETRY if self.has_line or name != GAP)
        return (*telemetry, *(f"ray_{index}" for index in range(_NUM_RAYS)), "off_track")


def task_index(track: str, car: str, tasks: Sequence[tuple[str, str]] = TASKS) -> tuple[int, int]:
    """Return which of the tasks a track and a car are, and how many there are.

    Raises:
        ConfigError: they are none of them.
    """
    known = [(str(one), str(other)) for one, other in tasks]
    if (track, car) not in known:
        shown = "; ".join(f"{one} with {other}" for one, other in known)
        raise ConfigError(f"Expected {track} with {car} to be one of the tasks (env.tasks): {shown}.")
    return known.index((track, car)), len(known)


class AcgymVector:
    """Make vectors of one car's episode, state after state.

    Args:
        settings: see `VectorSettings`.
    """

    def __init__(self, settings: VectorSettings) -> None:
        self.settings = settings
        self._telemetry = [(name, scale) for name, scale in _TELEMETRY if settings.has_line or name != GAP]
        self._past: deque[FloatArray] = deque(maxlen=DEPTH)
        self._past_controls: deque[FloatArray] = deque(maxlen=DEPTH)
        self._now: tuple[FloatArray, FloatArray] | None = None

    def reset(self) -> None:
        """Begin an episode: nothing lies behind."""
        self._past.clear()
        self._past_controls.clear()
        self._now = None

    @property
    def has_history(self) -> bool:
        """Whether three states lie behind the newest."""
        return len(self._past) == DEPTH

    def of(
        self,
        state: State,
        derived: Derived,
        curvature_ahead: FloatArray,
        commands: FloatArray,
        target_speed_ahead: FloatArray | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the vector of the next state, `(size,)` float32; earlier ones are zeros until there are three.

        Args:
            state: as the plugin told it.
            derived: from it.
            curvature_ahead: `(12,)` per metre.
            commands: `(3,)` of the joystick, that led here.
            target_speed_ahead: `(12,)` m/s, if they are part of the vector.
        """
        if self._now is not None:
            self._past.append(self._now[0])
            self._past_controls.append(self._now[1])
        basic, controls = self._basic(state, derived), self._controls(state, commands)
        self._now = basic, controls
        settings = self.settings
        past_controls = np.stack(self._past_controls) if self.has_history else np.zeros((DEPTH, 3))
        parts = [basic, np.array([float(derived.is_off_track)])]
        if settings.has_line:
            parts.append(np.asarray(curvature_ahead) / _CURVATURE)
        parts += [past_controls.T.ravel(), controls]
        if settings.has_history:
            parts += list(self._past) if self.has_history else [np.zeros(DEPTH * len(basic))]
        if settings.has_target_speed:
            assert target_speed_ahead is not None
            parts.append(target_speed_ahead / _SPEED_MPS)
        if settings.task is not None:
            parts.append(np.eye(settings.task[1])[settings.task[0]])
        return np.concatenate(parts).astype(np.float32)

    def _basic(self, state: State, derived: Derived) -> FloatArray:
        telemetry = [(derived.gap_m if name == GAP else state[name]) / scale for name, scale in self._telemetry]
        return np.concatenate([telemetry, derived.sensors_m / _RAY_M])

    def _controls(self, state: State, commands: FloatArray) -> FloatArray:
        if self.settings.has_own_commands:
            return np.array(commands, np.float64)
        return np.array([state["steerAngle"] / STEER_DEG, state["accStatus"], state["brakeStatus"]])
