"""The screen of a twin over a socket: two threads ask it, and what hangs or answers nonsense is left behind."""

import threading

import numpy as np
import pytest

from envs.errors import ProtocolError, SimulatorUnavailable
from envs.trackmania import served_screen
from envs.trackmania.served_screen import ServedScreen
from envs.trackmania.twin.frame_channel import FrameClient
from envs.trackmania.twin.server import TwinServer

PICTURE = np.zeros((2, 3, 3), np.uint8)


class Frames:
    """A channel's client whose answer a test chooses."""

    def __init__(self, answer):
        self.answer, self.is_closed = answer, False

    def screenshot(self, kind):
        return self.answer(), 0, 0

    def close(self):
        self.is_closed = True


def in_threads(number, work):
    failures = []

    def run():
        try:
            work()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    return failures


def test_two_threads_get_whole_pictures():
    with TwinServer(port=0, speed=0) as server:
        screen = ServedScreen(lambda: FrameClient(*server.frames, timeout_s=10.0), "full")
        shapes = []
        assert not in_threads(3, lambda: [shapes.append(screen.screenshot().shape) for _ in range(40)])
        assert shapes == [(128, 256, 3)] * 120
        screen.close()


@pytest.mark.parametrize("error", [ProtocolError("no frame"), SimulatorUnavailable("gone")])
def test_a_channel_that_failed_is_replaced(error):
    def fail():
        raise error

    made = [Frames(fail), Frames(lambda: PICTURE)]
    left = iter(made)
    screen = ServedScreen(lambda: next(left), "full")
    with pytest.raises(SimulatorUnavailable, match=str(error)):
        screen.screenshot()
    assert made[0].is_closed
    screen.refresh()
    assert screen.screenshot() is PICTURE
    screen.close()
    screen.close()
    assert made[1].is_closed


def test_a_channel_in_which_a_step_hangs_is_left_to_it(monkeypatch, eventually):
    monkeypatch.setattr(served_screen, "_BUSY_S", 0.05)
    asked, answer = threading.Event(), threading.Event()

    def hang():
        asked.set()
        answer.wait(20.0)
        return PICTURE

    made = [Frames(hang), Frames(lambda: PICTURE + 1)]
    left = iter(made)
    screen = ServedScreen(lambda: next(left), "full")
    step = threading.Thread(target=screen.screenshot)
    step.start()
    assert asked.wait(10.0)
    screen.refresh()
    assert screen.screenshot().max() == 1  # of the fresh one, while the other still hangs
    assert step.is_alive()
    answer.set()
    step.join(10.0)
    eventually(lambda: made[0].is_closed)
    assert not made[1].is_closed
    screen.close()
