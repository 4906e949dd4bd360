"""Point 30: what reaches a device, and what does not."""

import socket
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable
from envs.trackmania.controls import Controls, PadState
from envs.trackmania.gamepad import GamepadSink
from envs.trackmania.keyboard import LINUX_KEYS, WINDOWS_SCAN_CODES, KeyboardSink
from envs.trackmania.sinks import DatagramSink, LoopbackSink, NullSink
from envs.window_capture import Region, WindowCapture


@pytest.fixture
def pad():
    return LoopbackSink(sleep=lambda seconds: None)


@pytest.mark.point("trackmania", 30)
@pytest.mark.parametrize(
    ("action", "state"),
    [  # right trigger: gas, left trigger: brake, 255 each; stick 32767
        ((0.0, 0.0, 0.0), (0, 0, 0)),
        ((1.0, 1.0, 1.0), (255, 255, 32767)),
        ((-1.0, -0.5, -1.0), (0, 0, -32767)),
        ((0.3, 0.7, 0.25), (76, 178, 8192)),  # 76.5 and 178.5 round to even, 8191.75
        ((0.1, 0.0, -0.5), (26, 0, -16384)),  # 25.5 and -16383.5 round to even
    ],
)
def test_controls_are_quantised_as_a_gamepad_does(action, state, pad):
    Controls(pad).send(np.array(action))
    assert (pad.state.right_trigger, pad.state.left_trigger, pad.state.stick_x, pad.state.buttons) == (*state, 0)


@pytest.mark.point("trackmania", 30)
def test_pedals_at_or_below_zero_are_released_and_that_is_no_clipping(pad):
    controls = Controls(pad)
    controls.send([1.0, 1.0, 0.0])
    controls.send([0.0, -1.0, 0.0])
    assert pad.states[-1] == PadState()
    assert controls.clipped == 0


@pytest.mark.point("trackmania", 30)
def test_what_is_out_of_range_is_clipped_and_counted(pad):
    controls = Controls(pad)
    controls.send([1.5, -3.0, -1.0001])
    assert pad.state == PadState(255, 0, -32767)
    controls.send([1.0, 1.0, 1.0])
    assert controls.clipped == 1


@pytest.mark.point("trackmania", 30)
@pytest.mark.parametrize("broken", [[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [0, 0], [[0, 0, 0]], 0.5])
def test_what_is_no_action_never_reaches_the_device(broken, pad):
    controls = Controls(pad)
    with pytest.raises(ValueError, match="Expected a"):
        controls.send(broken)
    assert pad.states == []


def test_no_action_leaves_the_controls_alone(pad):
    Controls(pad).send(None)
    assert pad.states == []


def test_a_restart_is_an_edge_of_b_with_nothing_held():
    slept = []
    pad = LoopbackSink(sleep=slept.append)
    pad.press(1.0, 0.0, 0.5)
    pad.restart()
    assert [state.buttons for state in pad.states] == [0, 0, 0x2000, 0]
    assert all(state.right_trigger == 0 for state in pad.states[1:])
    pad.close_popup()
    assert [state.buttons for state in pad.states[4:]] == [0, 0x1000, 0]
    assert slept == [0.1, 0.1]


def test_a_pad_in_another_process_gets_6_bytes():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin:
        twin.bind(("127.0.0.1", 0))
        twin.settimeout(5.0)
        sink = DatagramSink(*twin.getsockname(), sleep=lambda seconds: None)
        sink.press(1.0, 0.0, -1.0)
        assert struct.unpack("<BBhH", twin.recv(100)) == (255, 0, -32767, 0)
        sink.close()
        assert struct.unpack("<BBhH", twin.recv(100)) == (0, 0, 0, 0)
        sink.close()


def test_keys_are_pressed_once_and_released():
    changes = []
    keys = KeyboardSink(lambda key, is_down: changes.append((key, is_down)), sleep=lambda seconds: None)
    keys.press(0.1, 0.0, 0.5)
    keys.press(1.0, 0.0, 0.51)
    keys.press(0.0, 1.0, -0.6)
    assert changes == [
        ("gas", True),
        ("right", True),
        ("gas", False),
        ("right", False),
        ("brake", True),
        ("left", True),
    ]
    changes.clear()
    keys.restart()
    keys.close()
    assert changes == [("brake", False), ("left", False), ("restart", True), ("restart", False)]


def test_keys_are_those_of_the_game():
    assert WINDOWS_SCAN_CODES == {"gas": 0x11, "brake": 0x1F, "right": 0x20, "left": 0x1E, "restart": 0xD3}
    assert LINUX_KEYS["restart"] == "BackSpace"


def test_a_gamepad_gets_registers_through_vgamepad(monkeypatch):
    calls = []

    class Pad:
        def __getattr__(self, name):
            return lambda **values: calls.append((name, values))

    class Package:
        VX360Gamepad = Pad

    monkeypatch.setitem(sys.modules, "vgamepad", Package)
    GamepadSink(sleep=lambda seconds: None).press(1.0, 0.0, 0.5)
    assert calls == [
        ("reset", {}),
        ("right_trigger", {"value": 255}),
        ("left_trigger", {"value": 0}),
        ("left_joystick", {"x_value": 16384, "y_value": 0}),
        ("update", {}),
    ]


def test_without_its_package_a_gamepad_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vgamepad", None)
    with pytest.raises(SimulatorUnavailable, match=r"pip install vgamepad.*ViGEmBus"):
        GamepadSink()


def test_a_window_is_grabbed_where_it_is():
    asked = []

    def grab(region):
        asked.append(region)
        return np.full((region.height, region.width, 4), 7, np.uint8)

    capture = WindowCapture("Trackmania", find=lambda title: Region(64, 70, 256, 128), grab=grab)
    picture = capture.screenshot()
    assert (picture.shape, picture.dtype) == ((128, 256, 3), np.uint8)
    assert asked == [Region(64, 70, 256, 128)]
    capture.close()


class ScreenOfOneThread:
    """mss on Windows: what one thread has made, no other can use."""

    class ScreenShotError(Exception):
        pass

    def __init__(self):
        self.made, self.is_locked = [], False

    def mss(self):
        self.made.append(threading.get_ident())
        return SimpleNamespace(grab=lambda area, maker=self.made[-1]: self.picture(area, maker))

    def picture(self, area, maker):
        assert threading.get_ident() == maker
        if self.is_locked:
            raise self.ScreenShotError("gdi32.GetDIBits() failed.")
        return np.zeros((area["height"], area["width"], 4), np.uint8)


def test_resets_and_steps_take_pictures_from_two_threads(monkeypatch):
    screen = ScreenOfOneThread()
    monkeypatch.setitem(sys.modules, "mss", screen)
    capture = WindowCapture("Trackmania", find=lambda title: Region(0, 0, 8, 4))
    with ThreadPoolExecutor(1) as other:
        pictures = [capture.screenshot(), other.submit(capture.screenshot).result(), capture.screenshot()]
    assert [picture.shape for picture in pictures] == [(4, 8, 3)] * 3
    assert len(screen.made) == 2
    screen.is_locked = True
    with pytest.raises(SimulatorUnavailable, match=r"GetDIBits.*desktop locked"):
        capture.screenshot()


def test_a_window_that_was_moved_is_found_again():
    regions = iter([Region(0, 0, 8, 4), Region(5, 6, 8, 4)])
    asked = []

    def grab(region):
        asked.append((region.left, region.top))
        return np.zeros((region.height, region.width, 3), np.uint8)

    capture = WindowCapture("Trackmania", find=lambda title: next(regions), grab=grab)
    capture.screenshot()
    capture.refresh()
    capture.screenshot()
    assert asked == [(0, 0), (5, 6)]


def test_everything_imports_without_games_screens_and_drivers(root):
    modules = ", ".join(f"envs.{name}" for name in ("window_capture", "trackmania.gamepad", "trackmania.keyboard"))
    code = f"import sys, {modules}; print(sorted({{'vgamepad', 'mss'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert NullSink().press(1.0, 0.0, 0.0) is None
