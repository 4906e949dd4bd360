"""Interfaces of others: a class written for rtgym, named by `_target_`."""

import sys
from types import ModuleType

import numpy as np
import pytest
from gymnasium import spaces

from envs.errors import ConfigError
from envs.factory import make_env
from envs.trackmania.real_time import SimulatedTime
from envs.trackmania.rtgym_env import RtgymEnv


class OwnInterface:
    """A user's interface, as written for rtgym: a position that velocity commands move, and a small picture history."""

    def __init__(self, gain=1.0):
        self.gain, self.position, self.controls = gain, 0.0, []

    def get_observation_space(self):
        boxes = spaces.Box(-10.0, 10.0, (2,), np.float32), spaces.Box(0, 255, (3, 8, 8), np.uint8)
        return spaces.Tuple(boxes)

    def get_action_space(self):
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def get_default_action(self):
        return np.zeros(1, np.float32)

    def send_control(self, control):
        self.position += self.gain * float(control[0])

    def reset(self, seed=None, options=None):
        self.position = 0.0
        return self._observation(), {}

    def get_obs_rew_terminated_info(self):
        return self._observation(), -abs(self.position), np.array(self.position > 2.0), {"position": self.position}

    def wait(self):
        self.send_control(self.get_default_action())

    def _observation(self):
        images = np.stack([np.full((8, 8), level, np.uint8) for level in (1, 2, 3)])
        return [np.array([self.position, 1.0], np.float32), images]


@pytest.fixture
def target(monkeypatch):
    module = ModuleType("someones_interface")
    module.Own, module.Half = OwnInterface, type("Half", (), {"reset": None})
    monkeypatch.setitem(sys.modules, "someones_interface", module)
    return "someones_interface:Own"


def test_it_runs_on_our_clock(target):
    settings = {"act_buf_len": 2, "ep_max_length": 50, "start_obs_capture": 0.04}
    time = SimulatedTime()
    env = RtgymEnv(interface={"_target_": target, "gain": 0.5}, rtgym=settings, time=time)
    assert {name: box.shape for name, box in env.observation_space.spaces.items()} == {
        **{"part_0": (2,), "part_1": (8, 8, 3), "actions": (2,)},
    }
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation["part_1"][0, 0].tolist() == [1, 2, 3]  # newest last
    positions = []
    for _ in range(10):
        observation, _, terminated, _, info = env.step(np.ones(1, np.float32))
        assert observation in env.observation_space
        positions.append(info["position"])
        if terminated:
            break
    assert positions == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert terminated
    assert time.now() == pytest.approx(6 * 0.05)
    assert observation["actions"].tolist() == [1.0, 1.0]
    env.close()


def test_the_factory_makes_it_in_real_time(target):
    config = {"_target_": "envs.trackmania.rtgym_env.RtgymEnv", "interface": {"_target_": target}, "frame_stack": 1}
    env = make_env(config)
    env.reset()
    assert env.step(np.zeros(1, np.float32))[4]["frames"] == 1
    env.close()
    env.close()


def test_a_run_names_the_class(target, compose):
    config = compose("env=rtgym", f"env.interface._target_={target}", "+env.interface.gain=0.5")["env"]
    env = make_env(config)
    assert env.compat.interface.gain == 0.5
    env.close()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"_target_": "nowhere.Interface"}, "does not import"),
        ({"_target_": "someones_interface:Half"}, "lacks .*send_control"),
        ({"_target_": "someones_interface:Own", "gains": 1}, "'gains'"),
        ({}, "rtgym interface"),
    ],
)
def test_what_is_no_interface_is_refused(section, message, target):
    with pytest.raises(ConfigError, match=message):
        RtgymEnv(interface=section)
