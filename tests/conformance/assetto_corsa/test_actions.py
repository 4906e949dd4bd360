"""From actions to the joystick: numbers of the specification, by hand."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.assetto_corsa import gears
from envs.assetto_corsa.actions import ActionMap, rate_limits, relative_action
from envs.assetto_corsa.cars import (
    CARS,
    brake_command,
    brake_status,
    car_controls,
    steer_angle_deg,
    throttle_command,
    throttle_status,
)
from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.joystick import JoystickState, joystick_sink
from envs.assetto_corsa.uinput import UinputSink, axis_value
from envs.assetto_corsa.vjoy import VJoyPosition, VJoySink
from envs.errors import ConfigError, SimulatorUnavailable

F317 = CARS["dallara_f317"]


@pytest.mark.point("assetto_corsa", 35)
def test_one_step_of_full_action():
    joystick = ActionMap("relative", F317)
    np.testing.assert_allclose(joystick.apply([1.0, 1.0, 1.0]), [0.080127, -0.52, -0.52], atol=1e-6)


@pytest.mark.parametrize(
    ("car", "scale", "limit"),
    [
        ("dallara_f317", 449.287, 0.080127),
        ("bmw_z4_gt3", 449.492, 0.080090),
        ("ks_mazda_miata", 302.4, 0.119048),
    ],
)
def test_scales_and_limits_of_the_cars(car, scale, limit):
    assert CARS[car].scale == pytest.approx(scale, abs=1e-3)
    np.testing.assert_allclose(rate_limits(CARS[car]), [limit, 0.48, 0.48], atol=1e-6)


@pytest.mark.point("assetto_corsa", 36)
@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=30))
def test_the_inverse_of_a_relative_action_is_the_action(actions):
    joystick = ActionMap("relative", F317)
    low, high = np.array([-F317.norm, -1.0, -1.0]), np.array([F317.norm, 1.0, 1.0])
    for action in actions:
        before = joystick.u
        after = joystick.apply(action)
        is_free = (before + np.array(action) * joystick.limits >= low) & (
            before + np.array(action) * joystick.limits <= high
        )
        found = relative_action(before, after, joystick.limits)
        np.testing.assert_allclose(found[is_free], np.array(action)[is_free], atol=1e-9)


@pytest.mark.parametrize("car", CARS.values(), ids=CARS)
def test_ten_degrees_in_a_step_are_the_same_action_for_every_car(car):
    """900 °/s at 25 Hz are 36° in a step."""
    after = np.array([10.0 / car.scale, -1.0, -1.0])
    action = relative_action([0.0, -1.0, -1.0], after, rate_limits(car))
    assert action[0] == pytest.approx(0.278, abs=1e-3)


def test_other_kinds_of_actions():
    absolute = ActionMap("absolute", F317)
    np.testing.assert_allclose(absolute.apply([1.0, 0.5, -1.0]), [F317.norm, 0.5, -1.0])
    np.testing.assert_allclose(absolute.apply([-0.3, 0.0, 0.0]), [-0.3, 0.0, 0.0], atol=1e-7)
    scaled = ActionMap("scaled", F317)
    np.testing.assert_allclose(scaled.apply([-1.0, 1.0, 0.0]), [-F317.norm, 1.0, -1.0])
    np.testing.assert_allclose(scaled.apply([0.5, 0.5, 0.25]), [F317.norm / 2, 0.0, -0.5])
    pedal = ActionMap("pedal", F317)
    np.testing.assert_allclose(pedal.apply([0.0, 0.5]), [0.0, 0.0, -1.0])
    np.testing.assert_allclose(pedal.apply([0.0, -1.0]), [0.0, -1.0, 1.0])
    slow = ActionMap("pedal", F317, has_rate_limits=True)
    np.testing.assert_allclose(slow.apply([1.0, 1.0]), [0.080127, -0.52, -1.0], atol=1e-6)
    np.testing.assert_allclose(slow.moved, [1.0, 1.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("action", [[0.0, 0.0], [np.nan, 0.0, 0.0], None, "left"])
def test_what_is_no_action_is_refused(action):
    with pytest.raises((ValueError, TypeError)):
        ActionMap("relative", F317).apply(action)


@pytest.mark.parametrize(
    ("command", "angle"), [(0.25, 112.5), (-0.5, -225.0), (1.0, 240.0), (-1.0, -240.0), (0.5342, 240.0)]
)
def test_the_wheel_turns_linearly_up_to_the_lock(command, angle):
    assert steer_angle_deg(command, F317) == pytest.approx(angle)


def test_the_brake_is_a_power_and_its_inverse_exact():
    assert brake_status(0.0) == pytest.approx(0.1895, abs=1e-4)  # 0.5 ** 2.4
    assert (brake_status(-1.0), brake_status(1.0), brake_status(7.0)) == (0.0, 1.0, 1.0)
    for command in np.linspace(-1, 1, 2001):
        assert brake_command(brake_status(command)) == pytest.approx(command, abs=1e-9)
        assert throttle_command(throttle_status(command)) == pytest.approx(command, abs=1e-12)


def test_another_car_has_a_file(tmp_path):
    file = tmp_path / "steer_map.csv"
    file.write_text("command,degrees\n-0.8,-360\n0.8,360\n")
    assert car_controls("my_car", file).scale == pytest.approx(450.0)
    with pytest.raises(ConfigError, match="steer_map"):
        car_controls("my_car")
    for text in ("command,degrees\n-0.8,-360\n0.7,360\n", "x\n", "x,y\n1,b\n-1,2\n", "x,y\n-1,-300\n0,0\n1,300\n"):
        file.write_text(text)
        with pytest.raises(ConfigError):
            car_controls("my_car", file)


def test_axes_of_the_virtual_joystick():
    """16384 (steer + 1), 32768 (pedal + 1) / 2, cut to whole numbers and clamped."""
    state = JoystickState.of(Controls(0.5, 0.0, -1.0))
    assert (state.x, state.y, state.z, state.buttons) == (24576, 16384, 0, 0)
    state = JoystickState.of(Controls(-7.0, 9.0, 0.25, enable_gear_shift=True, shift_up=True, shift_down=True))
    assert (state.x, state.y, state.z, state.buttons) == (0, 32768, 20480, 1)
    assert JoystickState.of(Controls(0, 0, 0, shift_up=True)).buttons == 0
    assert JoystickState.of(Controls(0, 0, 0, enable_gear_shift=True, shift_down=True)).buttons == 2
    assert [axis_value(raw) for raw in (0, 16384, 32768)] == [-32767, 0, 32767]


def test_vjoys_record_and_calls():
    """1 byte, 18 LONG axes, LONG buttons, 4 DWORD hats, native alignment: 4 + 72 + 4 + 16 bytes."""
    assert ctypes.sizeof(VJoyPosition) == 96
    assert (VJoyPosition.device.offset, VJoyPosition.x.offset, VJoyPosition.buttons.offset) == (0, 16, 76)

    class Library:
        calls = []  # noqa: RUF012
        is_free = 1

        def AcquireVJD(self, device):  # noqa: N802 (the driver's names)
            return self.is_free

        def RelinquishVJD(self, device):  # noqa: N802
            self.calls.append("relinquish")

        def UpdateVJD(self, device, position):  # noqa: N802
            one = position._obj
            self.calls.append((device, one.x, one.y, one.z, one.buttons))

    library = Library()
    sink = VJoySink(library)
    sink.press(Controls(1.0, 1.0, 0.0))
    sink.close()
    sink.close()
    assert library.calls == [(1, 32768, 32768, 16384, 0), "relinquish"]
    library.is_free = 0
    with pytest.raises(SimulatorUnavailable, match="cannot be had"):
        VJoySink(library)


def test_a_pad_of_linux_gets_the_profiles_codes():
    class Device:
        events = []  # noqa: RUF012

        def write(self, kind, code, value):
            self.events.append((kind, code, value))

        def syn(self):
            self.events.append("syn")

        def close(self):
            self.events.append("close")

    device = Device()
    sink = UinputSink(device)
    sink.press(Controls(-1.0, 1.0, 0.0, enable_gear_shift=True, shift_up=True))
    assert device.events == [(3, 0, -32767), (3, 1, 32767), (3, 3, 0), (1, 0x130, 1), (1, 0x131, 0), "syn"]
    sink.close()
    assert device.events[-1] == "close"


def test_a_joystick_that_is_not_there_says_what_to_install():
    with pytest.raises(SimulatorUnavailable, match=r"vJoy|evdev|uinput"):
        joystick_sink("vjoy")
    joystick_sink("none").press(Controls(0.0, 0.0, 0.0))
    with pytest.raises(ConfigError, match="uinput"):
        joystick_sink("wheel")


def test_a_shift_is_held_twice_and_released_twice():
    shifter = gears.GearShifter()
    pressed = [shifter.press(gears.UP) for _ in range(9)]
    up, nothing = (True, False), (False, False)
    assert pressed == [up, up, nothing, nothing, up, up, nothing, nothing, up]
    shifter.reset()
    assert shifter.press(gears.DOWN) == (False, True)
    assert [shifter.press(gears.HOLD) for _ in range(4)] == [(False, True), nothing, nothing, nothing]
