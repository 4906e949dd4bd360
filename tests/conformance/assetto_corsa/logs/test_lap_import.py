"""Laps that an env has logged become demonstrations by a command."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.demonstrations import Demonstration
from envs.errors import ConfigError
from envs.factory import record

REQUEST = {"kind": "laps", "map_uid": "", "episodes": 1, "timeout_s": 1.0}
TARGET = {"_target_": "envs.assetto_corsa.env.AssettoCorsaEnv", "car": "dallara_f317", "off_track": "game"}


@pytest.fixture(scope="module")
def driven(ring_folder, tmp_path_factory):
    """Drive two short episodes with a log; return its folder, and what was seen and done."""
    folder = tmp_path_factory.mktemp("log")
    env = AssettoCorsaEnv(twin="lockstep", track=str(ring_folder), max_steps=20, log=str(folder))
    episodes, random = [], np.random.default_rng(0)
    for seed in range(2):
        observation, _ = env.reset(seed=seed)
        seen, done, paid = [observation], [], []
        while len(done) < 20:
            action = random.uniform(-1.0, 1.0, 3).astype(np.float32)
            observation, reward, *_ = env.step(action)
            seen.append(observation)
            done.append(action)
            paid.append(reward)
        episodes.append((np.stack(seen), np.stack(done), np.array(paid)))
    env.close()
    return folder / "laps", episodes


def test_logged_episodes_come_back_as_they_were(driven, ring_folder, tmp_path):
    folder, episodes = driven
    config = TARGET | {"track": str(ring_folder)}
    said = record(config, REQUEST | {"laps": str(folder), "file": str(tmp_path)})
    assert said == f"2 episodes of 2 recordings are in {tmp_path}."
    for number, (seen, done, paid) in enumerate(episodes):
        found = Demonstration.load(tmp_path / f"episode_{number:05d}.npz")
        np.testing.assert_allclose(found.observations["vector"], seen, atol=1e-6)
        np.testing.assert_allclose(found.actions, done, atol=1e-6)
        np.testing.assert_allclose(found.rewards, paid, atol=1e-9)
        assert (found.terminated, found.truncated) == (False, True)


def test_requests_that_cannot_be_carried_out(driven, ring_folder, tmp_path):
    folder, _ = driven
    config, request = TARGET | {"track": str(ring_folder)}, REQUEST | {"laps": str(folder), "file": str(tmp_path)}
    for changed, asked, words in (
        (config, {"laps": None}, "laps=FOLDER"),
        (config | {"track": None}, {}, r"env\.track"),
        (config | {"actions": "pedal"}, {}, "joystick commands"),
        (config, {"kind": "trajectory"}, "laps"),
        (config, {"laps": str(tmp_path / "none")}, "parquet"),
    ):
        with pytest.raises(ConfigError, match=words):
            record(changed, request | asked)
    (tmp_path / "human").mkdir()
    (tmp_path / "human" / "lap.pkl").write_bytes(pickle.dumps({"states": []}))
    with pytest.raises(ConfigError, match="pickles"):
        record(config, request | {"laps": str(tmp_path / "human")})


@pytest.mark.slow
def test_the_command(root, driven, ring_folder, tmp_path):
    folder, _ = driven
    words = ["env=assetto_corsa", "kind=laps", f"env.track={ring_folder}", f"laps={folder}", f"file={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "envs.record", *words], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    assert "2 episodes of 2 recordings" in done.stdout
