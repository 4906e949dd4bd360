"""The original's unmodified client and env against the twin: only with a user's clone of assetto_corsa_gym.

CHICANE_ACG names the clone, CHICANE_ACG_PYTHON an interpreter with what it imports (on Linux also `evdev`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envs.assetto_corsa.twin.game import TwinGame

CLONE, PYTHON = os.environ.get("CHICANE_ACG", ""), os.environ.get("CHICANE_ACG_PYTHON", sys.executable)
pytestmark = pytest.mark.skipif(not CLONE, reason="CHICANE_ACG names no clone of assetto_corsa_gym")


@pytest.fixture(scope="module")
def configs(save_originals_folder, tmp_path_factory):
    """Return a folder in the original's format, all of it ours, and the track in it."""
    folder, track = tmp_path_factory.mktemp("configs"), TwinGame(0).track
    save_originals_folder(track, folder, 0.5)
    return folder, track


def drive(server, configs, work):
    """Let the original drive two episodes; return what it saw of each."""
    folder, track = configs
    script = Path(__file__).with_name("original_drive.py")
    words = [PYTHON, script, CLONE, folder, track.full_name, server.ego[1], server.management[1], work]
    done = subprocess.run(
        [str(word) for word in words], cwd=work, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check(episodes):
    assert len(episodes) == 2
    for episode in episodes:
        assert episode["size"] == 125
        assert episode["steps"] == 104  # 4 at the reset
        assert episode["speed"] > 10.0
        assert episode["reward"] > 0.0


@pytest.mark.timing
@pytest.mark.point("assetto_corsa", 16)
def test_the_original_drives_a_strict_twin_in_real_time(twin, configs, tmp_path):
    episodes = drive(twin(is_strict=True, speed=1.0, game={"track": configs[1]}), configs, tmp_path)
    check(episodes)
    for episode in episodes:
        assert episode["rate"] == pytest.approx(25.0, rel=0.05)


@pytest.mark.slow
@pytest.mark.point("assetto_corsa", 17)
@pytest.mark.parametrize("is_strict", [True, False])
def test_the_original_drives_a_twin_in_lock_step(twin, configs, tmp_path, is_strict):
    episodes = drive(twin(is_strict=is_strict, game={"track": configs[1]}), configs, tmp_path)
    check(episodes)
    for episode in episodes:
        assert episode["out_of_sync"] == 0
        assert episode["rate"] > 100.0
