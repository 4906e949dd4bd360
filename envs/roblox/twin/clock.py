"""The game's clock: frames of physics, 60 a second, and a tick after every so many of them."""

FRAMES_PER_S = 60
SECOND_US = 1_000_000


class Clock:
    """Count frames, in whole microseconds.

    Args:
        fps: ticks a second.

    Attributes:
        now_us: the time, which may lie between two frames.
    """

    def __init__(self, fps: int) -> None:
        self._fps = fps
        self.now_us = self._frame = self._since_tick = 0

    @property
    def next_tick_us(self) -> int:
        """When the next tick is."""
        return _frame_us(self._frame + self._frames_to_tick)

    @property
    def is_at_second(self) -> bool:
        """Whether the last frame was the last of a second."""
        return self._frame % FRAMES_PER_S == 0

    def frames_until(self, time_us: int) -> int:
        """Return how many frames come next without a tick, a second's end or that time in between; 0: none."""
        left = time_us * FRAMES_PER_S // SECOND_US - self._frame
        return max(min(self._frames_to_tick, FRAMES_PER_S - self._frame % FRAMES_PER_S, left), 0)

    def advance(self, num_frames: int) -> bool:
        """Let frames pass, and return whether a tick is due."""
        self._frame += num_frames
        self.now_us = max(self.now_us, _frame_us(self._frame))
        self._since_tick += num_frames * self._fps
        if self._since_tick < FRAMES_PER_S:
            return False
        self._since_tick -= FRAMES_PER_S
        return True

    def wait_until(self, time_us: int) -> None:
        """Go on to a time before the next frame."""
        self.now_us = max(self.now_us, time_us)

    @property
    def _frames_to_tick(self) -> int:
        return -((self._since_tick - FRAMES_PER_S) // self._fps)


def _frame_us(frame: int) -> int:
    """Return when a frame is, rounded up to microseconds."""
    return -(-frame * SECOND_US // FRAMES_PER_S)
