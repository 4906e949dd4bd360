"""A Gymnasium env over a game in real time, with rtgym's order of events, its names and its observation tuples."""

import logging
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs.arguments import check_range
from envs.contract import FAULT, LINK_SKIPPED
from envs.errors import SimulatorUnavailable
from envs.trackmania import timings
from envs.trackmania.action_buffer import ActionBuffer, check_action
from envs.trackmania.real_time import GameTime, RealTime
from envs.trackmania.real_time_settings import RealTimeSettings
from envs.trackmania.reward_progress import LINK_LOST, TIME_LIMIT
from envs.trackmania.step_info import END_CAUSE, INPUTS
from envs.trackmania.stepping import Captured, RealTimeInterface, Stepper
from envs.trackmania.timings import Timings

log = logging.getLogger(__name__)


class EpisodeOver(ResetNeeded, RuntimeError):  # noqa: N818 (it is what is the case)
    """A step after an episode's end; a RuntimeError too, as rtgym raises."""


class RealTimeEnv(gym.Env[Any, Any]):
    """Drive an interface in real time: while one step runs, the policy thinks about what the last one captured.

    A link that is lost (`SimulatorUnavailable`) ends the episode as truncated, with the last observation and the reason
    in `info["fault"]`; lost after an episode's last capture, it only adds the reason. Everything else that an interface
    raises reaches the caller.

    Args:
        interface: the game; any class written for rtgym fits.
        settings: see `RealTimeSettings`.
        time: the game's clock.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self, interface: RealTimeInterface, settings: RealTimeSettings | None = None, time: GameTime | None = None
    ) -> None:
        self.interface, self.settings = interface, settings or RealTimeSettings()
        self._time: GameTime = time or RealTime()
        self.timings = Timings()
        self.stepper = Stepper(
            interface,
            self._time,
            step_s=self.settings.time_step_duration,
            capture_s=self.settings.start_obs_capture,
            elasticity=self.settings.time_step_timeout_factor,
            timings=self.timings,
        )
        self.default_action: Any = interface.get_default_action()
        self.action_space = interface.get_action_space()
        history = self.settings.act_buf_len if self.settings.act_in_obs else 0
        elements = interface.get_observation_space().spaces
        self.observation_space = spaces.Tuple((*elements, *([self.action_space] * history)))
        self._buffer = ActionBuffer(self.action_space, history, self.default_action)
        self._last_action = self.default_action
        self._last: Any = None
        self._steps = 0
        self._is_running = False
        self._returned_s: float | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            SimulatorUnavailable: the game does not answer.
        """
        super().reset(seed=seed)
        self._is_running = False
        self._drop_running_step()
        if self.settings.reset_act_buf:
            self._buffer.fill(self.default_action)
        elements, info = self.interface.reset(seed=seed, options=options)
        self._last, self._steps = tuple(elements), 0
        self.stepper.begin()
        self.stepper.start(self._control(self._last_action if self.settings.last_act_on_reset else self.default_action))
        self._is_running = True
        self._returned_s = None
        return self._observation(), {**info, LINK_SKIPPED: 0, END_CAUSE: None}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return what the running step captures, and start the next one, which sends `action`.

        Args:
            action: of the action space, or None: nothing is sent, as when a person drives.

        Raises:
            EpisodeOver: there is no running episode.
            ValueError: the action has another shape, or is not finite.
            Exception: whatever the interface raised.
        """
        if not self._is_running:
            raise EpisodeOver("There is no running episode: call reset() before the first step and after ends.")
        check_action(action, self.action_space)
        began = self._time.now()
        if self._returned_s is not None:
            self.timings.add(timings.INFERENCE, began - self._returned_s)
        self._is_running = False
        try:
            captured = self.stepper.join()
        except SimulatorUnavailable as error:
            return self._lost(action, error)
        assert captured is not None
        self._steps += 1
        self._remember(captured.info.get(INPUTS) if action is None else action)
        self._last = tuple(captured.observation)
        truncated = self._steps >= self.settings.ep_max_length and not captured.terminated
        info = self._info(captured, truncated=truncated)
        if not (captured.terminated or truncated):
            self.stepper.start(self._control(action))
            self._is_running = True
        elif self.settings.wait_on_done:
            try:
                self.wait()
            except SimulatorUnavailable as error:  # what was captured is true all the same; the next reset connects
                log.warning("%s", error)
                info[FAULT] = str(error)
        self._returned_s = self._time.now()
        self.timings.add(timings.STEP, self._returned_s - began)
        return self._observation(), captured.reward, captured.terminated, truncated, info

    def wait(self) -> None:
        """Let the game be where nothing happens."""
        self.interface.wait()

    def benchmarks(self) -> dict[str, tuple[float, float]]:
        """Return rtgym's six durations: name -> mean and deviation, seconds; `timings` has percentiles."""
        return self.timings.pairs()

    def set_default_action(self, action: Any) -> None:
        """Choose what is sent while nobody acts."""
        check_action(action, self.action_space)
        self.default_action = action

    def set_time_step_duration(self, duration_s: float) -> None:
        """Choose the length of steps."""
        check_range("time_step_duration", duration_s, max(1e-3, self.stepper.capture_s))
        self.settings.time_step_duration = self.stepper.clock.step_s = duration_s

    def set_start_obs_capture(self, capture_s: float) -> None:
        """Choose when in a step its end is captured."""
        check_range("start_obs_capture", capture_s, 0.0, self.stepper.clock.step_s)
        self.settings.start_obs_capture = self.stepper.capture_s = capture_s

    def set_ep_max_length(self, num_steps: float) -> None:
        """Choose after how many steps episodes are truncated."""
        check_range("ep_max_length", num_steps, 1)
        self.settings.ep_max_length = num_steps

    def close(self) -> None:
        """End the running step, and the interface if it can be closed; a second call does nothing."""
        self._is_running = False
        self.stepper.close()
        close = getattr(self.interface, "close", None)
        if close is not None:
            close()

    def _drop_running_step(self) -> None:
        try:
            self.stepper.join()
        except SimulatorUnavailable as error:  # the reset is about to get the game back
            log.info("A step that nobody waited for failed: %s", error)

    def _lost(self, action: Any, error: SimulatorUnavailable) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        log.warning("%s", error)
        self._steps += 1
        self._remember(action)
        told: Mapping[str, Any] = getattr(self.interface, "last_info", {})
        clock = {"dt_s": self.stepper.clock.step_s, "overrun": False, LINK_SKIPPED: 0}
        info = {**told, **clock, "overruns_total": self.stepper.clock.overruns}
        return self._observation(), 0.0, False, True, {**info, FAULT: str(error), END_CAUSE: LINK_LOST}

    def _info(self, captured: Captured, *, truncated: bool) -> dict[str, Any]:
        info = captured.info
        missed = max(round(info["dt_s"] / self.stepper.clock.step_s) - 1, 0)
        return {**info, LINK_SKIPPED: missed, END_CAUSE: TIME_LIMIT if truncated else info.get(END_CAUSE)}

    def _observation(self) -> Any:
        observation = (*self._last, *self._buffer.copies())
        prepare = self.settings.obs_prepro_func
        return observation if prepare is None else prepare(observation)

    def _control(self, action: Any) -> Any:
        """Return what is sent: a copy, because it is sent while the caller goes on."""
        prepare = self.settings.act_prepro_func
        if action is None:
            return None
        return np.copy(action) if prepare is None else prepare(np.copy(action))

    def _remember(self, action: Any) -> None:
        self._last_action = self.default_action if action is None else np.copy(action)
        self._buffer.append(self._last_action)
