"""The twin on a running clock: real time, many times real time, and TMRL's own client class."""

import json
import os
import subprocess
import sys
import time
import venv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from envs.trackmania.twin.driver import CentreLineDriver
from envs.trackmania.twin.game import TwinGame

pytestmark = pytest.mark.timing


def frames_within(client, seconds):
    """Return the records of the next so many seconds."""
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        client.record()
        count += 1
    return count


@pytest.mark.parametrize(("fps", "speed"), [(30, 1.0), (60, 1.0), (100, 1.0), (50, 10.0)])
def test_frames_come_at_their_rate_in_real_time(twin, plain_client, fps, speed):
    server = twin(speed=speed, game={"frame_rate_fps": fps})
    client = plain_client(server.telemetry)
    client.record()
    assert frames_within(client, 2.0) == pytest.approx(2.0 * fps * speed, rel=0.05)


@pytest.mark.point("trackmania", 33)
def test_real_time_and_lock_step_agree_within_a_frame(twin, plain_client, pad, eventually):
    server = twin(speed=1.0, game={"seed": 1, "countdown_s": 0.0})
    client, hands = plain_client(server.telemetry), pad(server)
    hands.send(buttons=0x2000)
    eventually(lambda: server.pad.taken == 1)
    frames_within(client, 0.05)  # the race has begun, and nothing is pressed
    seen = []
    for right, stick in [(255, 0), (255, 8000), (200, -12_000), (255, 0), (100, 16_000), (0, 0)]:
        hands.send(right=right, stick=stick)
        until = time.monotonic() + 0.25
        while time.monotonic() < until:
            seen.append(client.floats())
    # The same script in lock-step, each input for the frames that showed it.
    game = TwinGame(1, countdown_s=0.0)
    for record in seen:
        game.press(record[6], 0.0, record[5])
        game.advance(0.01)
        way = 0.01 * max(record[0], game.record()[0])  # of one frame
        assert np.linalg.norm(np.subtract(record[2:5], game.record()[2:5])) <= way + 0.01
    assert seen[-1][1] > 5.0


@pytest.mark.parametrize("fps", [30, 60, 100])
def test_laps_are_timed_by_the_receive_clock(twin, plain_client, pad, fps):
    speed = 10.0
    line = np.zeros((300, 3))
    line[:, 2] = np.arange(300.0)
    server = twin(speed=speed, game={"trajectory": line, "frame_rate_fps": fps})
    client, hands = plain_client(server.telemetry), pad(server)
    hands.send(right=150, buttons=0x2000)
    began = finished = None
    deadline = time.monotonic() + 30.0
    while finished is None and time.monotonic() < deadline:
        record = client.record()
        if record["speed"] == 0.0:
            began = time.monotonic()
        elif record["finished"]:
            finished = time.monotonic()
    with server.lock:
        lap_time = server.game.lap_time_s
    # A frame at either end, and what a busy machine adds: 5 ms, at ten times the pace.
    assert speed * (finished - began) == pytest.approx(lap_time, abs=2.0 / fps + speed * 0.005)


def test_fifty_times_real_time_drives_a_lap(twin, plain_client):
    server = twin(speed=50.0, game={"seed": 4, "frame_rate_fps": 30})
    driver = CentreLineDriver(server.game.road)
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        with server.lock:
            server.game.press(*driver.action(server.game.frame))
            if server.game.finishes:
                break
        time.sleep(0.0005)
    assert server.game.finishes == 1


def test_a_waiting_twin_costs_little(twin):
    server = twin(speed=1.0, game={"frame_rate_fps": 100})
    began, busy = time.monotonic(), time.process_time()
    while time.monotonic() < began + 2.0:
        time.sleep(0.1)
    assert time.process_time() - busy < 0.15 * 2.0
    assert server.times_slow == 0


def test_pictures_do_not_hold_up_the_game(twin, plain_client):
    from envs.trackmania.twin.frame_channel import FrameClient

    server = twin(speed=1.0, game={"frame_rate_fps": 60})
    client, pictures = plain_client(server.telemetry), FrameClient(*server.frames)
    pictures.screenshot("lidar")
    client.record()
    began = server.game.frame.number
    for _ in range(20):
        pictures.screenshot("lidar")
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        pictures.screenshot("full")
    assert server.game.frame.number - began >= 55
    stamps = [pictures.screenshot("full")[1:] for _ in range(20)]
    assert all(b >= a for a, b in pairwise(stamps))


TMRL = """
import sys, time
from tmrl.custom.tm.utils.tools import TM2020OpenPlanetClient
client = TM2020OpenPlanetClient(port=int(sys.argv[1]))
for _ in range(50):
    print(*client.retrieve_data())
"""
CONFIG = {
    "__VERSION__": "0.6.0", "RUN_NAME": "reads", "BUFFERS_MAXLEN": 10, "RW_MAX_SAMPLES_PER_EPISODE": 10,
    "CUDA_TRAINING": False, "CUDA_INFERENCE": False, "VIRTUAL_GAMEPAD": True, "LOCALHOST_WORKER": True,
    "LOCALHOST_TRAINER": True, "PUBLIC_IP_SERVER": "127.0.0.1", "SAVE_MODEL_EVERY": 0, "MEMORY_SIZE": 10,
    "BATCH_SIZE": 1, "MAX_EPOCHS": 1, "ROUNDS_PER_EPOCH": 1, "TRAINING_STEPS_PER_ROUND": 1,
    "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP": 1.0, "ENVIRONMENT_STEPS_BEFORE_TRAINING": 1,
    "UPDATE_MODEL_INTERVAL": 1, "UPDATE_BUFFER_INTERVAL": 1, "WANDB_PROJECT": "", "WANDB_ENTITY": "",
    "WANDB_KEY": "", "PORT": 1, "LOCAL_PORT_SERVER": 2, "LOCAL_PORT_TRAINER": 3, "LOCAL_PORT_WORKER": 4,
    "PASSWORD": "", "TLS": False, "TLS_HOSTNAME": "", "TLS_CREDENTIALS_DIRECTORY": "", "NB_WORKERS": -1,
    "BUFFER_SIZE": 1024, "HEADER_SIZE": 12,
    "ALG": {
        "ALGORITHM": "SAC", "LEARN_ENTROPY_COEF": False, "LR_ACTOR": 1e-5, "LR_CRITIC": 5e-5, "LR_ENTROPY": 3e-4,
        "GAMMA": 0.995, "POLYAK": 0.995, "TARGET_ENTROPY": -0.5, "ALPHA": 0.01, "REDQ_N": 10, "REDQ_M": 2,
        "REDQ_Q_UPDATES_PER_POLICY_UPDATE": 20, "OPTIMIZER_ACTOR": "adam", "OPTIMIZER_CRITIC": "adam",
    },
    "ENV": {
        "RTGYM_INTERFACE": "TM20LIDAR", "WINDOW_WIDTH": 958, "WINDOW_HEIGHT": 488, "SLEEP_TIME_AT_RESET": 1.5,
        "IMG_HIST_LEN": 4,
        "RTGYM_CONFIG": {
            "time_step_duration": 0.05, "start_obs_capture": 0.04, "time_step_timeout_factor": 1.0,
            "act_buf_len": 2, "benchmark": False, "wait_on_done": True, "ep_max_length": 1000,
        },
        "REWARD_CONFIG": {
            "END_OF_TRACK": 100.0, "CONSTANT_PENALTY": 0.0, "CHECK_FORWARD": 500, "CHECK_BACKWARD": 10,
            "FAILURE_COUNTDOWN": 10, "MIN_STEPS": 70, "MAX_STRAY": 100.0,
        },
    },
}  # fmt: skip
# Its metadata was made on Windows and asks for pywin32: what it needs elsewhere is named here.
NEEDS = ("torch==2.13.0", "numpy", "pandas", "gymnasium", "rtgym==0.16", "pyyaml", "wandb", "requests",
         "opencv-python-headless", "mss", "pyinstrument", "tlspyo==0.3.0", "chardet", "packaging")  # fmt: skip


@pytest.fixture(scope="module")
def tmrl_python(tmp_path_factory):
    """Return the Python of a venv that has the public package; TMRL_VENV names one that is there already."""
    given = os.environ.get("TMRL_VENV")
    folder = Path(given) if given else tmp_path_factory.mktemp("tmrl") / "venv"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not given:
        venv.create(folder, with_pip=True)
        for words in (NEEDS, ("--no-deps", "tmrl==0.7.1")):
            done = subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", *words], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"tmrl 0.7.1 cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return python


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.point("trackmania", 31)
def test_the_public_client_class_reads_the_twin(tmrl_python, tmp_path, twin, pad):
    for name in ("config", "checkpoints", "dataset", "reward", "weights"):
        (tmp_path / "TmrlData" / name).mkdir(parents=True)
    (tmp_path / "TmrlData" / "config" / "config.json").write_text(json.dumps(CONFIG))
    server = twin(speed=1.0, game={"frame_rate_fps": 60, "countdown_s": 0.0})
    pad(server).send(right=255, stick=1000)
    done = subprocess.run(
        [str(tmrl_python), "-c", TMRL, str(server.telemetry[1])],
        env=os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines() if len(line.split()) == 11]
    if "ModuleNotFoundError" in done.stderr or "ImportError" in done.stderr:
        pytest.skip(f"tmrl 0.7.1 does not import here: {done.stderr.strip().splitlines()[-1]}")
    assert len(lines) == 50, done.stderr[-2000:]
    records = np.array(lines, float)
    assert (records[:, 6] == 1.0).all()
    np.testing.assert_allclose(records[:, 5], 1000 / 32767, rtol=1e-5)
    assert (np.diff(records[:, 1]) > 0.0).all()
    moved = np.linalg.norm(np.diff(records[:, 2:5], axis=0), axis=1)
    np.testing.assert_allclose(moved, np.diff(records[:, 1]), rtol=0.1, atol=0.05)
