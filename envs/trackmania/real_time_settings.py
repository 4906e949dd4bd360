"""rtgym's configuration: how long steps are, when they look, and what of the actions is a part of observations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.arguments import check_range


@dataclass(kw_only=True)
class RealTimeSettings:
    """rtgym's configuration, under its names; defaults are rtgym's.

    Attributes:
        time_step_duration: seconds.
        start_obs_capture: seconds after a step's begin.
        time_step_timeout_factor: lateness that is made up for, in steps.
        ep_max_length: steps, then truncated.
        act_in_obs: whether the last actions are a part of observations.
        act_buf_len: how many.
        reset_act_buf: whether they are forgotten at a reset.
        last_act_on_reset: whether a reset sends the last action instead of the default one.
        wait_on_done: whether the step that ends an episode lets the game wait.
        act_prepro_func: from an action to a control.
        obs_prepro_func: from an observation, history included, to what is returned.
    """

    time_step_duration: float = 0.05
    start_obs_capture: float = 0.05
    time_step_timeout_factor: float = 1.0
    ep_max_length: float = float("inf")
    act_in_obs: bool = True
    act_buf_len: int = 1
    reset_act_buf: bool = True
    last_act_on_reset: bool = False
    wait_on_done: bool = False
    act_prepro_func: Callable[[Any], Any] | None = None
    obs_prepro_func: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("time_step_duration", self.time_step_duration, 1e-3)
        check_range("start_obs_capture", self.start_obs_capture, 0.0, self.time_step_duration)
        check_range("time_step_timeout_factor", self.time_step_timeout_factor, 0.0)
        check_range("ep_max_length", self.ep_max_length, 1)
        check_range("act_buf_len", self.act_buf_len, 1)
