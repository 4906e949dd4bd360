"""What our client sends, when, and which states it takes; against a plugin by hand."""

import json
import math
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.assetto_corsa import safety
from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.ego_client import EgoClient
from envs.assetto_corsa.faults import NOT_IDENTIFIED, REFUSED, RESTARTED, SERVER_DIED, LinkFault
from envs.assetto_corsa.received import StateOrder
from envs.errors import ProtocolError

ACTION = np.array([0.1, 1.0, -1.0], np.float32)
WORDS = (b"connect", b"disconnect")


def is_control(data):
    try:
        parsed = json.loads(data)
    except ValueError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("server_steps"), int) and len(data) < 1024


@pytest.fixture
def client(plugin, fake_time):
    """Return a function that makes a client of the plugin, on a fake clock; its arguments may differ."""
    made = []

    def make(**arguments):
        clock = {"now": fake_time.now, "sleep": fake_time.sleep, "wait": fake_time.wait}
        made.append(EgoClient("127.0.0.1", plugin.port, **clock | arguments))
        return made[-1]

    yield make
    for one in made:
        one.disconnect()


@pytest.mark.point("assetto_corsa", 1)
@pytest.mark.point("assetto_corsa", 3)
def test_only_three_kinds_of_datagrams_are_sent_and_controls_only_while_identified(plugin, connect_env, eventually):
    env = connect_env(state_timeout_s=0.3, connect_wait_s=0.2)
    env.reset()
    for _ in range(5):
        env.step(ACTION)
    env.reset()
    env.step(ACTION)
    plugin.silent, plugin.deaf = True, 1000
    assert env.step(ACTION)[3]  # and a lost link
    plugin.silent, plugin.deaf = False, 0
    env.reset()
    env.step(ACTION)
    env.close()
    eventually(lambda: plugin.datagrams[-1] == b"disconnect")
    is_connected = False
    for data in plugin.datagrams:
        assert data in WORDS or is_control(data), data
        if data == b"connect":
            is_connected = True
        elif data == b"disconnect":
            is_connected = False
        else:
            assert is_connected
    assert plugin.datagrams.count(b"connect") >= 4


@pytest.mark.point("assetto_corsa", 2)
@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.integers(0, 2**40), st.booleans())
def test_controls_are_json_with_server_steps_and_short(axes, steps, has_gears):
    data = Controls(*axes, enable_gear_shift=has_gears, shift_up=has_gears).datagram(steps)
    parsed = json.loads(data)
    assert len(data) < 1024
    assert parsed["server_steps"] == steps
    assert [parsed["steer"], parsed["acc"], parsed["brake"]] == axes  # every digit survives


def test_controls_are_the_original_clients_bytes():
    data = Controls(0.24038085937500017, 1.0, -1.0).datagram(33)
    assert data == (
        b'{"steer": 0.24038085937500017, "acc": 1.0, "brake": -1.0, "enable_gear_shift": false, "shift_up": false, '
        b'"shift_down": false, "server_steps": 33}'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_control_that_json_has_no_word_for_is_refused(value):
    with pytest.raises(ProtocolError, match="finite"):
        Controls(0.0, value, -1.0)


@pytest.mark.point("assetto_corsa", 4)
def test_connect_is_repeated_after_a_second_at_least_and_so_many_times(plugin, client, fake_time):
    asked = []

    def sent(data):
        asked.append((fake_time.now_s, data))
        return send(data)

    plugin.deaf = 10
    ego = client(connect_tries=3, connect_wait_s=1.0)
    send, ego._socket.send = ego._socket.send, sent
    with pytest.raises(LinkFault, match="3 times") as caught:
        ego.connect()
    assert caught.value.cause == NOT_IDENTIFIED
    assert [data for _, data in asked] == [b"connect"] * 3
    assert np.diff([when for when, _ in asked]).min() >= 1.0
    with pytest.raises(LinkFault):
        ego.connect(tries=1)
    assert np.diff([when for when, _ in asked]).min() >= 1.0  # another attempt waits as well
    assert plugin.datagrams == [b"connect"] * 4


@pytest.mark.timing
def test_connect_is_repeated_after_a_second_of_real_time(plugin):
    plugin.deaf = 1
    ego = EgoClient("127.0.0.1", plugin.port, connect_wait_s=1.0)
    ego.connect()
    ego.disconnect()
    assert plugin.times[1] - plugin.times[0] >= 1.0


def test_where_nobody_listens_it_is_said_at_once(fake_time):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    ego = EgoClient("127.0.0.1", port, now=fake_time.now, sleep=fake_time.sleep, wait=fake_time.wait)
    with pytest.raises(LinkFault, match=r"sensors_par") as caught:
        ego.connect()
    assert caught.value.cause == REFUSED


@pytest.mark.point("assetto_corsa", 5)
def test_a_stray_identified_is_skipped(plugin, client):
    ego = client()
    assert ego.connect().state["steps"] == 1
    plugin.extra = [b"identified"]
    ego.send(Controls(0.0, 1.0, -1.0))
    assert ego.receive(2.0).state["steps"] == 2


@pytest.mark.point("assetto_corsa", 6)
def test_a_datagram_from_elsewhere_is_ignored(plugin, client, make_state):
    ego = client()
    ego.connect()
    own = ego._socket.address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (json.dumps(make_state(500)).encode(), b"disconnect", b"nonsense"):
            stranger.sendto(data, own)
        plugin.on_control = lambda control: [stranger.sendto(json.dumps(make_state(900)).encode(), own)]
        ego.send(Controls(0.0, 1.0, -1.0))
        assert ego.receive(2.0).state["steps"] == 2
        plugin.on_control = lambda control: None


@pytest.mark.point("assetto_corsa", 7)
@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda state: state.pop("SlipAngle_rl"), "SlipAngle_rl"),
        (lambda state: state.update(RPM=math.nan), "RPM"),
        (lambda state: state.update(speed=math.inf), "speed"),
        (lambda state: state.update(tyres_load=[1.0, 2.0, math.nan, 4.0]), "tyres_load"),
        (lambda state: state.update(yaw="0"), "yaw"),
        (lambda state: state.update(LapCount=True), "LapCount"),
        (lambda state: state.update(Mz=[1.0]), "Mz"),
        (lambda state: state.update(speed=10**400), "speed"),
    ],
)
def test_a_state_with_an_unsound_value_names_its_key(plugin, connect_env, eventually, make_state, change, word):
    env = connect_env()
    observation, _ = env.reset()
    assert np.isfinite(observation).all()

    def broken(steps):
        state = make_state(steps)
        change(state)
        return state

    plugin.state = broken
    with pytest.raises(ProtocolError, match=word):
        env.step(ACTION)
    # What was raised has left the car safe.
    eventually(lambda: plugin.datagrams[-1] == b"disconnect")
    assert plugin.controls[-1]["acc"] == -1.0


def test_states_that_came_and_were_passed_over_are_not_missing(make_state):
    """D18: 5 to 13 were sent; 7 and 12 never came, 8 to 11 waited before the control, 13 is the newest."""
    order = StateOrder("the plugin")
    found = []
    for came in ((5,), (6,), (8, 9, 10, 11, 13)):
        for steps in came:
            assert order.take(make_state(steps), 0.0)
        found.append(order.hand_out(make_state(came[-1]), 0.0, skipped=0))
    assert [(one.lost, one.missing) for one in found] == [(0, 0), (0, 0), (6, 2)]


@pytest.mark.point("assetto_corsa", 8)
def test_of_states_that_all_wait_the_newest_is_used_and_the_others_are_counted(plugin, connect_env, eventually):
    env = connect_env()
    env.reset()  # states 1 to 4
    for _ in range(7):
        plugin.send_state()  # before the control: nobody's result
    plugin.burst = 20
    env.send_action(ACTION)
    eventually(lambda: plugin.steps == 31)
    _, _, _, _, info = env.receive()
    assert plugin.controls[-1]["server_steps"] == 11  # the 7 gave the newest number
    assert info["steps"] == 31
    assert info["skipped_states"] == 19
    assert info["link_skipped"] == 26  # the 7 as well: nobody saw them
    assert info["frames"] == 27


def test_states_from_before_the_control_are_not_its_result(plugin, client):
    ego = client()
    ego.connect()
    for _ in range(7):
        plugin.send_state()
    plugin.silent = True
    ego.send(Controls(0.0, 1.0, -1.0))
    with pytest.raises(LinkFault, match="no state"):
        ego.receive(0.1)


@pytest.mark.point("assetto_corsa", 9)
@pytest.mark.parametrize("on_link_lost", ["truncate", "raise"])
def test_without_a_state_the_step_is_truncated_or_raises(plugin, connect_env, on_link_lost):
    env = connect_env(state_timeout_s=0.1, connect_wait_s=0.2, on_link_lost=on_link_lost)
    observation, _ = env.reset()
    plugin.silent = True
    plugin.deaf = 1000
    began = time.monotonic()
    if on_link_lost == "raise":
        with pytest.raises(LinkFault, match="no state within"):
            env.step(ACTION)
    else:
        last, reward, terminated, truncated, info = env.step(ACTION)
        assert (reward, terminated, truncated) == (0.0, False, True)
        assert info["reason"] == "link_lost"
        assert "no state within 0.1 s" in info["fault"]
        np.testing.assert_array_equal(last, observation)
    assert time.monotonic() - began < 3.0
    plugin.silent, plugin.deaf = False, 0
    env.reset()
    assert not env.step(ACTION)[3]


def test_a_link_that_comes_back_at_once_goes_on(plugin, connect_env):
    env = connect_env(state_timeout_s=0.1)
    env.reset()
    plugin.silent = True
    _, _, _, truncated, info = env.step(ACTION)
    assert not truncated  # `connect` was answered, and a state came
    assert info["link_reconnects"] == 1
    plugin.silent = False
    assert not env.step(ACTION)[3]


@pytest.mark.point("assetto_corsa", 10)
def test_a_safe_command_precedes_every_disconnect(plugin, connect_env, eventually):
    env = connect_env(safe_brake=0.3)
    env.reset()
    env.step(ACTION)
    env.reset()
    env.step(ACTION)
    with pytest.raises(ValueError, match="finite"):
        env.step(np.array([np.nan, 0.0, 0.0]))
    env.reset()
    env.step(ACTION)
    env.close()
    env.close()
    eventually(lambda: plugin.datagrams.count(b"disconnect") == 3)
    for place, data in enumerate(plugin.datagrams):
        if data == b"disconnect":
            safe = json.loads(plugin.datagrams[place - 1])
            assert (safe["steer"], safe["acc"], safe["brake"]) == (0.0, -1.0, 0.3)


def test_a_car_is_left_safe_while_nobody_drives_between_episodes(plugin, connect_env, eventually):
    env = connect_env(max_steps=3, safe_brake=0.5)
    env.reset()
    for _ in range(3):
        env.step(ACTION)
    eventually(lambda: len(plugin.controls) == 7)  # three at the start, three steps, and then
    assert (plugin.controls[-1]["acc"], plugin.controls[-1]["brake"]) == (-1.0, 0.5)
    assert plugin.datagrams[-1] != b"disconnect"
    assert env.reset()[1]["steps"] == 4


def test_an_exception_in_the_middle_of_a_step_leaves_the_car_safe(plugin, connect_env, monkeypatch, eventually):
    env = connect_env()
    env.reset()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(env.race.parts.preset, "of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        env.step(ACTION)
    eventually(lambda: plugin.datagrams[-1] == b"disconnect")
    assert plugin.controls[-1]["acc"] == -1.0


_DRIVEN = """
import sys, time
from envs.assetto_corsa.controls import Controls, safe_controls
from envs.assetto_corsa.ego_client import EgoClient
from envs.assetto_corsa.link import SocketLink
from envs.assetto_corsa.management import ManagementClient
port = int(sys.argv[1])
link = SocketLink(EgoClient("127.0.0.1", port), ManagementClient("127.0.0.1", port + 2), safe=safe_controls(0.0),
                  reset_wait_s=0.0)
link.begin()
link.send(Controls(0.0, 1.0, -1.0))
link.receive(2.0)
print("driving", flush=True)
if sys.argv[2] == "wait":
    time.sleep(30)
elif sys.argv[2] == "raise":
    raise RuntimeError
"""


@pytest.mark.parametrize("end", ["wait", "raise", "leave"])
def test_whatever_ends_the_process_the_car_is_left_safe(plugin, root, eventually, end):
    words = [sys.executable, "-c", _DRIVEN, str(plugin.port), end]
    process = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "driving\n"
    if end == "wait":
        process.send_signal(signal.SIGTERM)
    process.wait(20.0)
    process.stdout.close()
    eventually(lambda: plugin.controls[-1]["acc"] == -1.0)
    assert plugin.controls[-1]["brake"] == 0.0
    if end == "wait":
        assert process.returncode == -signal.SIGTERM


def test_a_signal_is_handed_on_to_who_had_it_before(monkeypatch):
    told, heard = [], []

    class Driven:
        def make_safe(self):
            told.append(1)

    monkeypatch.setitem(safety._before, signal.SIGTERM, lambda number, frame: heard.append(number))
    driven = Driven()
    safety.watch(driven)
    safety._on_signal(signal.SIGTERM, None)
    safety.forget(driven)
    assert told == [1]
    assert heard == [signal.SIGTERM]


def test_a_dead_server_ends_the_episode_and_the_next_reset_is_normal(plugin, connect_env):
    env = connect_env()
    env.reset()
    plugin.extra = [b"disconnect"]
    _, _, terminated, truncated, info = env.step(ACTION)
    assert (terminated, truncated, info["reason"]) == (False, True, SERVER_DIED)
    assert "last word" in info["fault"]
    env.reset()
    for _ in range(3):
        assert not env.step(ACTION)[3]


def test_steps_that_go_back_are_a_plugin_that_was_restarted(plugin, connect_env):
    env = connect_env()
    env.reset()
    for _ in range(10):
        env.step(ACTION)
    plugin.steps = 0
    _, _, _, truncated, info = env.step(ACTION)
    assert truncated
    assert info["reason"] == RESTARTED
    assert "back to 1" in info["fault"]


def test_a_state_that_was_overtaken_is_no_restart(plugin, client, make_state):
    ego = client()
    ego.connect()
    for _ in range(3):
        plugin.send_state()
    plugin.extra = [make_state(3), make_state(4)]  # once more, late
    ego.send(Controls(0.0, 1.0, -1.0))
    assert ego.receive(2.0).state["steps"] == 5
    assert ego.ignored == 2


def test_ages_are_those_of_states_that_waited(plugin, client):
    class Clock:
        now_s = 50.0

    clock = Clock()
    ego = client(now=lambda: clock.now_s, connect_wait_s=1.0)
    ego.connect()
    plugin.silent = True
    for _ in range(3):  # 40 ms each, on both clocks
        clock.now_s += 0.04
        plugin.send_state()
        time.sleep(0.02)
        assert ego.receive(1.0).age_s == pytest.approx(0.0, abs=1e-3)
    clock.now_s += 0.04
    plugin.send_state()
    clock.now_s += 0.5  # and nobody looks
    time.sleep(0.02)
    assert ego.receive(1.0).age_s == pytest.approx(0.5, abs=1e-3)
