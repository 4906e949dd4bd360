"""The env against the twin's faults, over sockets, ten times as fast as real time: survived or told, and none hangs."""

import time

import numpy as np
import pytest

from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.management import ManagementClient
from envs.assetto_corsa.twin.server import TwinServer
from envs.errors import ProtocolError, SimulatorUnavailable

REST = np.array([0.0, -1.0, -1.0], np.float32)


@pytest.fixture
def faulty(ring, ring_folder, quick):
    """Return a function from faults to an env that drives a twin with them."""
    servers, envs = [], []

    def start(faults, **arguments):
        server = TwinServer(port=0, speed=10.0, watchdog_s=0.0, game={"track": ring}, faults=faults)
        servers.append(server)
        chosen = {"track": ring_folder, "reset_wait_s": 0.0, "measure_rate": False, "connect_wait_s": 0.3}
        env = AssettoCorsaEnv(hosts=f"{server.ego[0]}:{server.ego[1]}", **chosen | {"state_timeout_s": 0.3} | arguments)
        env.race.parts.drive.link._management = ManagementClient(*server.management)
        envs.append(env)
        env.server = server
        return env

    yield start
    for env in envs:
        env.close()
    for server in servers:
        server.close()


def drive(env, num_steps):
    """Drive until the end of the episode; return the infos."""
    infos = []
    for _ in range(num_steps):
        observation, _, terminated, truncated, info = env.step(REST)
        assert np.isfinite(observation).all()
        infos.append(info)
        if terminated or truncated:
            break
    return infos


@pytest.mark.parametrize(
    "faults",
    [
        {"lose_every": 5},
        {"copies": 3},
        {"burst_states": 62},  # 2.5 s of the game's time at once
        {"identified_after_states": 20},
        {"reply_piece_bytes": 7, "reply_pause_s": 0.0},
        {"teleport_after_states": 20},
    ],
    ids=str,
)
def test_what_can_be_survived_is(faulty, faults):
    env = faulty(faults, state_timeout_s=5.0)  # whoever comes late on a busy machine is not lost
    env.reset()
    num_steps = 5 if "burst_states" in faults else 30
    infos = drive(env, num_steps)
    assert len(infos) == num_steps, infos[-1].get("reason")
    assert (np.diff([info["steps"] for info in infos]) > 0).all()
    if "burst_states" in faults:
        assert sum(info["link_skipped"] for info in infos) > 0
        assert max(info["skipped_states"] for info in infos) <= 62


@pytest.mark.parametrize(
    ("faults", "reason", "words"),
    [
        ({"die_after_states": 12}, "server_disconnect", "last word"),
        ({"restart_after_states": 12}, "plugin_restarted", "back to"),
    ],
    ids=str,
)
def test_what_ends_an_episode_is_told(faulty, faults, reason, words):
    env = faulty(faults, state_timeout_s=5.0)
    env.reset()
    infos = drive(env, 60)
    assert infos[-1]["reason"] == reason, infos[-1]
    assert words in infos[-1]["fault"]


def test_a_client_that_takes_the_game_is_noticed_and_the_game_taken_back(faulty):
    env = faulty({"usurped_after_states": 12})
    env.reset()
    infos = drive(env, 30)
    assert infos[-1]["link_reconnects"] >= 1


def test_two_clients_that_take_turns_come_to_an_end(faulty):
    """Whoever loses the game gets it back three times in an episode, and then lets go."""
    env = faulty({"usurped_after_states": 3})
    env.reset()
    infos = drive(env, 60)
    assert infos[-1]["reason"] == "link_lost"
    assert infos[-1]["link_reconnects"] == 3
    assert "another client" in infos[-1]["fault"]


def test_a_plugin_that_is_silent_from_the_start_is_told_in_time(faulty):
    env = faulty({"silent": True}, connect_tries=2)
    began = time.monotonic()
    with pytest.raises(SimulatorUnavailable, match="did not answer connect, 2 times"):
        env.reset()
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    "faults", [{"missing_key": "yaw"}, {"nan_after_states": 8, "nan_key": "yaw"}, {"truncate_bytes": 1500}], ids=str
)
def test_unsound_states_are_errors(faulty, faults):
    env = faulty(faults)

    def episode():
        env.reset()
        drive(env, 30)

    with pytest.raises(ProtocolError, match=r"yaw|JSON"):
        episode()
