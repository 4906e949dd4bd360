"""Earned progress along a centre line: every metre of a lap is paid once, in order, to who drove it."""

from envs.arguments import check_range
from envs.track.projection import Projection


class Progress:
    """Follow one car and pay the metres by which it gets farther than ever before.

    The car's place moves only in steps of at most `max_step_m` along the line, and only while it is within
    `max_offset_m` of it. A car that comes back to the road farther on has skipped a part: its place stays where it
    left, and it earns nothing until it is within `max_step_m` of there again. So nothing is earned twice by going back
    and forth, by crossing the start line backwards, by a teleport, or by turning small circles in the infield, around
    which the projection would run whole laps; and what was cut is never paid.

    Args:
        length_m: of the line.
        closed: whether it is a circuit.
        max_step_m: the farthest that a car may move between two updates; above the top speed times their distance.
        max_offset_m: from the line; the half width of the road and what is tolerated beside it.

    Attributes:
        earned_m: since `reset`.
        is_on_course: whether the last update found the car where it may earn.

    Raises:
        ConfigError: a bound is not above 0, or a step may be half a lap, so that its direction is not known.
    """

    def __init__(self, length_m: float, *, closed: bool = True, max_step_m: float, max_offset_m: float) -> None:
        check_range("length_m", length_m, 1e-6)
        check_range("max_step_m", max_step_m, 1e-6, 0.49 * length_m if closed else float("inf"))
        check_range("max_offset_m", max_offset_m, 1e-6)
        self._length, self._is_closed = length_m, closed
        self._max_step, self._max_offset = max_step_m, max_offset_m
        self._start_s = self._s = 0.0
        self._crossings = 0  # of the start line, forwards less backwards: laps that no rounding can add up in
        self.earned_m = 0.0
        self.is_on_course = True

    @property
    def s_m(self) -> float:
        """Arc length of the car's place: that of the last update that was on course."""
        return self._s

    @property
    def travelled_m(self) -> float:
        """Metres from the start to the car's place, whole laps included; negative behind it."""
        return self._crossings * self._length + (self._s - self._start_s)

    @property
    def laps(self) -> int:
        """Whole lap lengths earned since `reset`, wherever on the lap the car began."""
        return int(self.earned_m // self._length)

    @property
    def lap_share(self) -> float:
        """How much of the lap that is being driven is earned, in [0, 1); 1 at the end of an open line."""
        share = self.earned_m / self._length
        return share - int(share) if self._is_closed else share

    def reset(self, s_m: float) -> None:
        """Begin anew at this arc length with nothing earned."""
        self._start_s = self._s = s_m
        self._crossings = 0
        self.earned_m = 0.0
        self.is_on_course = True

    def update(self, projection: Projection, *, max_step_m: float | None = None) -> float:
        """Move the car and return the metres newly earned, 0 or more.

        Args:
            projection: of the car. One that is not finite is off course.
            max_step_m: the bound of this update, where the game skipped some: at most 0.49 lengths count.
        """
        bound = self._max_step if max_step_m is None else max_step_m
        step, crossed = projection.s_m - self._s, 0
        if self._is_closed:
            bound = min(bound, 0.49 * self._length)
            if step > 0.5 * self._length:
                step, crossed = step - self._length, -1
            elif step < -0.5 * self._length:
                step, crossed = step + self._length, 1
        self.is_on_course = abs(step) <= bound and projection.distance_m <= self._max_offset
        if not self.is_on_course:
            return 0.0
        self._s = projection.s_m
        self._crossings += crossed
        gain = max(self.travelled_m - self.earned_m, 0.0)
        self.earned_m += gain
        return gain
