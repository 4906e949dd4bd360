"""Version 2 of the CarRacing socket protocol: what HELLO brings."""

import base64
import json
import signal
import time

import cv2
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from envs.remote.env import RemoteEnv
from envs.remote.racing_client import RacingGameClient, ServerError
from envs.remote.vector import RemoteVectorEnv

V1_KEYS = {"type", "game_id", "frame", "frame_shape", "telemetry", "reward", "done", "info"}
V2_KEYS = {"terminated", "truncated", "tick", "episode", "ticks", "seed", "track_id", "t_sim", "t_wall", "reset"}
THROTTLE = {"steer": 0.1, "gas": 1.0}


@pytest.fixture
def lockstep(serve, connect):
    """Return a function that serves games and returns a client in lock-step with the server."""

    def start(num_games=1, **env):
        server = serve(num_games, **env)
        client = connect(server.address)
        client.welcome = client.hello(mode="lockstep")
        return client, server

    return start


@pytest.mark.point("carracing_socket", 21)
def test_hello_upgrades_and_nothing_else_does(serve, connect):
    server = serve()
    old, new = connect(server.address), connect(server.address)
    assert set(old.state("RESET")) == V1_KEYS
    assert old.ask("STEP", action={})["type"] == "ERROR"
    welcome = new.hello()
    assert welcome["type"] == "WELCOME"
    assert welcome["games"] == [0]
    assert welcome["limits"] == {"line": 1_048_576, "repeat": 100}
    assert set(new.state()) >= V1_KEYS | V2_KEYS
    assert set(old.state()) == V1_KEYS


@pytest.mark.point("carracing_socket", 22)
def test_a_repeated_step_equals_single_ones(lockstep):
    client, _ = lockstep(2)
    for game_id in (0, 1):
        client.state("RESET", game_id=game_id, seed=5)
    at_once = client.state("STEP", game_id=0, action=THROTTLE, repeat=4)
    singly = [client.state("STEP", game_id=1, action=THROTTLE) for _ in range(4)]
    assert at_once["reward"] == pytest.approx(sum(told["reward"] for told in singly), abs=1e-12)
    assert at_once["frame"] == singly[-1]["frame"]
    assert (at_once["ticks"], at_once["tick"]) == (4, 4)


@pytest.mark.point("carracing_socket", 23)
def test_equal_seeds_and_actions_give_equal_frames(lockstep, frame):
    """And they are Gymnasium's own."""
    client, _ = lockstep(2)
    stock = gym.make("CarRacing-v3")
    picture, _ = stock.reset(seed=11)
    told = [client.state("RESET", game_id=game_id, seed=11) for game_id in (0, 1)]
    assert told[0]["track_id"] == told[1]["track_id"]
    assert told[0]["seed"] == 11
    generator = np.random.default_rng(0)
    for step in range(300):
        steer, gas, brake = generator.uniform([-1, 0, 0], [1, 1, 0.2]).tolist()
        action = {"steer": steer, "gas": gas, "brake": brake}
        told = [client.state("STEP", game_id=game_id, action=action) for game_id in (0, 1)]
        picture, reward, *_ = stock.step(np.array([steer, gas, brake]))
        assert told[0]["frame"] == told[1]["frame"], step
        assert told[0]["reward"] == told[1]["reward"] == reward
        if step % 20 == 0:
            np.testing.assert_array_equal(frame(told[0]), picture)
    stock.close()


@pytest.mark.point("carracing_socket", 24)
def test_a_step_after_an_end_begins_the_next_episode(lockstep):
    client, server = lockstep(max_frames=3)
    client.state("RESET")
    assert client.state("STEP", action={}, repeat=10)["truncated"] is True
    told = client.state("STEP", action=THROTTLE)
    assert (told["reset"], told["reward"], told["done"], told["ticks"]) == (True, 0.0, False, 0)
    assert server.truth[0].episodes[-1]["controls"] == []
    assert client.ask("CONFIG", autoreset=False)["autoreset"] is False
    client.state("STEP", action={}, repeat=10)
    told = client.ask("STEP", action={})
    assert (told["type"], told["code"], told["game_id"]) == ("ERROR", "needs_reset", 0)
    assert client.state("RESET")["reset"] is True


@pytest.mark.point("carracing_socket", 25)
def test_a_batch_is_one_line_of_states_in_order(lockstep):
    client, _ = lockstep(6)
    told = client.ask("RESET_BATCH", resets={str(game_id): {"seed": game_id} for game_id in range(6)})
    assert [one["seed"] for one in told["states"]] == list(range(6))
    actions = {str(game_id): THROTTLE for game_id in (4, 2, 0, 5, 3, 1, 9)}
    told = client.ask("STEP_BATCH", actions=actions, repeat=2)
    assert told["type"] == "STATES"
    assert [one["game_id"] for one in told["states"]] == list(range(6))
    assert told["errors"] == {"9": {"code": "bad_game_id", "message": "Invalid game_id: 9"}}
    told = client.ask("STEP_BATCH", actions={"0": THROTTLE, "1": {"gas": "much"}})
    assert [one["game_id"] for one in told["states"]] == [0]
    assert told["errors"]["1"]["code"] == "bad_action"


@pytest.mark.point("carracing_socket", 26)
def test_binary_frames_are_the_same_bytes(lockstep):
    client, _ = lockstep(2)
    client.ask("RESET_BATCH", resets={"0": {"seed": 1}, "1": {"seed": 2}})
    actions = {"0": THROTTLE, "1": THROTTLE}
    client.ask("STEP_BATCH", actions=actions)
    in_base64 = [base64.b64decode(client.state(game_id=game_id)["frame"]) for game_id in (0, 1)]
    assert client.ask("CONFIG", encoding="bin")["encoding"] == "bin"
    for game_id in (0, 1):
        told = client.state(game_id=game_id)
        assert (told["frame"], told["frame_bytes"], told["frame_codec"]) == (None, 27_648, "raw")
        assert client.file.read(27_648) == in_base64[game_id]
    told = client.ask("STEP_BATCH", actions=actions)
    blocks = client.file.read(sum(one["frame_bytes"] for one in told["states"]))
    assert len(blocks) == 2 * 27_648
    assert client.ask("PING", t=1.0)["t"] == 1.0  # the next line begins where the blocks end


@pytest.mark.point("carracing_socket", 27)
def test_frames_have_the_form_that_was_asked_for(lockstep, frame):
    client, server = lockstep()
    client.state("RESET", seed=3)
    picture = server.truth[0].stock_view()
    client.ask("CONFIG", frame="gray")
    told = client.state()
    assert told["frame_shape"] == [96, 96, 1]
    np.testing.assert_array_equal(frame(told)[..., 0], cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    client.ask("CONFIG", frame="rgb", size=[48, 64])
    told = client.state()
    assert told["frame_shape"] == [48, 64, 3]
    assert frame(told).shape == (48, 64, 3)
    client.ask("CONFIG", size=[96, 96], codec="png")
    told = client.state()
    assert told["frame_codec"] == "png"
    png = cv2.imdecode(np.frombuffer(base64.b64decode(told["frame"]), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(png[..., ::-1], picture)
    client.ask("CONFIG", codec="jpeg", quality=90)
    told = client.state()
    jpeg = cv2.imdecode(np.frombuffer(base64.b64decode(told["frame"]), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(jpeg[..., ::-1].astype(int) - picture).mean() < 5
    client.ask("CONFIG", frame="none")
    told = client.state()
    assert (told["frame"], told["frame_shape"]) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "fast"}, {"frame": 3}, {"size": [0, 5]}, {"size": 9}, {"quality": 0}, {"obs": 1}, {"codec": "gif"}],
)
def test_a_wrong_config_is_refused_and_changes_nothing(lockstep, wrong):
    client, _ = lockstep()
    before = client.ask("CONFIG")
    assert client.ask("CONFIG", quality=30, **wrong)["code"] == "bad_message" if "quality" not in wrong else True
    assert client.ask("CONFIG", **wrong)["code"] == "bad_message"
    assert client.ask("CONFIG") == before


@pytest.mark.point("carracing_socket", 28)
def test_requests_are_numbered_as_the_client_likes(lockstep):
    client, _ = lockstep()
    assert client.ask("RESET", req=7)["req"] == 7
    assert client.ask("RESET_BATCH", resets={"0": {}}, req="eight")["req"] == "eight"
    assert client.ask("PING", t=0.5, req=9)["req"] == 9
    assert client.ask("CONFIG", req="ten")["req"] == "ten"
    told = client.ask("STEP", action="left", req=11)
    assert (told["type"], told["req"]) == ("ERROR", 11)
    assert client.ask("FLY", req=12)["req"] == 12


@pytest.mark.point("carracing_socket", 29)
def test_who_writes_first_drives_and_others_watch(serve, connect, eventually):
    server = serve(2)
    driver, other = connect(server.address), connect(server.address)
    driver.hello()
    other.hello()
    driver.state("RESET", game_id=0)
    assert other.state(game_id=0)["type"] == "STATE"
    for kind in ("RESET", "SET_ACTION"):
        assert other.ask(kind, game_id=0, action=THROTTLE)["code"] == "not_owner"
    assert other.state("RESET", game_id=1)["game_id"] == 1
    driver.close()
    eventually(lambda: other.ask("RESET", game_id=0)["type"] == "STATE")


@pytest.mark.point("carracing_socket", 30)
def test_a_token_opens_the_door(serve, connect):
    server = serve(token="open sesame")
    for first in ({"type": "HELLO", "protocol": 2, "token": "guess"}, {"type": "GET_STATE"}, {"type": "CLOSE"}):
        stranger = connect(server.address)
        stranger.send(first)
        assert json.loads(stranger.line())["code"] == "auth_required"
        assert stranger.line() == b""
    assert connect(server.address).hello(token="open sesame")["type"] == "WELCOME"
    with pytest.raises(ConnectionError, match="token"):
        RacingGameClient(*server.address).connect()


def hosts_of(*servers):
    return [f"{server.address[0]}:{server.address[1]}" for server in servers]


@pytest.mark.point("carracing_socket", 31)
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
def test_gymnasiums_checker_passes(serve):
    env = RemoteEnv(hosts=hosts_of(serve()))
    check_env(env, skip_render_check=True)
    env.close()


@pytest.mark.point("carracing_socket", 32)
def test_a_vector_of_remote_games_equals_local_ones(serve):
    """Two games at each of two servers; episodes of 30 frames, so that each env is reset several times."""
    from envs.carracing.vector import CarRacingVectorEnv

    arguments = {"renderer": "fast", "image_size": 16, "max_frames": 30, "action_repeat": 4}
    remote = RemoteVectorEnv(4, hosts=hosts_of(serve(2, **arguments), serve(2, **arguments)))
    local = CarRacingVectorEnv(4, **arguments)
    assert remote.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert remote.single_observation_space == local.single_observation_space
    assert remote.single_action_space == local.single_action_space
    np.testing.assert_array_equal(remote.reset(seed=3)[0], local.reset(seed=3)[0])
    local.action_space.seed(0)
    ends = 0
    for _ in range(40):
        actions = local.action_space.sample()
        told, expected = remote.step(actions), local.step(actions)
        for one, other in zip(told[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        for name, value in expected[4].items():
            np.testing.assert_array_equal(told[4][name], value)
        ends += int(told[3].sum())
    assert ends == 4 * 4  # 8 decisions an episode, and one to begin the next
    remote.close()
    local.close()


@pytest.mark.point("carracing_socket", 34)
def test_a_killed_server_is_an_error_in_time(serve_process):
    process = serve_process("port=0", "env=dummy")
    with RacingGameClient(*process.address, timeout=5.0) as client:
        client.reset()
        process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            for _ in iter(client.get_state, None):  # answers that were on their way may still come
                pass
        assert time.monotonic() - began < 5.0
        with pytest.raises(ConnectionError):
            client.get_state()  # and it stays one


def test_the_client_has_the_originals_methods_and_tuples(serve):
    server = serve(2, step_s=0.002)
    client = RacingGameClient(server.address[0], server.address[1])
    with pytest.raises(ValueError, match="no connection"):
        client.get_state()
    with client:
        assert (client.num_games, client.connected, client.protocol) == (2, True, 2)
        telemetry, frame, reward, done, info = client.reset(1, seed=4)
        assert (telemetry["steps"], reward, done) == (0, 0.0, False)
        assert frame.shape == (96, 96, 3)
        assert frame.flags.writeable
        assert info["track_seed"] == 4
        client.set_action(THROTTLE, 1)
        assert client.get_state(1, wait_ticks=3)[0]["steps"] >= 3
        assert client.last_state[1].fields["ticks"] >= 3
        with pytest.raises(ServerError) as refused:
            client.step(THROTTLE)
        assert refused.value.code == "wrong_mode"
        with pytest.raises(ValueError, match="2 games"):
            client.reset(2)
        assert len(client.ping()["tick_hz"]) == 2
    assert not client.connected
    client.disconnect()


def test_a_late_answer_is_not_taken_for_the_next(serve):
    """Ticks of a second: the game takes longer than the client waits."""
    server = serve(step_s=1.0)
    with RacingGameClient(*server.address, timeout=0.2) as client:
        client.reset()
        with pytest.raises(TimeoutError):
            client._session.request("GET_STATE", game_id=0, wait_ticks=5, timeout_ms=400)
        time.sleep(0.4)
        assert client.ping()["type"] == "PONG"


def test_a_game_that_was_left_after_an_end_runs_for_the_next_driver(serve, connect, eventually):
    server = serve(step_s=0.002, max_frames=3)
    client = connect(server.address)
    client.hello(mode="lockstep")
    client.state("RESET")
    assert client.state("STEP", action={}, repeat=3)["done"] is True
    client.close()
    eventually(lambda: not server.games[0].is_leased)
    old = connect(server.address)
    old.send({"type": "SET_ACTION", "game_id": 0, "action": THROTTLE})
    eventually(lambda: old.state()["telemetry"]["steps"] == 2)


def test_an_env_that_fails_is_told_and_a_reset_builds_it_anew(serve, connect):
    server = serve()
    client = connect(server.address)
    client.hello(mode="lockstep")
    client.state("RESET")
    broken = server.truth[0]
    broken.step_controls = lambda controls: 1 / 0
    for _ in range(2):
        told = client.ask("STEP", action={})
        assert (told["code"], "ZeroDivisionError" in told["message"]) == ("env_error", True)
    assert client.state("RESET")["reset"] is True
    assert client.state("STEP", action={})["ticks"] == 1


def test_waiting_ends_in_time_when_nothing_ticks(serve, connect):
    client = connect(serve().address)
    client.hello(mode="lockstep")
    client.state("RESET")
    told = client.state(wait_ticks=5, timeout_ms=100)
    assert told["ticks"] == 0


def test_info_that_json_has_not_is_told_all_the_same(serve, connect):
    server = serve()
    env = server.truth[0]
    plain = env.reset

    def reset(**arguments):
        observation, info = plain(**arguments)
        odd = {"nan": float("nan"), "array": np.arange(3), "numpy": np.float32(0.5), "huge": 2**70, "object": object()}
        return observation, info | odd

    env.reset = reset
    told = connect(server.address).state("RESET")["info"]
    assert told["array"] == [0, 1, 2]
    assert told["numpy"] == 0.5
    assert told["nan"] is None or told["nan"] != told["nan"]


def test_a_game_stands_still_when_its_driver_has_left(serve, connect, eventually):
    server = serve(step_s=0.002)
    driver = connect(server.address)
    driver.state("RESET")
    driver.send({"type": "SET_ACTION", "action": {"gas": 1.0}})
    eventually(lambda: driver.state()["telemetry"]["steps"] > 3)
    driver.close()
    eventually(lambda: not server.games[0].is_leased)
    watcher = connect(server.address)
    stopped = watcher.state()["telemetry"]["steps"]
    assert watcher.state()["telemetry"]["steps"] == stopped
    watcher.send({"type": "SET_ACTION", "action": {}})
    eventually(lambda: watcher.state()["telemetry"]["steps"] > stopped)


@pytest.mark.parametrize("mode", ["lockstep", "free"])
def test_a_driven_game_can_be_looked_at_without_losing_anything(serve, mode):
    server = serve(step_s=0.002)
    env = RemoteEnv(hosts=hosts_of(server), mode=mode, render_mode="rgb_array")
    env.reset(seed=2)
    ticks = 0
    for _ in range(5):
        picture = env.render()
        assert picture.shape == (96, 96, 3)
        ticks += env.step(np.array([0.0, 0.5, 0.0], np.float32))[4]["frames"]
        if mode == "lockstep":
            np.testing.assert_array_equal(env.render(), server.truth[0].stock_view())
    assert ticks == env._driving.seats._seats[0].tick
    env.close()


def test_numbers_beyond_all_floats_are_bad_actions(lockstep):
    client, _ = lockstep(2)
    client.ask("RESET_BATCH", resets={"0": {}, "1": {}})
    told = client.ask("STEP_BATCH", actions={"0": {"gas": 10**400}, "1": {}})
    assert told["errors"]["0"]["code"] == "bad_action"
    assert [one["game_id"] for one in told["states"]] == [1]


def test_who_waits_for_a_tick_hears_of_a_step_at_once(lockstep, connect):
    client, server = lockstep()
    client.state("RESET")
    watcher = connect(server.address)
    watcher.hello()
    watcher.state()
    watcher.send({"type": "GET_STATE", "wait_ticks": 1, "timeout_ms": 9000})
    client.state("STEP", action={})
    began = time.monotonic()
    assert json.loads(watcher.line())["ticks"] == 1
    assert time.monotonic() - began < 5.0


def test_a_game_that_is_stepped_for_long_stops_no_other(serve, connect, eventually):
    server = serve(2, step_s=0.002)
    slow, free = connect(server.address), connect(server.address)
    slow.hello(mode="lockstep")
    slow.state("RESET", game_id=1)
    step = server.truth[1].step_controls
    server.truth[1].step_controls = lambda controls: (time.sleep(1.0), step(controls))[1]
    free.state("RESET", game_id=0)
    slow.send({"type": "STEP", "game_id": 1, "action": {}})
    eventually(lambda: free.state(game_id=0)["telemetry"]["steps"] > 50, timeout_s=5.0)
    assert slow.is_silent(0.01)  # it was not over before


def test_telemetry_comes_without_a_picture(lockstep):
    client, _ = lockstep()
    client.ask("CONFIG", frame="none")
    client.state("RESET")
    telemetry = client.state("STEP", action=THROTTLE, repeat=3)["telemetry"]
    assert telemetry["steps"] == 3
    assert telemetry["total_tiles"] > 100


def test_the_client_takes_numpys_numbers(serve):
    with RacingGameClient(*serve().address, mode="lockstep") as client:
        client.reset(0, seed=np.int64(3))
        assert client.step({"steer": np.float32(0.5), "gas": np.float64(1.0)})[0]["steps"] == 1


def test_an_env_that_cannot_be_rebuilt_is_told_again_and_again(serve, connect):
    server = serve()
    client = connect(server.address)
    client.hello(mode="lockstep")
    client.state("RESET")
    server.truth[0].step_controls = lambda controls: 1 / 0

    def fail(training):
        raise RuntimeError("the game is not installed any more")

    server.games[0].world._make = fail
    assert client.ask("STEP", action={})["code"] == "env_error"
    for _ in range(2):
        told = client.ask("RESET")
        assert (told["code"], "not installed any more" in told["message"]) == ("env_error", True)
