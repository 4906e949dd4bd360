"""A game that is set up otherwise is refused in words, before a control is sent."""

import threading
import time

import numpy as np
import pytest

from envs.assetto_corsa.faults import CAR, GEARS, IMAGE, MODE, NO_RESET, RATE, TRACK, GameMismatchError, LinkFault

ACTION = np.zeros(3, np.float32)


@pytest.mark.point("assetto_corsa", 15)
@pytest.mark.parametrize(
    ("static", "config", "kind", "words"),
    [
        ({"CarName": "ks_mazda_miata"}, {}, CAR, "ks_mazda_miata"),
        ({"TrackName": "monza"}, {}, TRACK, "Expected the track ring .*has monza"),
        ({"TrackConfiguration": "short"}, {}, TRACK, "ring-short"),
        ({}, {"ego_sampling_freq": 50}, RATE, "ego_sampling_freq is 50"),
        ({}, {"sampling_freq": 50}, RATE, "100 in remote mode, it is 50"),
        ({}, {"vjoy_executed_by_server": False}, MODE, "vjoy_executed_by_server to True"),
        ({"autoShifterOn": 0}, {}, GEARS, "automatic gearbox is off"),
    ],
)
def test_a_mismatch_is_told_before_the_first_control(plugin, connect_env, static, config, kind, words):
    plugin.static |= static
    plugin.config |= config
    env = connect_env()
    with pytest.raises(GameMismatchError, match=words) as caught:
        env.reset()
    assert caught.value.kind == kind
    assert plugin.datagrams == []
    assert "reset" not in plugin.heard


@pytest.mark.parametrize("configuration", ["", -1, "-1"])
def test_a_track_of_one_layout_has_a_plain_name(plugin, connect_env, configuration):
    plugin.static["TrackConfiguration"] = configuration
    connect_env().reset()


@pytest.mark.parametrize(("key", "value"), [("final_image_width", 640), ("color_mode", "bgr")])
def test_pictures_of_another_size_are_told(plugin, connect_env, key, value):
    plugin.config |= {"screen_capture_enable": True, key: value}
    env = connect_env(obs="acgym_image", image={"source": "shared"})
    with pytest.raises(GameMismatchError, match=str(value)) as caught:
        env.reset()
    assert caught.value.kind == IMAGE


def test_pictures_that_are_switched_off_are_told(connect_env):
    env = connect_env(obs="acgym_image", image={"source": "shared"})
    with pytest.raises(GameMismatchError, match="takes no pictures"):
        env.reset()


def test_a_game_that_stutters_once_is_not_sent_away(plugin, connect_env, make_state, eventually):
    env = connect_env(measure_rate=True)
    late_s = 0.1  # between states 3 and 4
    plugin.state = lambda steps: make_state(steps, timestamp_ac=50.0 + 0.04 * steps + (late_s if steps > 3 else 0.0))
    plugin.first = False
    begin = env.race.parts.drive.link._ego.connect

    def connected(tries=None):
        def stream():
            eventually(lambda: plugin.datagrams and plugin.datagrams[-1] == b"connect")
            for _ in range(100):
                plugin.send_state()
                time.sleep(0.002)

        threading.Thread(target=stream).start()
        return begin(tries)

    env.race.parts.drive.link._ego.connect = connected
    env.reset()
    assert env.race.parts.drive.rate_hz == pytest.approx(25.0)


@pytest.mark.point("assetto_corsa", 15)
@pytest.mark.parametrize(("period_s", "is_right"), [(0.04, True), (1 / 15, False), (1 / 30, False)])
def test_states_that_come_at_another_rate_are_told_before_the_first_control(
    plugin, connect_env, make_state, eventually, period_s, is_right
):
    env = connect_env(measure_rate=True)
    plugin.state = lambda steps: make_state(steps, timestamp_ac=50.0 + period_s * steps)
    plugin.first = False
    begin = env.race.parts.drive.link._ego.connect

    def connected(tries=None):
        def stream():
            eventually(lambda: plugin.datagrams and plugin.datagrams[-1] == b"connect")
            for _ in range(100):  # a wrong rate is measured twice
                plugin.send_state()
                time.sleep(0.002)

        threading.Thread(target=stream).start()
        return begin(tries)

    env.race.parts.drive.link._ego.connect = connected
    if is_right:
        env.reset()
        return
    with pytest.raises(GameMismatchError, match="frame rate") as caught:
        env.reset()
    assert caught.value.kind == RATE
    assert f"{1 / period_s:.2f}" in str(caught.value)
    eventually(lambda: plugin.datagrams[-1] == b"disconnect")
    assert len(plugin.controls) == 1  # the safe one, before `disconnect`


def test_a_track_that_is_not_named_is_taken_from_the_game(plugin, connect_env, ring):
    plugin.track_info = {
        **{"left_lane": ring.left_m.tolist(), "right_lane": ring.right_m.tolist(), "fast_lane": ring.line_m.tolist()},
        **{name: [30.0] * ring.num_rows for name in ("throttle_arr", "brake_arr", "speed_arr", "angle_array")},
    }
    env = connect_env(track=None)
    assert env.track is None
    _, info = env.reset()
    assert env.track.full_name == "ring"
    assert info["gap_m"] == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(env.road_edges[0], ring.left_m)


def test_a_game_without_a_line_says_so(plugin, connect_env):
    with pytest.raises(ValueError, match="AI line"):
        connect_env(track=None).reset()
    assert plugin.datagrams == []


def test_a_reset_that_leaves_the_car_where_it_is_is_told(plugin, connect_env, make_state):
    """Without the patch the car rolls on from where it was; with it, it is where it starts."""
    where = {"m": 0.0}

    def rolling(steps):
        angle = where["m"] / 200.0
        place = {"world_position_x": 200.0 * np.cos(angle), "world_position_y": 200.0 * np.sin(angle)}
        return make_state(steps, yaw=angle + np.pi / 2, **place)

    plugin.state = rolling
    env = connect_env()
    env.reset()
    for step in range(5):
        where["m"] = 10.0 * step
        env.step(ACTION)
    with pytest.raises(LinkFault, match="Custom Shaders Patch") as caught:
        env.reset()
    assert caught.value.cause == NO_RESET
    plugin.on_reset = lambda: where.update(m=3.0)
    env.reset()
    env.step(ACTION)
    env.reset()  # nearer than 20 m to its start it need not move


def test_the_order_of_a_reset(plugin, connect_env):
    env = connect_env(reset_wait_s=0.1)
    _, info = env.reset()
    env.step(ACTION)
    env.reset()
    commands = [one for one in plugin.heard if isinstance(one, str)]
    assert commands == ["get_static_info", "get_config", "reset", "reset"]
    words = [one.decode() if one in (b"connect", b"disconnect") else "control" for one in plugin.datagrams]
    assert words == ["connect", *["control"] * 5, "disconnect", "connect", *["control"] * 3]
    # A car is put back before its new connection.
    second = [place for place, one in enumerate(plugin.heard) if one in ("reset", b"connect")]
    assert [plugin.heard[place] for place in second] == ["reset", b"connect"] * 2
    assert info["steps"] == 4
    starts = plugin.controls[:3]
    assert all((one["steer"], one["acc"], one["brake"]) == (0.0, -1.0, -1.0) for one in starts)
    assert [one["server_steps"] for one in starts] == [1, 2, 3]
