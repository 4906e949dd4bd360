"""The management service: what it says, how strictly, and what a reset moves."""

import ast
import json
import math

import psutil
import pytest

# The 28 keys with the plugin's defaults, from the specification; remote mode has the three named in the test.
DEFAULTS = {
    "version": "0.0.1", "sampling_freq": 50, "sampling_time": 0.02, "ego_server_host_name": "0.0.0.0",
    "ego_server_port": 2345, "ego_sampling_freq": 25, "telemetry_sampling_freq": 0,
    "opponents_server_host_name": "0.0.0.0", "opponents_server_port": 2346,
    "simulation_management_server_host_name": "0.0.0.0", "simulation_management_server_port": 2347,
    "enable_profiler": False, "vjoy_executed_by_server": False, "enable_alternative_python_interpreter": False,
    "config_python_env_name": "p309", "config_python_executable": None,
    "screen_capture_worker": "screen_capture_worker.py", "ego_sampling_freq_event_name": "Local\\EgoSamplingFreqEvent",
    "screen_capture_enable": False, "final_image_width": 320, "final_image_height": 240, "screen_capture_freq": 25,
    "screen_capture_save_to_disk": False, "screen_capture_save_path": "captures", "screen_capture_verbose": False,
    "relocate_screen": True, "trigger_image_capture_event_name": "Local\\TriggerImageCapture", "color_mode": "gray",
}  # fmt: skip


def received(connection, until=lambda text: False, seconds=0.3):
    """Return what comes within a while, or until it is enough."""
    connection.settimeout(seconds)
    text = b""
    try:
        while not until(text):
            piece = connection.recv(1 << 20)
            if not piece:
                break
            text += piece
    except TimeoutError:
        pass
    finally:
        connection.settimeout(5.0)
    return text


def ends(text):
    return text.endswith(b"}")


@pytest.mark.point("assetto_corsa", 28)
def test_the_config_is_a_python_literal_of_28_keys(game, twin, tcp):
    assert game(mode="local").config() == DEFAULTS
    changed = {"sampling_freq": 100, "sampling_time": 0.01, "vjoy_executed_by_server": True}
    assert game().config() == DEFAULTS | changed
    server = twin(is_strict=True, game={"mode": "local"})
    connection = tcp(server.management)
    connection.sendall(b"get_config")
    text = received(connection, ends)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    ports = {"ego_server_port": server.ego[1], "simulation_management_server_port": server.management[1]}
    assert ast.literal_eval(text.decode()) == DEFAULTS | ports
    assert list(ast.literal_eval(text.decode())) == list(DEFAULTS)
    assert len(str(DEFAULTS)) == 975  # as measured on the original


def test_the_config_may_be_another(game):
    told = game(config={"final_image_width": 64, "ego_sampling_freq": 50}).config()
    assert (told["final_image_width"], told["ego_sampling_freq"]) == (64, 50)


def test_static_info(ask, twin):
    told = ask(twin(game={"car": "bmw_z4_gt3"}), "get_static_info")
    assert told["TrackName"] == "ring"
    assert told["TrackConfiguration"] == ""
    assert told["CarName"] == "bmw_z4_gt3"
    assert told["TrackLength"] == pytest.approx(2 * math.pi * 200.0, rel=1e-4)
    assert told["CAR_MASS"] == 1250
    left, right, rear = (told[f"TyreContactPoint_{name}"] for name in ("FL", "FR", "RL"))
    assert math.dist(left, right) == pytest.approx(told["CAR_TRACK"])
    assert math.dist(left, rear) == pytest.approx(told["CAR_WHEELBASE"])
    # At (200, 0) of the plan frame, going along +y; the game's x is the plan's y, its z the plan's x.
    assert told["WorldPosition"] == pytest.approx([0.0, 0.42, 200.0], abs=0.01)
    assert left[2] < right[2]  # left of +y is -x
    assert left[0] > rear[0]
    assert len(told["CAR_WHEEL_R"]) == 4
    keys = {"WindSpeed", "WindDirection", "LastSplits", "isCarInPitlane", "isCarInPit", "autoShifterOn",
            "penaltiesEnabled", "TyreContactPoint_RR", "CAR_DIM_X", "CAR_DIM_Y", "CAR_DIM_Z"}  # fmt: skip
    assert keys <= set(told)
    assert not any(isinstance(value, bool) or value is None for value in told.values())


def test_track_info_is_the_track(ask, twin, ring):
    told = ask(twin(), "get_track_info")
    assert told["left_lane"] == ring.left_m.tolist()
    assert told["right_lane"] == ring.right_m.tolist()
    assert told["fast_lane"] == ring.line_m.tolist()
    for key in ("throttle_arr", "brake_arr", "speed_arr", "angle_array"):
        assert len(told[key]) == ring.num_rows
    assert min(told["speed_arr"]) >= 15.0
    fewer = ask(twin(track_info_every=10), "get_track_info")
    assert fewer["fast_lane"] == ring.line_m[::10].tolist()


@pytest.mark.point("assetto_corsa", 27)
@pytest.mark.parametrize("is_strict", [True, False])
def test_reset_over_tcp_moves_the_car_and_has_no_reply(twin, ego, tcp, ask, is_strict):
    server = twin(is_strict=is_strict)
    client = ego(server)
    first = client.connect()
    for _ in range(200):
        last = client.drive(acc=1.0, steer=-0.02)
    places = [(state["world_position_x"], state["world_position_y"]) for state in (first, last)]
    assert math.dist(*places) > 50.0
    connection = tcp(server.management)
    connection.sendall(b"reset")
    assert received(connection) == b""
    connection.close()
    client.send("disconnect")
    after = client.connect()
    assert (after["world_position_x"], after["world_position_y"]) == pytest.approx(places[0])
    assert (after["speed"], after["currentTime"], after["accStatus"]) == (0.0, 0, 0.0)  # controls are neutral, too
    assert after["timestamp_ac"] >= last["timestamp_ac"]


@pytest.mark.point("assetto_corsa", 27)
def test_two_commands_in_one_segment_are_unknown_to_a_strict_twin(twin, tcp, ask):
    server = twin(is_strict=True)
    connection = tcp(server.management)
    connection.sendall(b"get_configget_static_info")
    assert received(connection) == b""  # neither a reply nor an end
    connection.sendall(b"get_config")  # it is not served any more
    assert received(connection) == b""
    assert "CarName" in ask(server, "get_static_info")  # others are


def test_a_strict_twin_serves_one_connection_and_never_hangs_up(twin, tcp):
    server = twin(is_strict=True)
    first, second = tcp(server.management), tcp(server.management)
    first.sendall(b"get_config")
    assert received(first, ends)
    second.sendall(b"get_config")
    assert received(second) == b""  # the first is idle, and blocks everyone
    first.sendall(b"get_static_info")
    assert received(first, ends).startswith(b"{")
    first.close()
    assert received(second, ends, 5.0).startswith(b"{")
    second.shutdown(1)  # nothing more will be said
    assert received(second) == b""
    second.settimeout(0.1)
    with pytest.raises(TimeoutError):
        second.recv(1)


def test_a_lenient_twin_serves_several_and_hangs_up_with_the_other_end(twin, tcp):
    server = twin()
    idle, second = tcp(server.management), tcp(server.management)
    second.sendall(b"nonsense\nget_config\n")
    second.shutdown(1)
    assert ast.literal_eval(received(second, seconds=5.0).decode())["version"] == "0.0.1"
    assert second.recv(1) == b""
    idle.sendall(b"get_static_info")
    assert received(idle, ends, 5.0).startswith(b"{")
    assert server.session.counts["fatal"] == 0


@pytest.mark.parametrize("is_strict", [True, False])
def test_many_commands_leave_no_connections_behind(twin, ask, is_strict):
    server = twin(is_strict=is_strict)
    files = []
    for _ in range(60):
        ask(server, "get_static_info")
        files.append(psutil.Process().num_fds())
    assert max(files[30:]) <= max(files[:30]) + 2
