"""Steps of real time in rtgym's order: send, wait for the capture's time, capture, wait for the step's end.

Source: order and clock of rtgym 0.16 (Bouteiller), as measured; there time-outs are only warned of, here counted.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from envs.remote.clock import RealTimeClock
from envs.trackmania import timings
from envs.trackmania.real_time import GameTime
from envs.trackmania.timings import Timings
from envs.trackmania.workers import InlineWorker, ThreadWorker, Worker

_GRACE_S = 1.0  # beyond a step, after which it hangs
_MOST_S = 3600.0


class RealTimeInterface(Protocol):
    """What a game is to the steps; rtgym's names, so that an interface written for it runs here."""

    def get_observation_space(self) -> spaces.Tuple:
        """Return the space of observations, without the history of actions."""

    def get_action_space(self) -> spaces.Space[Any]:
        """Return the space of actions."""

    def get_default_action(self) -> Any:
        """Return what is sent while nobody acts."""

    def send_control(self, control: Any) -> None:
        """Send an action."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; return the observation and info."""

    def get_obs_rew_terminated_info(self) -> tuple[Any, float, bool, dict[str, Any]]:
        """Return what is the case now: observation, reward, whether the task ended, info."""

    def wait(self) -> None:
        """Let the game be where nothing happens, until the next reset."""


@dataclass(frozen=True)
class Captured:
    """What was captured in a step.

    Attributes:
        observation: without the history of actions.
        reward: of the step.
        terminated: whether the task ended.
        info: of the interface, and `dt_s`, `overrun`, `overruns_total` of the clock.
    """

    observation: Any
    reward: float = 0.0
    terminated: bool = False
    info: dict[str, Any] = field(default_factory=dict)


class Stepper:
    """Run steps of an interface, one at a time.

    Args:
        interface: the game.
        time: its clock.
        step_s: length of a step.
        capture_s: after a step's begin.
        elasticity: lateness that is made up for, in steps.
        timings: where durations are noted.

    Attributes:
        capture_s: as above; may be changed between steps.
        clock: counts steps and overruns; its `step_s` may be changed between steps.
    """

    def __init__(
        self,
        interface: RealTimeInterface,
        time: GameTime,
        *,
        step_s: float,
        capture_s: float,
        elasticity: float,
        timings: Timings,
    ) -> None:
        self._interface, self._time, self._timings = interface, time, timings
        self.capture_s = capture_s
        self.clock = RealTimeClock(step_s, elasticity=elasticity, now=time.now, sleep=time.sleep)
        self._worker: Worker = ThreadWorker() if time.is_real else InlineWorker()
        self._captured: Captured | None = None
        self._captured_s: float | None = None
        self._is_first = True
        self._overruns = 0

    def begin(self) -> None:
        """Let time begin anew with the next step: after a reset, which is nobody's lateness."""
        self._is_first = True
        self._captured_s = None

    def start(self, action: Any) -> None:
        """Start a step that sends `action`."""
        self._captured = None
        self._worker.start(lambda: self._begin_step(action), self._finish_step)

    def join(self) -> Captured | None:
        """Wait for the running step's end and return what was captured; None if no step runs.

        Raises:
            SimulatorUnavailable: the step hangs.
            Exception: whatever the interface raised.
        """
        began = self._time.now()
        due = self.clock.due_s
        left = max(due - began, 0.0) if due is not None else 0.0
        self._worker.join(min(left + self.clock.step_s + _GRACE_S, _MOST_S))
        self._timings.add(timings.JOIN, self._time.now() - began)
        captured, self._captured = self._captured, None
        return captured

    def close(self) -> None:
        """End; a second call does nothing."""
        self._worker.close()

    def _begin_step(self, action: Any) -> None:
        began = self._time.now()
        self._interface.send_control(action)
        self._timings.add(timings.SEND, self._time.now() - began)
        if self._is_first:
            self.clock.begin()
            self._is_first = False
        else:
            self.clock.wait()
        assert self.clock.due_s is not None
        self._began_s = self.clock.due_s - self.clock.step_s

    def _finish_step(self) -> None:
        time = self._time
        time.sleep(self._began_s + self.capture_s - time.now())
        began = time.now()
        observation, reward, terminated, info = self._interface.get_obs_rew_terminated_info()
        now = time.now()
        self._timings.add(timings.CAPTURE, now - began)
        dt_s = self.clock.step_s if self._captured_s is None else began - self._captured_s
        self._captured_s = began
        overruns = self.clock.overruns
        told = {"dt_s": dt_s, "overrun": overruns > self._overruns, "overruns_total": overruns}
        self._overruns = overruns
        self._captured = Captured(observation, float(reward), bool(np.all(terminated)), {**info, **told})
        time.sleep(self._began_s + self.clock.step_s - time.now())
        self._timings.add(timings.TIME_STEP, time.now() - self._began_s)
