"""When an episode ends, and how: a failure terminates, a limit truncates.

The original counts its start-up steps, is one step late with limits, calls some failures neither, and never notices a
car that drives backwards; here every cause has one flag and fires at its number.
"""

from dataclasses import dataclass

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.look import Look

OFF_TRACK, SLOW, GAP, BACKWARDS = "off_track", "slow", "gap", "backwards"
MAX_STEPS, MAX_LAPS, LINK_LOST = "max_steps", "max_laps", "link_lost"
ACGYM, PAPER = "acgym", "paper"
PRESETS = (ACGYM, PAPER)
_SLOW = {ACGYM: (1.0, 250), PAPER: (5.0 / 3.6, 50)}  # m/s, steps of 40 ms


@dataclass(frozen=True, kw_only=True)
class EndSettings:
    """Which endings there are.

    Attributes:
        off_track: whether leaving the track ends it: more than two tyres out, or the grid's rule.
        slow: whether standing does.
        slow_mps: below which a car stands; None: the preset's.
        slow_steps: in a row; None: the preset's.
        max_gap_m: from the racing line; None: any.
        backwards_m: behind the farthest place of the episode; None: any.
        max_steps: then truncated.
        max_laps: completed, by our own timer, then truncated; None: any number.
    """

    off_track: bool = True
    slow: bool = True
    slow_mps: float | None = None
    slow_steps: int | None = None
    max_gap_m: float | None = None
    backwards_m: float | None = 30.0
    max_steps: int = 15000
    max_laps: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("max_steps", self.max_steps, 1)
        for name in ("slow_mps", "max_gap_m", "backwards_m"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1e-6)
        for name in ("slow_steps", "max_laps"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)


@dataclass(frozen=True)
class Ending:
    """Why an episode ends.

    Attributes:
        reason: one of the module's words.
        is_terminated: the task ended; else it was cut off.
    """

    reason: str
    is_terminated: bool


class Endings:
    """Watch one car's episodes.

    Args:
        settings: see `EndSettings`.
        preset: `acgym`: slower than 1 m/s for 10 s; `paper`: slower than 5 km/h for 2 s.

    Attributes:
        is_going_backwards: whether the car is behind its farthest place by more than it may.
    """

    def __init__(self, settings: EndSettings, preset: str = ACGYM) -> None:
        check_choice("endings", preset, PRESETS)
        self._settings = settings
        slow_mps, slow_steps = _SLOW[preset]
        self._slow_mps = slow_mps if settings.slow_mps is None else settings.slow_mps
        self._slow_steps = slow_steps if settings.slow_steps is None else settings.slow_steps
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._steps = self._slow = 0
        self.is_going_backwards = False

    def of(self, look: Look, *, behind_best_m: float, laps: int) -> Ending | None:
        """Return why the next step ends the episode, if it does; failures come before limits."""
        settings = self._settings
        self._steps += 1
        self._slow = self._slow + 1 if look.state["speed"] < self._slow_mps else 0
        backwards_m = settings.backwards_m
        self.is_going_backwards = backwards_m is not None and behind_best_m > backwards_m
        if settings.off_track and look.derived.is_off_track:
            return Ending(OFF_TRACK, True)
        if settings.slow and self._slow >= self._slow_steps:
            return Ending(SLOW, True)
        if settings.max_gap_m is not None and abs(look.derived.gap_m) > settings.max_gap_m:
            return Ending(GAP, True)
        if self.is_going_backwards:
            return Ending(BACKWARDS, True)
        if settings.max_laps is not None and laps >= settings.max_laps:
            return Ending(MAX_LAPS, False)
        if self._steps >= settings.max_steps:
            return Ending(MAX_STEPS, False)
        return None
