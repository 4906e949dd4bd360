"""What code for rtgym reaches through `unwrapped`, on an env that holds one with tuples."""

from typing import Any

from envs.trackmania.real_time_env import RealTimeEnv


class RtgymHandles:
    """Hand rtgym's calls on.

    Attributes:
        compat: the env that they are for.
    """

    compat: RealTimeEnv

    @property
    def default_action(self) -> Any:
        """What is sent while nobody acts, in the game's order."""
        return self.compat.default_action

    def wait(self) -> None:
        """Let the game be where nothing happens."""
        self.compat.wait()

    def benchmarks(self) -> dict[str, tuple[float, float]]:
        """Return mean and deviation of a step's parts, seconds."""
        return self.compat.benchmarks()

    def set_default_action(self, action: Any) -> None:
        """Choose what is sent while nobody acts, in the game's order."""
        self.compat.set_default_action(action)

    def set_time_step_duration(self, duration_s: float) -> None:
        """Choose the length of steps."""
        self.compat.set_time_step_duration(duration_s)

    def set_start_obs_capture(self, capture_s: float) -> None:
        """Choose when in a step its end is captured."""
        self.compat.set_start_obs_capture(capture_s)

    def set_ep_max_length(self, num_steps: float) -> None:
        """Choose after how many steps episodes are truncated."""
        self.compat.set_ep_max_length(num_steps)
