"""Point 41: a config.json of TMRL becomes arguments of the env, without its secrets."""

import copy
import json
import logging
import subprocess
import sys

import pytest

from envs.errors import ConfigError
from envs.trackmania.tmrl_config import import_tmrl_config, load_tmrl_config

SECRET = "a-password-of-mine"
REWARD = {
    **{"END_OF_TRACK": 100.0, "CONSTANT_PENALTY": 0.0, "CHECK_FORWARD": 500, "CHECK_BACKWARD": 10},
    **{"FAILURE_COUNTDOWN": 10, "MIN_STEPS": 70, "MAX_STRAY": 100.0},
}
RTGYM = {
    **{"time_step_duration": 0.05, "start_obs_capture": 0.04, "time_step_timeout_factor": 1.0, "act_buf_len": 2},
    **{"benchmark": False, "wait_on_done": True, "ep_max_length": 1000, "interface_kwargs": {"save_replays": False}},
}
BLOCKS = {
    "full": {
        **{"RTGYM_INTERFACE": "TM20FULL", "WINDOW_WIDTH": 256, "WINDOW_HEIGHT": 128, "SLEEP_TIME_AT_RESET": 1.5},
        **{"IMG_HIST_LEN": 4, "IMG_WIDTH": 64, "IMG_HEIGHT": 64, "IMG_GRAYSCALE": True},
    },
    "lidar": {
        **{"RTGYM_INTERFACE": "TM20LIDAR", "WINDOW_WIDTH": 958, "WINDOW_HEIGHT": 488, "SLEEP_TIME_AT_RESET": 1.5},
        "IMG_HIST_LEN": 4,
    },
    "lidar_progress": {
        **{"RTGYM_INTERFACE": "TM20LIDARPROGRESS", "WINDOW_WIDTH": 958, "WINDOW_HEIGHT": 488},
        **{"SLEEP_TIME_AT_RESET": 1.5, "IMG_HIST_LEN": 4},
    },
}


def config(block, **changes):
    return {
        **{"RUN_NAME": "SAC_4_imgs_pretrained", "VIRTUAL_GAMEPAD": True, "RW_MAX_SAMPLES_PER_EPISODE": 1000},
        **{"PASSWORD": SECRET, "WANDB_KEY": SECRET, "__VERSION__": "0.6.0"},
        "ALG": {"ALGORITHM": "SAC", "LR_ACTOR": 1e-5, "BETAS_ACTOR": [0.997, 0.997], "BETAS_CRITIC": [0.997, 0.997]},
        "ENV": {**copy.deepcopy(BLOCKS[block]), "RTGYM_CONFIG": dict(RTGYM), "REWARD_CONFIG": dict(REWARD)},
    } | changes


@pytest.mark.point("trackmania", 41)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_three_documented_blocks_become_the_presets(block, lockstep):
    found = import_tmrl_config(config(block))
    pictures = {"image_size": 64, "grayscale": True, "frame_stack": 4} if block == "full" else {}
    assert found.env == {
        **{"obs": block, "image_history": 4, **pictures, "reward": "tmrl", "actions": "game", "controls": "gamepad"},
        **{"sleep_at_reset_s": 1.5, "step_s": 0.05, "capture_s": 0.04, "elasticity": 1.0, "actions_in_obs": 2},
        **{"wait_on_done": True, "episode_steps": 1000},
        "tmrl": {
            **{"end_of_track": 100.0, "constant_penalty": 0.0, "check_forward": 500, "check_backward": 10},
            **{"failure_countdown": 10, "min_steps": 70, "max_stray_m": 100.0},
        },
    }
    assert [warning for warning in found.warnings if "not taken over" not in warning] == []
    env = lockstep(**{name: value for name, value in found.env.items() if name != "frame_stack"})
    env.reset()
    env.step(env.action_space.sample())


@pytest.mark.point("trackmania", 41)
@pytest.mark.parametrize("block", BLOCKS)
def test_its_words_compose_to_the_same(block, compose):
    found = import_tmrl_config(config(block))
    composed = compose(*found.words)["env"]
    assert {name: composed[name] for name in found.env} == found.env


def test_the_command_prints_what_to_type(root, tmp_path):
    path = tmp_path / "config.json"
    command = [sys.executable, "-m", "envs.trackmania.import_tmrl", f"file={path}"]
    path.write_text(json.dumps(config("lidar")))
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("python run.py env=trackmania env.obs=lidar env.image_history=4 env.reward=tmrl ")
    assert SECRET not in done.stdout + done.stderr
    path.write_text("[]")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.point("trackmania", 41)
def test_no_secret_appears_anywhere(tmp_path, caplog, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config("full")))
    with caplog.at_level(logging.DEBUG):
        found = load_tmrl_config(path)
        print(found.describe())
    assert SECRET not in repr(found) + found.describe() + caplog.text + capsys.readouterr().out
    assert "PASSWORD is not taken over." in found.warnings


@pytest.mark.point("trackmania", 41)
def test_unknown_and_dead_keys_are_listed():
    content = config("lidar", RW_MAX_SAMPLE_PER_EPISODE=5)
    content["ENV"]["RTGYM_CONFIG"]["real_time"] = True
    content["ENV"]["REWARD_CONFIG"]["CHECK_FOWARD"] = 5
    found = import_tmrl_config(content)
    text = "\n".join(found.warnings)
    assert "RW_MAX_SAMPLE_PER_EPISODE is no key of TMRL and has no effect. Is RW_MAX_SAMPLES_PER_EPISODE meant?" in text
    assert "ENV.RTGYM_CONFIG.real_time" in text
    assert "Is ENV.REWARD_CONFIG.CHECK_FORWARD meant?" in text
    assert found.dead == ("ALG.BETAS_ACTOR", "ALG.BETAS_CRITIC")
    assert found.algorithm["BETAS_ACTOR"] == [0.997, 0.997]
    assert "no effect in TMRL: ALG.BETAS_ACTOR" in found.describe()


def test_defaults_are_tmrls():
    content = config("full", RW_MAX_SAMPLES_PER_EPISODE=300)
    del content["ENV"]["IMG_GRAYSCALE"]
    env = import_tmrl_config(content).env
    assert env["grayscale"] is False  # absent means colour
    assert env["episode_steps"] == 300  # the smaller limit
    content["ENV"]["RTGYM_CONFIG"]["ep_max_length"] = 200
    assert import_tmrl_config(content).env["episode_steps"] == 200
    content["VIRTUAL_GAMEPAD"] = False
    assert import_tmrl_config(content).env["controls"] == "keyboard"


def test_every_key_that_is_known_and_not_taken_over_is_told_in_one_line():
    content = config("lidar", BATCH_SIZE=512, MEMORY_SIZE=1000, TLS=True)
    content["ALG"]["GAMMA"] = 0.9
    content["ENV"] |= {"LINUX_X_OFFSET": 3, "IMG_WIDTH": 32}
    content["ENV"]["RTGYM_CONFIG"] |= {"reset_act_buf": False, "last_act_on_reset": True}
    found = import_tmrl_config(content)
    assert set(found.left) == {
        *("RUN_NAME", "BATCH_SIZE", "MEMORY_SIZE", "TLS", "ALG.LR_ACTOR", "ALG.GAMMA"),
        *("ENV.WINDOW_WIDTH", "ENV.WINDOW_HEIGHT", "ENV.LINUX_X_OFFSET", "ENV.IMG_WIDTH"),
        *("ENV.RTGYM_CONFIG.benchmark", "ENV.RTGYM_CONFIG.reset_act_buf", "ENV.RTGYM_CONFIG.last_act_on_reset"),
    }
    assert sum(line.startswith("not taken over: RUN_NAME, ") for line in found.describe().splitlines()) == 1
    assert "ENV.IMG_WIDTH" not in import_tmrl_config(config("full")).left


def test_only_algorithms_of_tmrl_are_taken_over():
    content = config("lidar")
    content["ALG"]["ALGORITHM"] = "REDQSAC"
    assert "algo=sac is not it" in import_tmrl_config(content).describe()
    content["ALG"]["ALGORITHM"] = "PPO"
    with pytest.raises(ConfigError, match="one of SAC, REDQSAC, got 'PPO'"):
        import_tmrl_config(content)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ((), "RW_MAX_SAMPLES_PER_EPISODE", "a"),
        ((), "VIRTUAL_GAMEPAD", 1),
        (("ALG",), "ALGORITHM", ["SAC"]),
        (("ENV",), "SLEEP_TIME_AT_RESET", None),
        (("ENV",), "IMG_HIST_LEN", "4"),
        (("ENV",), "IMG_WIDTH", 64.5),
        (("ENV", "RTGYM_CONFIG"), "ep_max_length", None),
        (("ENV", "RTGYM_CONFIG"), "ep_max_length", float("nan")),
        (("ENV", "RTGYM_CONFIG"), "interface_kwargs", [1]),
        (("ENV", "REWARD_CONFIG"), "CHECK_FORWARD", True),
    ],
)
def test_values_of_a_wrong_type_are_refused(section, key, value):
    content = place = config("full")
    for name in section:
        place = place[name]
    place[key] = value
    with pytest.raises(ConfigError, match=key):
        import_tmrl_config(content)


def test_names_go_by_their_end():
    content = config("full")
    for name, obs, warns in (("TM20IMAGES", "full", False), ("MYLIDAR", "lidar", True), ("TM20", "full", True)):
        content["ENV"]["RTGYM_INTERFACE"] = name
        found = import_tmrl_config(content)
        assert found.env["obs"] == obs
        assert any(name in warning for warning in found.warnings) == warns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"__VERSION__": "0.5.3"}', "0.6.0 or later"),
        ("{}", "__VERSION__ None"),
        ('{"__VERSION__": "0.6.0", // note\n}', "no comments"),
        ("[]", "an object"),
        ('{"__VERSION__": "0.7.1", "ENV": 3}', "ENV"),
        ('{"__VERSION__": "0.7.1", "ENV": {"IMG_WIDTH": 32}}', "square"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(text, message, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_tmrl_config(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_tmrl_config(tmp_path / "none.json")


def test_only_files_that_are_safe_to_read_are_offered(tmp_path):
    for name in ("config/config.json", "reward/reward.pkl", "weights/a.tmod", "weights/a.tcpt", "dataset/data.pkl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(config("lidar")))
    found = load_tmrl_config(tmp_path / "config" / "config.json")
    assert [file.name for file in found.files] == ["reward.pkl", "a.tmod"]
