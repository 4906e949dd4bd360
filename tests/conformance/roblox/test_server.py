"""The server over real sockets: its doors, its pages, and games that come, go and come back."""

import contextlib
import gc
import threading

import numpy as np
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus

from envs.errors import ConfigError
from envs.roblox import hubs
from envs.roblox.admission import is_own_page
from envs.roblox.vector import RobloxVectorEnv


def page(hub, path):
    return requests.get(f"http://{hub.address[0]}:{hub.address[1]}{path}", timeout=10.0).json()


@pytest.mark.point("roblox", 1)
def test_a_policy_has_a_plain_name(hub, client):
    at = hub()
    assert client(f"{at.url}/abc").hear()["command"] == "PING"
    for name in ("a%20b", "..", "%2e%2e", ".", "a" * 65, "%C3%A9", "a%2Fb"):
        with pytest.raises(InvalidStatus, match=r"403|404"):
            client(f"{at.url}/{name}")


@pytest.mark.point("roblox", 2)
def test_pages_have_the_keys_that_users_know(hub, client, eventually):
    at = hub(model_type="ppo")
    client(f"{at.url}/abc").hear()
    status = page(at, "/")
    assert {"status", "model_type", "available_models", "mode", "latency_enabled"} <= status.keys()
    assert (status["status"], status["model_type"], status["available_models"]) == ("running", "ppo", ["abc"])
    latency = page(at, "/latency")
    assert latency["enabled"] is True
    assert latency["trackers"].keys() == {"transport", "step"}
    assert latency["trackers"]["step"] == {"samples": 0, "total": 0, "timeouts": 0}
    one = client(f"{hub(settings={'dialect': 'v2'}).url}/abc")
    one.hear()
    at.transport.add(0.02)
    assert page(at, "/latency")["trackers"]["transport"].keys() == {
        *("samples", "total", "timeouts"),
        *("mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms"),
    }


@pytest.mark.point("roblox", 35)
def test_with_a_token_only_those_come_in_who_bring_it(hub, client):
    at = hub(token="s3cret")
    for query in ("", "?token=", "?token=other", "?Token=s3cret"):
        with pytest.raises(InvalidStatus, match="403"):
            client(f"{at.url}/abc{query}")
    assert client(f"{at.url}/abc?token=s3cret").hear()["command"] == "PING"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1.evil.example:8000", "null", "file://", ""]
)
def test_a_web_page_of_another_site_is_refused_in_words(hub, client, caplog, origin):
    """Any page that somebody visits may open a WebSocket to localhost; browsers say whose page it is."""
    at = hub()
    with pytest.raises(InvalidStatus, match="403"):
        client(f"{at.url}/abc", origin=origin)
    assert "Origin" in caplog.text
    assert repr(origin) in caplog.text
    assert not at.games[0].is_connected


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_a_page_of_this_machine_may_come_in(hub, client, origin):
    assert client(f"{hub().url}/abc", origin=origin).hear()["command"] == "PING"


def test_a_page_is_of_this_machine_when_it_is_at_the_address_that_was_connected_to():
    assert is_own_page("http://192.168.1.5:8000", "192.168.1.5")
    assert not is_own_page("http://192.168.1.6:8000", "192.168.1.5")
    assert not is_own_page("http://here.example", "192.168.1.5")


def test_a_game_that_names_another_policy_is_refused(hub, client):
    at = hub(model_id="mine")
    with pytest.raises(InvalidStatus, match="403"):
        client(f"{at.url}/yours")
    assert client(f"{at.url}/mine").hear()["command"] == "PING"


def test_more_games_than_seats_are_asked_to_come_later(hub, client):
    at = hub(games=1)
    client(f"{at.url}/abc").hear()
    second = client(f"{at.url}/abc")
    with pytest.raises(ConnectionClosed) as closed:
        second.hear()
    assert closed.value.rcvd.code == 1013


def test_a_game_that_is_here_before_the_env_waits_for_it(client):
    from envs.roblox.game import Game
    from envs.roblox.hub import RobloxHub
    from envs.roblox.settings import GameSettings

    at = RobloxHub("127.0.0.1", 0)
    early = client(f"{at.url}/abc")
    at.seat([Game([1], GameSettings(), lambda: "00000000-0000-4000-8000-000000000000")], None)
    assert early.hear()["command"] == "PING"
    at.close()


def test_binary_frames_and_nonsense_do_no_harm(hub, client, entry, eventually):
    at = hub(settings={"dialect": "v2"})
    one = client(f"{at.url}/abc")
    one.hear_until("SPAWN_AGENTS")
    for rubbish in (b"\x00\xff", "nonsense", "[]", '{"a": inf}'):
        one.say(rubbish)
    car = at.games[0].cars[0]
    one.say({car.id: entry()})
    eventually(lambda: car.is_known)
    assert at.games[0].counters.bad_messages == 2


def test_what_is_too_large_closes_the_connection_and_the_next_one_sits_there(hub, client, eventually):
    at = hub(settings={"dialect": "v2"})
    one = client(f"{at.url}/abc")
    one.hear()
    one.say("[" + "1," * (1 << 20) + "1]")
    eventually(lambda: not at.games[0].is_connected)
    assert client(f"{at.url}/abc").hear()["command"] == "PING"


def test_a_taken_port_is_said_in_words(hub):
    port = hub().address[1]
    with pytest.raises(ConfigError, match=r"cannot listen at 127\.0\.0\.1"):
        RobloxVectorEnv(1, port=port)


class Playing:
    """A game of one env by hand that plays by itself in a thread: it ticks after every command, and now and then."""

    def __init__(self, client, url, entry):
        self.socket, self.entry, self.cars = client(url), entry, []
        self.is_frozen = self.has_ended = False
        self.thread = threading.Thread(target=self.play, daemon=True)
        self.thread.start()

    def play(self):
        try:
            while not self.has_ended:
                self.hear()
                self.socket.say([] if self.is_frozen else {car: self.entry(reward=1.0) for car in self.cars})
        except (ConnectionClosed, OSError):
            pass

    def hear(self):
        with contextlib.suppress(TimeoutError):
            command = self.socket.hear(timeout_s=0.03)
            if command["command"] == "SPAWN_AGENTS":
                self.cars += command["data"]["agents"]
            if command["command"] == "FREEZE":
                self.is_frozen = command["data"]["status"]

    def leave(self):
        self.has_ended = True
        self.thread.join(10.0)
        self.socket.close()


@pytest.fixture
def listening():
    """Return a function that makes a vector env at a port of its own, and its URL."""
    made = []

    def make(num_envs=2, *, port=0, **arguments):
        env = RobloxVectorEnv(num_envs, port=port, dialect="v2", actions="game", **arguments)
        made.append(env)
        return env, env.world.hub.url + "/abc"

    yield make
    for env in made:
        env.close()
    hubs.end_all()


@pytest.mark.point("roblox", 34)
def test_two_games_with_one_name_are_slots_of_one_env(listening, client, entry, forwards):
    env, url = listening(4, games=2, cars=2)
    players = [Playing(client, url, entry) for _ in range(2)]
    env.reset()
    _, rewards, _, _, infos = env.step(forwards(4))
    assert (rewards >= 1.0).all()
    assert sorted(infos["car_id"]) == sorted(players[0].cars + players[1].cars)
    for player in players:
        player.leave()


@pytest.mark.point("roblox", 23)
def test_a_game_comes_back_to_its_slots_over_sockets(listening, client, entry, forwards):
    env, url = listening(2)
    player = Playing(client, url, entry)
    env.reset()
    _, _, _, _, infos = env.step(forwards(2))
    ids = infos["car_id"].tolist()
    player.leave()
    _, _, terminated, truncated, infos = env.step(forwards(2))
    while not truncated.any():
        _, _, terminated, truncated, infos = env.step(forwards(2))
    assert truncated.all()
    assert not terminated.any()
    assert infos["reason"].tolist() == ["disconnect"] * 2
    again = Playing(client, url, entry)
    _, rewards, _, truncated, _ = env.step(forwards(2))  # waits for it, and begins
    assert not truncated.any()
    _, rewards, _, truncated, infos = env.step(forwards(2))
    assert not truncated.any()
    assert (rewards >= 1.0).all()
    assert infos["car_id"].tolist() == ids == again.cars
    assert infos["link_reconnects"].tolist() == [1, 1]
    again.leave()


@pytest.mark.point("roblox", 24)
def test_the_port_and_the_game_outlive_an_env_that_is_built_anew(listening, client, entry, forwards):
    first, url = listening(2)
    port = first.world.hub.address[1]
    player = Playing(client, url, entry)
    first.reset()
    first.step(forwards(2))
    first.close()
    second, _ = listening(2, port=port)
    second.reset()
    _, rewards, *_ = second.step(forwards(2))
    assert (rewards >= 1.0).all()
    assert len(player.cars) == 2  # nothing was spawned twice
    player.leave()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_env_whose_world_is_closed_or_that_nobody_closes_frees_its_port_once(listening):
    first, _ = listening(1)
    port = first.world.hub.address[1]
    hubs._users[first.world.hub] += 1  # another env at the same port
    hub = first.world.hub
    first.world.close()
    first.world.close()
    first.close()
    assert hubs._users[hub] == 1
    with hubs._lock:  # its memory may be freed anywhere: while another env takes a port, say
        forgotten = RobloxVectorEnv(1, port=port, dialect="v2")
        del forgotten
        gc.collect()
    assert hubs._users[hub] == 1
    hubs.give_back(hub, lingers=False)


def test_runner_w_listens_at_the_port_plus_w(listening):
    first, _ = listening(1)
    port = first.world.hub.address[1]
    second = RobloxVectorEnv(1, port=port - 1, runner=2, dialect="v2")
    assert second.world.hub.address[1] == port + 1
    second.close()


def test_one_port_hands_games_on_to_the_runners_beside_it(listening, client, entry, forwards):
    for _ in range(10):  # until two ports side by side are free
        first, url = listening(1, hub=True)
        port = first.world.hub.address[1]
        with contextlib.suppress(ConfigError):
            second = RobloxVectorEnv(1, port=port, runner=1, hub=True, dialect="v2", actions="game")
            break
    players = [Playing(client, url, entry) for _ in range(2)]
    for env in (first, second):
        env.reset()
        _, rewards, *_ = env.step(forwards(1))
        assert rewards[0] >= 1.0
    third = client(url)
    with pytest.raises(ConnectionClosed) as closed:
        third.hear()
    assert closed.value.rcvd.code == 1013
    for player in players:
        player.leave()
    second.close()


def test_a_stalled_env_over_sockets_freezes_and_goes_on(listening, client, entry, forwards, eventually):
    env, url = listening(1, auto_freeze_s=0.1)
    player = Playing(client, url, entry)
    env.reset()
    env.step(forwards(1))
    eventually(lambda: env.world.games[0].is_frozen)
    _, rewards, *_ = env.step(forwards(1))
    assert rewards[0] >= 1.0
    assert env.counters()["stalls"] == 1
    player.leave()


def test_an_env_that_waits_for_a_width_measures_it(listening, client, entry):
    from envs.roblox.twin.client import TwinClient

    hub_env, _ = listening(1)
    port = hub_env.world.hub.address[1]
    hub_env.close()
    hubs.end_all()
    with TwinClient(f"ws://127.0.0.1:{port}/ws/abc", speed=4.0, game={"vehicle": "cart5", "dialect": "v2"}):
        env = RobloxVectorEnv(2, port=port, obs_preset="auto", speed=4.0)
        assert env.single_observation_space.shape == (16,)
        seen, _ = env.reset()
        assert np.isfinite(seen).all()
        env.close()
