"""The original's unmodified plugin and observation: only with a user's clone of assetto_corsa_gym.

CHICANE_ACG names the clone, CHICANE_ACG_PYTHON an interpreter with what it imports (on Linux also `evdev`).
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envs.assetto_corsa.acgym_vector import VectorSettings
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.presets import VectorPreset
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track
from envs.assetto_corsa.twin.server import TwinServer

HERE = Path(__file__).parent
CLONE, PYTHON = os.environ.get("CHICANE_ACG", ""), os.environ.get("CHICANE_ACG_PYTHON", sys.executable)
pytestmark = pytest.mark.skipif(not CLONE, reason="CHICANE_ACG names no clone of assetto_corsa_gym")
STATES = 200


@pytest.fixture
def original_plugin(ring, tmp_path):
    """Start the plugin on the circle; return its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [PYTHON, HERE / "original_plugin.py", CLONE, port, tmp_path, ring.name, ring.length_m, 200.0]
    process = subprocess.Popen(
        [str(word) for word in words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    line = process.stdout.readline()
    while line and line != "running\n":
        line = process.stdout.readline()
    assert line, "the plugin did not start"
    yield f"127.0.0.1:{port}"
    process.kill()
    process.wait(10.0)
    process.stdout.close()


@pytest.mark.timing
@pytest.mark.point("assetto_corsa", 12)
def test_two_episodes_against_the_unmodified_plugin(original_plugin, ring_folder):
    for _ in range(2):
        env = AssettoCorsaEnv(hosts=original_plugin, track=ring_folder)
        env.reset()
        for _ in range(100):
            observation, _, terminated, truncated, info = env.step(np.array([0.0, 1.0, -1.0], np.float32))
            assert not terminated
            assert not truncated, info
            assert np.isfinite(observation).all()
        assert info["speed_mps"] == pytest.approx(20.0)
        env.close()


@pytest.mark.slow
@pytest.mark.point("assetto_corsa", 30)
def test_the_vector_equals_the_originals_where_it_sees_all_walls(save_originals_folder, tmp_path):
    track = synthetic_ac_track(3)
    configs, work = tmp_path / "configs", tmp_path / "work"
    work.mkdir()
    save_originals_folder(track, configs)
    with TwinServer(port=0, speed=0.0, game={"track": track, "start_speed_mps": 20.0}) as server:
        ports = (server.ego[1], server.management[1])
        words = [PYTHON, HERE / "original_observations.py", CLONE, configs, track.full_name, *ports, work, STATES]
        done = subprocess.run(
            [str(word) for word in words], cwd=work, capture_output=True, text=True, timeout=200, check=False
        )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == STATES
    preset = VectorPreset(VectorSettings())
    geometry = Geometry(track)
    preset.bind(geometry)
    dropped = 0
    for line in lines:
        state = line["state"]
        place = (state["world_position_x"], state["world_position_y"], state["yaw"])
        derived = geometry.derive(*place, state["NormalizedSplinePosition"], state["numberOfTyresOut"])
        ours, theirs = preset.of(Look(state, derived, np.zeros(3))), np.array(line["obs"])
        same_walls = np.abs(derived.sensors_m - np.array(state["sensors"])) < 1e-3
        dropped += int((~same_walls).sum())
        compared = np.ones(125, np.bool_)
        compared[14:25] = same_walls
        for begin in (64, 89, 114):  # of earlier states, whose walls were compared before
            compared[begin : begin + 11] = np.abs(ours - theirs)[begin : begin + 11] < 1e-5
        np.testing.assert_allclose(ours[compared], theirs[compared], atol=1e-5)
    assert dropped < 0.01 * 11 * STATES
