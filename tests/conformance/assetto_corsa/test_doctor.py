"""Each trouble that users of the original meet is named, with its cure."""

import json
import socket
import subprocess
import sys

import numpy as np
import pytest

from envs.assetto_corsa.doctor import diagnose
from envs.assetto_corsa.sign_audit import AGREES, OPPOSITE, UNKNOWN, audit
from envs.assetto_corsa.twin.server import TwinServer
from envs.findings import OK, PROBLEM, SKIPPED, WARNING

CHECKS = [
    *("1 address", "2 joystick", "3 plugin", "4 car", "5 track", "6 mode", "7 rates", "8 track files", "9 states"),
    *("10 measured rate", "11 late states", "12 gearbox", "13 pedals", "14 gears", "15 steering", "16 pictures"),
    *("17 other cars", "18 signs", "19 reset", "20 episode"),
]


@pytest.fixture
def served(ring):
    """Return a function that starts a twin whose ports lie side by side, ten times as fast as real time."""
    servers = []

    def start(faults=None, **arguments):
        game = {"track": ring} | arguments.pop("game", {})
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket() as other:
                one.bind(("127.0.0.1", 0))
                port = one.getsockname()[1]
                if port > 65000:
                    continue
                try:
                    other.bind(("127.0.0.1", port + 2))
                except OSError:
                    continue
            chosen = {"port": port, "speed": 10.0, "watchdog_s": 0.0, "game": game, "faults": faults}
            servers.append(TwinServer(**chosen | arguments))
            return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def examine(ring_folder, quick):
    """Return a function from a twin, and arguments of the env, to findings by check."""

    def look(server=None, seconds=0.3, **arguments):
        chosen = {"track": ring_folder, "reset_wait_s": 0.0, "state_timeout_s": 0.2, "connect_wait_s": 0.2}
        if server is not None:
            chosen["hosts"] = f"{server.ego[0]}:{server.ego[1]}"
        findings = diagnose(chosen | arguments, seconds)
        assert [one.check for one in findings] == CHECKS
        return {one.check.partition(" ")[2]: one for one in findings}

    return look


def test_a_sound_twin_has_nothing_to_cure(ring):
    findings = diagnose({"twin": "lockstep", "twin_game": {"track": ring}}, 0.1)
    assert [one.check for one in findings] == CHECKS
    assert {one.verdict for one in findings} <= {OK, SKIPPED}, findings
    assert findings[CHECKS.index("19 reset")].verdict == OK


def test_a_plugin_that_does_not_say_what_is_loaded_is_told(examine, plugin):
    """Another version of it, perhaps: nothing is driven."""
    del plugin.static["CarName"]
    found = examine(hosts=plugin.host)
    assert found["car"].verdict == PROBLEM
    assert "CarName" in found["car"].found
    assert {found[name].verdict for name in ("track", "track files", "states", "reset", "episode")} == {SKIPPED}
    assert plugin.controls == []


@pytest.mark.timing
def test_a_sound_game_has_nothing_to_cure(served, examine):
    found = examine(served(game={"num_opponents": 2}, speed=4.0))
    found.pop("late states")  # the test's own machine may be busy
    assert {one.verdict for one in found.values()} <= {OK, SKIPPED}, [
        one for one in found.values() if one.verdict not in (OK, SKIPPED)
    ]
    assert found["other cars"].found.startswith("2 cars")
    assert found["reset"].verdict == OK
    assert found["measured rate"].found.startswith("25.0")


LINK_FAULTS = [
    ({"refuse": True}, "plugin", "sensors_par"),
    ({"half_reply": True}, "plugin", "not whole"),
    ({"wrong_car": "ks_mazda_miata"}, "car", "env.car=ks_mazda_miata"),
    ({"wrong_track": "monza"}, "track", "has monza"),
    ({"wrong_config": "vjoy_executed_by_server"}, "mode", "vjoy_executed_by_server to True"),
    ({"wrong_config": "sampling_freq"}, "rates", "limit the game's frame rate"),
    ({"silent": True}, "states", "ego server has died"),
    ({"missing_key": "RPM"}, "states", "RPM"),
    ({"nan_after_states": 3, "nan_key": "yaw"}, "states", "yaw"),
    ({"die_after_states": 4}, "states", "start it again"),
    ({"usurped_after_states": 5}, "states", "another client"),
]
DRIVING_FAULTS = [
    ({"frame_rate_fps": 60.0}, "measured rate", "measured 1"),
    ({"lose_every": 4}, "late states", "lost"),
    ({"stay_in_neutral": True}, "gears", "automatic gearbox"),
    ({"ignore_controls": True}, "pedals", "control profile"),
    ({"freeze_steer_after_states": 1}, "steering", "Steam Input"),
    ({"no_reset": True}, "reset", "Custom Shaders Patch"),
]


@pytest.mark.parametrize(
    ("faults", "check", "words"),
    [*LINK_FAULTS, *(pytest.param(*one, marks=pytest.mark.slow) for one in DRIVING_FAULTS)],
    ids=str,
)
def test_each_fault_is_named_with_its_cure(served, examine, faults, check, words):
    found = examine(served(faults))[check]
    assert found.verdict in (PROBLEM, WARNING), found
    assert words in f"{found.found} {found.cure}", found
    assert found.cure


def test_a_plugin_that_takes_its_time_is_told(plugin, examine, ring_folder, monkeypatch):
    """Static info that times out, as where an idle connection holds the only place."""
    with socket.create_connection(("127.0.0.1", plugin.port + 2)):
        from envs.assetto_corsa import management

        class Impatient(management.ManagementClient):
            def __init__(self, host, port):
                super().__init__(host, port, connect_timeout_s=0.1, reply_timeout_s=0.3)

        monkeypatch.setattr("envs.assetto_corsa.games.ManagementClient", Impatient)
        found = examine(hosts=plugin.host)
    assert found["plugin"].verdict == PROBLEM
    assert "no reply to get_static_info" in found["plugin"].found
    assert "end other programs" in found["plugin"].found
    assert found["episode"].verdict == SKIPPED


def test_a_wrong_game_is_not_driven(served, examine):
    server = served({"wrong_car": "other"})
    found = examine(server)
    assert found["pedals"].verdict == SKIPPED
    assert "set up otherwise" in found["pedals"].found


def test_another_machine_in_local_mode_is_told(examine):
    found = examine(hosts="192.0.2.1:2345", mode="local", joystick="none", connect_tries=1)
    assert found["address"].verdict == PROBLEM
    assert "env.mode=remote" in found["address"].cure
    assert found["plugin"].verdict == PROBLEM


def test_a_missing_joystick_is_told(served, examine):
    found = examine(served(game={"mode": "local"}), mode="local", joystick="vjoy")
    assert found["joystick"].verdict == PROBLEM
    assert "vJoy" in found["joystick"].found
    assert "X-Box 360" in found["joystick"].cure


@pytest.mark.slow
def test_files_of_another_track_are_told(served, examine, make_circle, tmp_path):
    from envs.assetto_corsa.tracks.files import save_ac_track

    save_ac_track(make_circle(radius_m=300.0), tmp_path)
    found = examine(served(), track=str(tmp_path))
    assert found["track"].verdict == OK  # it has the same name
    assert found["track files"].verdict == WARNING
    assert "100 m from the line" in found["track files"].found


@pytest.mark.slow
def test_pictures_that_are_missing_are_told(served, examine):
    found = examine(served(), obs="acgym_image", image={"source": "shared"})
    assert found["pictures"].verdict == PROBLEM
    found = examine(served(), obs="acgym_image", image={"port": 9, "wait_s": 0.1})
    assert "envs.assetto_corsa.capture" in found["pictures"].found


def drive_states(make_state, **mirrored):
    """Return the states of a drive by hand: a sine of turns at a speed that rises and falls."""
    states, steers = [], []
    x, y, yaw = 0.0, 0.0, 1.0
    for index in range(200):
        turn, push = 0.4 * np.sin(0.15 * index), 2.0 * np.sin(0.05 * index)
        speed = 15.0 + 40.0 * (1 - np.cos(0.05 * index)) * 0.04
        fields = {
            **{"yaw": yaw, "steerAngle": -60.0 * turn, "angular_velocity_y": turn, "local_velocity_x": speed},
            **{"accelX": speed * turn / 9.81, "accelY": push / 9.81, "speed": speed},
            "local_velocity_y": 0.5 * np.sin(0.11 * index),
        }
        fields |= {key: -fields[key] for key in mirrored}
        states.append(make_state(index + 1, world_position_x=x, world_position_y=y, **fields))
        steers.append(-turn)
        side = 0.5 * np.sin(0.11 * index)
        x += 0.04 * (speed * np.cos(yaw) - side * np.sin(yaw))
        y += 0.04 * (speed * np.sin(yaw) + side * np.cos(yaw))
        yaw += 0.04 * turn
    return states, steers


@pytest.mark.parametrize(
    "channel",
    [
        *("yaw", "steerAngle", "angular_velocity_y", "local_velocity_x", "local_velocity_y", "accelX", "accelY"),
        None,
    ],
)
def test_a_sign_that_is_the_other_way_round_is_found(make_state, channel):
    states, steers = drive_states(make_state, **({channel: True} if channel else {}))
    verdicts = {sign.channel: sign.verdict for sign in audit(states, steers)}
    assert verdicts.pop(channel, OPPOSITE) == OPPOSITE
    assert set(verdicts.values()) == {AGREES}, verdicts


def test_steering_the_other_way_is_found_and_standing_tells_nothing(make_state):
    states, steers = drive_states(make_state)
    verdicts = {sign.channel: sign.verdict for sign in audit(states, [-steer for steer in steers])}
    assert verdicts["steer"] == OPPOSITE
    still = [make_state(steps) for steps in range(1, 50)]
    assert {sign.verdict for sign in audit(still, [0.0] * 49)} == {UNKNOWN}
    assert {sign.verdict for sign in audit(still[:2], [0.0] * 2)} == {UNKNOWN}


@pytest.mark.slow
def test_the_command(root):
    words = [sys.executable, "-m", "envs.doctor", "env=assetto_corsa", "env.twin=lockstep", "json=true"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [one["check"] for one in json.loads(done.stdout)] == CHECKS
