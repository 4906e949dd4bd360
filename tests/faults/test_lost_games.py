"""Games that die, freeze and come back, and networks that fail: an env goes on, or says in time that it cannot."""

import signal
import time

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable
from envs.remote.env import RemoteEnv
from envs.remote.vector import RemoteVectorEnv

DUMMY = ("env=dummy", "env.obs=vector")


def host(process):
    return f"{process.address[0]}:{process.address[1]}"


def vector(num_envs, hosts, **changes):
    limits = {"read_timeout_s": 1.0, "connect_timeout_s": 20.0}
    return RemoteVectorEnv(num_envs, hosts=hosts, **limits | changes)


def steps(envs, number):
    """Drive, and return how many ends there were by themselves, and the faults."""
    ends, faults = 0, []
    for _ in range(number):
        _, _, terminated, truncated, infos = envs.step(np.zeros((envs.num_envs, 2), np.float32))
        ends += int((terminated | truncated).sum())
        faults += [fault for fault in infos.get("fault", []) if fault is not None]
    return ends, faults


def test_a_killed_game_ends_its_episode_and_comes_back_on_the_same_port(serve_process):
    lasting, dying = serve_process("port=0", *DUMMY), serve_process("port=0", *DUMMY)
    envs = vector(2, [host(lasting), host(dying)])
    envs.reset(seed=1)
    assert steps(envs, 5)[1] == []
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    observation, rewards, terminated, truncated, infos = envs.step(np.zeros((2, 2), np.float32))
    assert terminated.tolist() == [False, False]
    assert truncated.tolist() == [False, True]  # the other game has not noticed
    assert host(dying) in infos["fault"][1]
    assert rewards[1] == 0.0
    assert np.isfinite(observation).all()
    serve_process(f"port={dying.address[1]}", *DUMMY)
    _, _, terminated, truncated, infos = envs.step(np.zeros((2, 2), np.float32))
    assert not (terminated | truncated).any()
    assert infos["link_reconnects"].tolist() == [1, 1]
    assert steps(envs, 20)[1] == []
    envs.close()


@pytest.mark.slow
def test_a_game_that_moves_to_another_server_is_found_there(serve_process):
    dying, spare = serve_process("port=0", *DUMMY), serve_process("port=0", "num_games=2", *DUMMY)
    envs = vector(2, [host(dying), host(spare)])
    envs.reset(seed=1)
    dying.send_signal(signal.SIGKILL)
    assert len(steps(envs, 20)[1]) == 1
    assert steps(envs, 20)[1] == []
    envs.close()


def test_a_frozen_game_is_given_up_and_taken_back(serve_process, freeze):
    process = serve_process("port=0", *DUMMY)
    envs = vector(1, [host(process)], read_timeout_s=0.3)
    envs.reset(seed=1)
    freeze(process)
    try:
        began = time.monotonic()
        _, faults = steps(envs, 1)
        assert time.monotonic() - began < 2.0
        assert "in time" in faults[0]
    finally:
        process.send_signal(signal.SIGCONT)
    assert steps(envs, 20)[1] == []
    envs.close()


@pytest.mark.slow
def test_a_game_that_is_frozen_for_half_a_minute(serve_process, freeze):
    process = serve_process("port=0", *DUMMY)
    envs = vector(1, [host(process)], connect_timeout_s=60.0)
    envs.reset(seed=1)
    freeze(process)
    faults = steps(envs, 1)[1]
    assert len(faults) == 1
    import threading

    threading.Timer(30.0, process.send_signal, [signal.SIGCONT]).start()
    began = time.monotonic()
    assert steps(envs, 5)[1] == []  # the reset waits until it is back
    assert 25.0 < time.monotonic() - began < 45.0
    envs.close()


def test_a_game_that_does_not_come_back_is_an_error_that_says_what_to_do(serve_process):
    process = serve_process("port=0", *DUMMY)
    envs = vector(1, [host(process)], connect_timeout_s=1.0)
    envs.reset(seed=1)
    process.send_signal(signal.SIGKILL)
    assert len(steps(envs, 1)[1]) == 1
    began = time.monotonic()
    with pytest.raises(SimulatorUnavailable, match=r"found 0 within 1 s.*Start the servers"):
        envs.step(np.zeros((1, 2), np.float32))
    assert time.monotonic() - began < 5.0
    envs.close()


@pytest.mark.slow
def test_a_game_that_is_lost_again_and_again_ends_the_run(serve_process, proxy):
    network = proxy(serve_process("port=0", *DUMMY).address)
    envs = vector(1, [network.host], max_faults=2)
    envs.reset(seed=1)

    def lose():
        network.cut()
        steps(envs, 1)
        network.how = "plain"
        steps(envs, 1)

    lose()
    lose()
    with pytest.raises(SimulatorUnavailable, match=r"lost 3 times .*env\.max_faults=2"):
        lose()
    envs.close()


@pytest.mark.parametrize("how", ["byte by byte", pytest.param("late", marks=pytest.mark.slow)])
def test_a_slow_network_changes_nothing(serve_process, proxy, how):
    process = serve_process("port=0", "num_games=2", *DUMMY)
    network = proxy(process.address)
    near, far = vector(1, [host(process)]), vector(1, [network.host])
    near.reset(seed=1), far.reset(seed=1)
    network.how = how
    for action in np.random.default_rng(0).uniform(-1, 1, (8, 1, 2)).astype(np.float32):
        for one, other in zip(near.step(action)[:4], far.step(action)[:4], strict=True):
            np.testing.assert_array_equal(one, other)
    near.close()
    far.close()


@pytest.mark.parametrize("how", ["silent", *(pytest.param(how, marks=pytest.mark.slow) for how in ("cut", "twice"))])
def test_a_broken_network_ends_the_episode_and_heals(serve_process, proxy, how):
    network = proxy(serve_process("port=0", *DUMMY).address)
    envs = vector(1, [network.host], read_timeout_s=0.3)
    envs.reset(seed=1)
    assert steps(envs, 3)[1] == []
    network.how = how
    if how == "cut":
        network.cut()
    began = time.monotonic()
    faults = []
    while not faults and time.monotonic() - began < 3.0:
        faults = steps(envs, 1)[1]
    assert len(faults) == 1, how
    network.how = "plain"
    assert steps(envs, 30)[1] == []
    envs.close()


def test_ticks_that_somebody_else_has_driven_are_noticed(serve_process):
    """What a network that repeats requests would do: the game is one tick further than it should be."""
    process = serve_process("port=0", *DUMMY)
    env = RemoteEnv(hosts=[host(process)])
    env.reset(seed=1)
    session = env._driving.seats.leases.servers[0].session
    session.request("STEP", game_id=0, action=[0.0, 0.0])
    *_, truncated, info = env.step(np.zeros(2, np.float32))
    assert truncated
    assert "Expected the game at tick 1, got 2" in info["fault"]
    env.reset(seed=1)
    assert not env.step(np.zeros(2, np.float32))[3]
    env.close()


def test_two_runners_cannot_take_the_same_game(serve_process):
    process = serve_process("port=0", *DUMMY)
    first = vector(1, [host(process)])
    with pytest.raises(SimulatorUnavailable, match=r"0 of 1 games were free.*num_games"):
        vector(1, [host(process)], connect_timeout_s=0.5)
    first.close()
    vector(1, [host(process)], connect_timeout_s=5.0).close()


@pytest.mark.timing
def test_a_free_running_game_is_driven_in_real_time(serve_process):
    process = serve_process("port=0", *DUMMY)  # 20 ticks a second
    env = RemoteEnv(hosts=[host(process)], mode="free", action_repeat=2)
    env.reset(seed=1)
    began = time.monotonic()
    infos = [env.step(np.array([0.0, -1.0], np.float32))[4] for _ in range(5)]
    assert time.monotonic() - began > 0.35
    assert all(info["frames"] >= 2 for info in infos)
    assert all(0.0 < info["link_age_s"] < 1.0 for info in infos)
    time.sleep(0.3)
    assert env.step(np.zeros(2, np.float32))[4]["link_skipped"] >= 3
    env.close()
