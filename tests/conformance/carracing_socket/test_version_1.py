"""Version 1 of the CarRacing socket protocol: what a client of the original meets, in default mode."""

import json
import time

import numpy as np
import pytest

THROTTLE = {"steer": 0.0, "gas": 1.0, "brake": 0.0}
KEYS = ["type", "game_id", "frame", "frame_shape", "telemetry", "reward", "done", "info"]


def test_each_point_of_the_checklist_has_a_test(marked_points):
    assert marked_points("carracing_socket") == set(range(1, 35))


def drive(client, steps=200):
    """Reset, act and look 200 times, say goodbye: what every client of the original does."""
    told = client.state("RESET")
    assert told["reward"] == 0.0
    assert told["done"] is False
    for _ in range(steps):
        client.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
        told = client.state()
        assert list(told) == KEYS
    client.send({"type": "CLOSE"})
    assert client.line() == b""
    return told


@pytest.mark.point("carracing_socket", 1)
def test_a_client_of_the_original_drives(serve, connect):
    server = serve(step_s=0.002)
    client = connect(server.address)
    told = drive(client)
    assert told["telemetry"]["steps"] > 0
    again = connect(server.address)  # a CLOSE is for its connection alone
    assert again.state()["type"] == "STATE"


@pytest.mark.point("carracing_socket", 2)
def test_a_client_of_the_original_drives_the_strict_server(strict, connect):
    server = strict()
    drive(connect(server.address))
    server.thread.join(10.0)
    assert not server.thread.is_alive()


@pytest.mark.point("carracing_socket", 3)
def test_the_greeting_comes_first(serve, connect):
    greeting = json.loads(connect(serve(num_games=2).address).greeting)
    assert greeting["type"] == "HANDSHAKE"
    assert greeting["num_games"] == 2
    assert greeting["protocol"] == 2


@pytest.mark.point("carracing_socket", 6)
def test_frames_are_raw_pixels_in_base64(serve, connect, frame):
    told = connect(serve().address).state("RESET")
    assert len(told["frame"]) == 36_864
    assert frame(told).shape == (96, 96, 3)


@pytest.mark.point("carracing_socket", 7)
def test_missing_parts_of_an_action_are_zero(serve, connect):
    server = serve()
    client = connect(server.address)
    client.hello(mode="lockstep")
    client.state("RESET")
    for action in ({}, {"gas": 0.5}, {"steer": -1}, {"brake": 2.0, "horn": 1}):
        client.state("STEP", action=action)
    told = [list(controls) for controls in server.truth[0].episodes[-1]["controls"]]
    assert told == [[0, 0, 0], [0, 0.5, 0], [-1, 0, 0], [0, 0, 1]]  # 2.0 is beyond the range


@pytest.mark.point("carracing_socket", 8)
def test_a_game_that_was_never_reset_begins_when_it_is_looked_at(serve, connect):
    assert connect(serve().address).state()["telemetry"]["steps"] == 0


@pytest.mark.point("carracing_socket", 9)
def test_actions_are_never_answered(serve, connect):
    server = serve(step_s=0.002)
    client = connect(server.address)
    client.state("RESET")
    bad = [None, {"gas": "much"}, {"gas": None}, [1, 2, 3, 4], "left", {"steer": float("nan")}]
    for action in [THROTTLE, *bad]:
        client.send({"type": "SET_ACTION", "game_id": 0, "action": action})
    client.send({"type": "SET_ACTION", "game_id": 7, "action": THROTTLE})
    client.send({"type": "SET_ACTION", "game_id": "one", "action": THROTTLE})
    assert client.is_silent()
    told = client.state()
    assert told["info"]["rejected_actions"] == len(bad)
    before = told["telemetry"]["steps"]
    time.sleep(0.05)
    assert client.state()["telemetry"]["steps"] > before  # nothing has stopped the game


@pytest.mark.point("carracing_socket", 11)
def test_a_seed_decides_the_sequence_of_tracks(serve, connect, frame):
    shown = []
    for _ in range(2):
        client = connect(serve(seed=1).address)
        tracks = []
        for _ in range(2):
            told = client.state("RESET")
            tracks.append((told["telemetry"]["total_tiles"], frame(told).tobytes()))
        shown.append(tracks)
    assert shown[0] == shown[1]
    assert shown[0][0] != shown[0][1]


@pytest.mark.point("carracing_socket", 12)
@pytest.mark.parametrize("pause_s", [0.06, 0.01, 0.002, 0.0])
def test_each_end_is_told_once_at_any_rate_of_polling(serve, connect, pause_s):
    """Ticks of 2 ms: the pauses are those of 5, 20, 100 and unlimited looks a second in a game of 50 ticks."""
    server = serve(step_s=0.002, hold_s=0.1, max_frames=8)
    client = connect(server.address)
    client.state("RESET")
    ends = []
    while len(ends) < 20:
        told = client.state()
        if told["done"]:
            ends.append(told["telemetry"]["steps"])
        time.sleep(pause_s)
    assert ends == [8] * 20
    assert len(server.truth[0].episodes) in (20 + 1, 20 + 2)  # one for each end, and what runs by now


@pytest.mark.point("carracing_socket", 13)
def test_rewards_that_are_told_sum_to_the_return(serve, connect):
    server = serve(step_s=0.002, max_frames=40)
    client = connect(server.address)
    client.state("RESET")
    returns, total = [], 0.0
    while len(returns) < 3:
        client.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
        told = client.state()
        total += told["reward"]
        if told["done"]:
            returns.append(total)
            total = 0.0
        time.sleep(0.003)
    truth = [sum(episode["rewards"]) for episode in server.truth[0].episodes[:3]]
    assert returns == pytest.approx(truth, abs=1e-6)
    assert all(truth)


@pytest.mark.point("carracing_socket", 14)
def test_an_end_shows_the_final_frame_and_what_follows_the_next_episode(serve, connect, frame):
    server = serve(step_s=0.002, max_frames=10)
    client = connect(server.address)
    client.state("RESET")
    for _ in range(400):
        told = client.state()
        if told["done"]:
            break
        time.sleep(0.002)
    np.testing.assert_array_equal(frame(told), server.truth[0].episodes[0]["last"])
    assert told["telemetry"]["steps"] == 10
    after = client.state()
    assert after["done"] is False
    assert after["telemetry"]["steps"] < 10
    first = server.truth[0].episodes[1]["first"]
    if after["telemetry"]["steps"] == 0:
        np.testing.assert_array_equal(frame(after), first)


@pytest.mark.point("carracing_socket", 15)
def test_the_limit_may_lie_beyond_the_originals(serve, connect):
    client = connect(serve(max_frames=1500).address)
    client.hello(mode="lockstep")
    client.ask("CONFIG", frame="none")
    client.state("RESET")
    states = [client.state("STEP", action={}, repeat=100) for _ in range(15)]
    assert [told["done"] for told in states] == [False] * 14 + [True]
    assert states[-1]["truncated"] is True
    assert states[-1]["tick"] == 1500


@pytest.mark.point("carracing_socket", 16)
def test_no_action_reaches_the_next_episode(serve, connect, eventually):
    server = serve(step_s=0.002, max_frames=12, hold_s=0.0)
    client = connect(server.address)
    client.state("RESET")
    client.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
    episodes = server.truth[0].episodes
    eventually(lambda: len(episodes) > 1 and len(episodes[1]["controls"]) > 2)  # after an end
    assert [list(controls) for controls in episodes[1]["controls"][:3]] == [[0, 0, 0]] * 3
    client.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
    client.state("RESET")
    num = len(episodes)
    eventually(lambda: len(episodes) > num or len(episodes[num - 1]["controls"]) > 2)  # after RESET
    assert not np.any(episodes[num - 1]["controls"][:3])


@pytest.mark.timing
@pytest.mark.point("carracing_socket", 17)
def test_setting_and_looking_takes_less_than_two_milliseconds(serve, connect):
    client = connect(serve().address)
    client.state("RESET")
    times = []
    for _ in range(300):
        began = time.perf_counter()
        client.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
        client.state()
        times.append(time.perf_counter() - began)
    assert np.median(times) < 0.002


@pytest.mark.point("carracing_socket", 18)
@pytest.mark.parametrize("is_negotiated", [False, True])
def test_nonsense_is_answered_once_and_costs_nothing(serve, connect, is_negotiated):
    client = connect(serve().address)
    if is_negotiated:
        client.hello()
    nonsense = {
        b'{"type": "GET_STATE", "game_id": 5}': ("Invalid game_id: 5", "bad_game_id"),
        b'{"type": "FLY"}': ("Unknown command type: FLY", "unknown_type"),
        b"[1, 2]": ("object", "bad_message"),
        b'{"type": "\xff"}': ("UTF-8", "bad_json"),
        b"x" * (2 << 20): ("1,048,576", "line_too_long"),
    }
    for line, (words, code) in nonsense.items():
        client.send(line)
        told = json.loads(client.line())
        assert told["type"] == "ERROR"
        assert words in told["message"]
        assert told.get("code") == (code if is_negotiated else None)
        assert client.state()["type"] == "STATE"


@pytest.mark.slow
def test_a_client_that_polls_without_pause_and_resets_on_ends_never_stops_the_game(serve, connect):
    """The loop that the original's text recommends; four of five of its servers died of it."""
    server = serve(step_s=0.001, max_frames=3)
    client = connect(server.address)
    client.state("RESET")
    ends = 0
    while ends < 200:
        if client.state()["done"]:
            ends += 1
            client.state("RESET")
    assert client.state()["type"] == "STATE"
