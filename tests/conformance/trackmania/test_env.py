"""The whole env on a game in lock-step: spaces, order, dead times, ends, faults; points 8, 14, 16 and 27."""

import threading

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.contract import ALWAYS_IN_INFO
from envs.errors import ConfigError, SimulatorUnavailable
from envs.factory import capacity, make_env
from envs.trackmania import actions as action_choices
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.layouts import TMRL11
from envs.trackmania.trajectory import Trajectory
from envs.trackmania.views import DictView

OBSERVATIONS = ("full", "lidar", "lidar_progress", "edges")
GAS = np.array([0.0, 1.0, 0.0], np.float32)  # [steer, throttle, brake]
SPECIFIED = {
    *("dt_s", "overrun", "overruns_total", "frame_age_s", "frames_seen", "frames_skipped", "image_age_s"),
    *("progress_m", "progress_frac", "race_time_s", "end_cause"),
}


def drive(env, action=GAS, most=1000):
    steps = []
    for _ in range(most):
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return steps


@pytest.mark.point("trackmania", 16)
@pytest.mark.parametrize("obs", OBSERVATIONS)
@pytest.mark.parametrize("reward", ["tmrl", "progress"])
def test_everything_lies_in_its_space(obs, reward, lockstep):
    env = lockstep(obs=obs, reward=reward)
    views = [env.compat.observation_space, env.observation_space]
    observation, info = env.reset(seed=0)
    assert observation in views[1]
    steps = drive(env)
    for observation, *_, info in steps:
        assert observation in views[1]
        assert set(ALWAYS_IN_INFO) | SPECIFIED <= set(info)
    assert info["end_cause"] == "finish"
    observation, _ = env.compat.reset()
    assert observation in views[0]
    for value in (-1.0, 0.3, 1.0):
        observation = env.compat.step(np.full(3, value, np.float32))[0]
        assert observation in views[0]


@pytest.mark.parametrize("obs", OBSERVATIONS)
@pytest.mark.filterwarnings("ignore:.*(symmetric and normalized|different from the unwrapped).*")
def test_gymnasiums_checker_passes(obs, lockstep):
    check_env(lockstep(obs=obs), skip_render_check=True)


@pytest.mark.parametrize("obs", OBSERVATIONS)
def test_the_dict_has_the_compat_views_numbers(obs, lockstep):
    dicts, tuples = lockstep(obs=obs), lockstep(obs=obs)
    names, boxes = dicts.interface._preset.names, dicts.interface._preset.boxes
    view = DictView(names, boxes, num_actions=2)
    first, _ = dicts.reset(seed=1)
    same, _ = tuples.compat.reset(seed=1)
    for _ in range(8):
        expected = view.of(same)
        assert first.keys() == expected.keys()
        for name, part in first.items():
            np.testing.assert_array_equal(part, expected[name])
        first = dicts.step(np.array([0.25, 0.5, 0.0], np.float32))[0]
        same = tuples.compat.step(np.array([0.5, 0.0, 0.25], np.float32))[0]  # [gas, brake, steer]
    np.testing.assert_array_equal(first["actions"], np.array([0.5, 0.0, 0.25] * 2, np.float32))


@pytest.mark.parametrize(
    ("actions", "action", "pressed"),
    [
        ("full", [0.5, 1.0, 0.0], (1.0, 0.0, 16384 / 32767)),
        ("pedal", [-1.0, -1.0], (0.0, 1.0, -1.0)),
        ("pedal", [0.0, 0.6], (0.6, 0.0, 0.0)),
        ("drive", [0.0, 1.0], (1.0, 0.0, 0.0)),
        ("drive", [0.0, 0.1], (0.4, 0.0, 0.0)),
        ("drive", [0.0, -0.5], (0.0, 0.0, 0.0)),
        ("drive", [0.0, -0.9], (0.0, 0.8, 0.0)),
        ("game", [1.0, -1.0, 1.0], (1.0, 0.0, 1.0)),
    ],
)
def test_actions_reach_the_pad(actions, action, pressed, lockstep):
    env = lockstep(actions=actions, obs="edges")
    env.reset()
    env.step(np.array(action, np.float32))
    assert env.action_space.shape == np.shape(action)
    assert lockstep.games[-1].pressed[-1] == pytest.approx(pressed, abs=1e-12)


@pytest.mark.parametrize("choice", action_choices.CHOICES)
def test_what_a_person_did_is_the_action_that_does_it(choice):
    for gas, brake in ((1.0, 0.0), (0.25, 0.0), (0.0, 0.0), (0.0, 0.5), (0.0, 1.0)):
        action = action_choices.from_game([gas, brake, -0.5], choice)
        assert action in action_choices.action_space(choice)
        np.testing.assert_allclose(action_choices.to_game(action, choice), [gas, brake, -0.5], atol=1e-6)


def test_an_action_takes_effect_one_step_later(lockstep):
    env = lockstep(obs="lidar", sleep_at_reset_s=2.0)
    env.reset()
    speeds = [env.step(GAS)[0]["speed"][0] for _ in range(3)]
    assert speeds == [0.0, 40.0, 40.0]  # the first step applied the default action


@pytest.mark.point("trackmania", 14)
def test_dead_time_between_episodes_is_2_2_seconds(lockstep):
    env = lockstep(obs="edges", episode_steps=20)
    env.reset()
    game = lockstep.games[-1]
    for _ in range(3):
        restarts, popups = game.restarts, game.popups
        for _ in range(19):
            env.step(GAS)
        began = game.time_s
        _, _, terminated, truncated, info = env.step(GAS)  # ends: one step, and the wait of 0.7 s
        assert (terminated, truncated, info["end_cause"]) == (False, True, "time_limit")
        assert game.time_s - began == pytest.approx(0.05 + 0.7, abs=1e-6)
        assert (game.restarts, game.popups) == (restarts + 1, popups + 1)
        env.reset()
        assert game.time_s - began - 0.05 == pytest.approx(2.2, abs=0.05)


@pytest.mark.parametrize(("reward", "total"), [("tmrl", 40.0 + 100.0), ("progress", 40.0 + 100.0 - 0.5 * 10.1)])
def test_a_lap_earns_what_the_formulas_say(reward, total, lockstep):
    env = lockstep(obs="edges", reward=reward, sleep_at_reset_s=1.5)
    env.reset()
    steps = drive(env)
    last = steps[-1][4]
    assert (last["end_cause"], last["lap"], steps[-1][2], steps[-1][3]) == ("finish", 1, True, False)
    # 400 m at 40 m/s: 10 s, seen at a step's capture; the first step passes before the gas is sent
    assert len(steps) == pytest.approx(202, abs=1)
    assert sum(step[1] for step in steps) == pytest.approx(total, abs=0.2)
    assert last["lap_time_s"] == pytest.approx(10.0 + 0.05, abs=0.03)  # the gas came one step after the countdown
    assert last["lap_time_source"] == "receive_clock"
    assert last["progress"] == pytest.approx(1.0, abs=0.005)
    assert all("lap_time_s" not in step[4] for step in steps[:-1])


@pytest.mark.point("trackmania", 27)
def test_a_stale_finish_after_a_restart_is_not_believed(lockstep):
    env = lockstep(obs="edges", twin_game={"stale_s": 3.0})
    for _ in range(2):  # the second race begins with the sign of the first
        env.reset()
        steps = drive(env)
        assert steps[-1][4]["end_cause"] == "finish"
        assert len(steps) > 150
        assert sum("reward_finish" in step[4] for step in steps) == 1


def test_a_car_that_stands_is_stuck(lockstep):
    env = lockstep(obs="edges")
    env.reset()
    steps = drive(env, np.zeros(3, np.float32))
    assert (steps[-1][4]["end_cause"], len(steps)) == ("stuck", 151)  # 3.5 s of grace and 4 s
    assert steps[-1][2]


def test_leaving_the_road_ends_the_episode(lockstep):
    env = lockstep(obs="edges")
    env.reset()
    steps = drive(env, np.array([1.0, 1.0, 0.0], np.float32))
    assert steps[-1][4]["end_cause"] == "off_track"
    assert steps[-1][4]["off_track"] is True
    assert steps[-1][1] < -5.0


@pytest.mark.point("trackmania", 8)
def test_telemetry_that_stalls_truncates_and_comes_back(lockstep):
    env = lockstep(obs="edges", reward="tmrl")
    env.reset()
    env.step(GAS)
    game = lockstep.games[-1]
    game.override = {"x": float("nan")}
    steps = drive(env)
    observation, reward, terminated, truncated, info = steps[-1]
    assert len(steps) * 0.05 <= 1.0 + 0.1  # the stall limit of 1 s
    assert (reward, terminated, truncated, info["end_cause"]) == (0.0, False, True, "link_lost")
    assert "stalled" in info["fault"]
    assert observation in env.observation_space
    assert "not finite" in steps[3][4]["telemetry_fault"]
    assert "fault" not in steps[3][4]
    game.override = {}
    env.reset()
    assert env.step(GAS)[4]["end_cause"] is None


def test_equal_seeds_give_equal_episodes_bit_for_bit(lockstep):
    def rollout(env):
        generator = np.random.default_rng(0)
        env.reset(seed=5)
        return [env.step(generator.uniform(-0.1, 1.0, 3)) for _ in range(100)]

    one = lockstep(obs="edges")
    first, again, other = rollout(one), rollout(one), rollout(lockstep(obs="edges"))
    for step, same, equal in zip(first, again, other, strict=True):
        for candidate in (same, equal):
            assert candidate[1:4] == step[1:4]
            np.testing.assert_equal(candidate[0], step[0])
            np.testing.assert_equal(candidate[4], step[4])


def test_the_contracts_names_have_their_types(lockstep):
    env = lockstep(obs="lidar")
    _, info = env.reset()
    types = {"speed_mps": float, "progress": float, "lap": int, "off_track": bool, "frames": int}
    for told, frames in ((info, 0), (env.step(GAS)[4], 1)):
        assert {name: type(told[name]) for name in types} == types
        assert told["frames"] == frames


@pytest.mark.point("trackmania", 15)
def test_rtgyms_handles_are_on_the_unwrapped_env(lockstep):
    env = lockstep(obs="lidar").unwrapped
    assert env.default_action.tolist() == [0.0, 0.0, 0.0]
    env.set_default_action(np.array([1.0, 0.0, 0.0], np.float32))
    env.set_start_obs_capture(0.02)
    env.set_time_step_duration(0.03)
    env.set_ep_max_length(2)
    env.reset()
    assert [env.step(GAS)[3] for _ in range(2)] == [False, True]
    env.wait()
    assert "step_duration" in env.benchmarks()


def test_it_renders_what_it_drives_with(lockstep):
    env = lockstep(obs="full", render_mode="rgb_array")
    assert env.render() is None
    env.reset()
    assert env.render().shape == (128, 256, 3)


def test_requests_that_cannot_be_carried_out(tmp_path, lockstep):
    for arguments, message in (
        ({"obs": "image"}, "full, lidar, lidar_progress, edges"),
        ({"reward": "sparse"}, "tmrl, progress"),
        ({"twin": "fast"}, "lockstep"),
        ({"layout": "TMRL12"}, "TMRL11"),
        ({"hosts": ["a:1", "b:2"]}, "envs.serve"),
        ({"hosts": "nowhere"}, "HOST:PORT"),
        ({"trajectory": str(tmp_path / "none.pkl")}, "to be a file"),
        ({"obs": "edges", "layout": "auto"}, "set env.layout"),
        ({"obs": "full", "layout": "TMRL9"}, "gear"),
        ({"progress": {"bonus": 1}}, "'bonus'"),
        ({"edge": {"points": 1}}, "points"),
        ({"capture_s": 0.06}, "start_obs_capture"),
    ):
        with pytest.raises(ConfigError, match=message):
            lockstep(**arguments)


def test_a_twin_that_nobody_will_drive_ends(tmp_path, eventually):
    before = threading.active_count()
    with pytest.raises(ConfigError, match=r"env\.trajectory"):
        TrackmaniaEnv(twin=True, trajectory=str(tmp_path / "none.npz"))
    eventually(lambda: threading.active_count() <= before)


def test_the_real_game_is_not_looked_for_before_the_first_reset(tmp_path):
    env = TrackmaniaEnv(obs="full", hosts="127.0.0.1:1", connect_timeout_s=0.2)
    with pytest.raises(ConfigError, match=r"envs.record.*env.twin=lockstep"):
        env.reset()
    env.close()
    points = np.stack([np.zeros(200), np.zeros(200), 0.1 * np.arange(200)], axis=1)
    Trajectory(points).save(tmp_path / "line.npz")
    env = TrackmaniaEnv(
        obs="edges", trajectory=str(tmp_path / "line.npz"), hosts="127.0.0.1:1", controls="none", connect_timeout_s=0.2
    )
    with pytest.raises(SimulatorUnavailable, match="refused"):
        env.reset()
    env.close()
    env.close()


def test_the_factory_makes_it(lockstep):
    config = {"_target_": "envs.trackmania.env.TrackmaniaEnv", "obs": "lidar", "twin": "lockstep", "frame_stack": 4}
    env = make_env(config | {"evaluation": {"episode_steps": 5}})
    env.reset(seed=3)
    assert [env.step(GAS)[3] for _ in range(5)] == [False] * 4 + [True]
    env.close()
    assert capacity(config, training=True).total is None
    assert capacity(config | {"twin": False}, training=True).total == 1


def test_layouts_of_the_fake_are_right(lockstep):
    env = lockstep(obs="lidar")
    env.reset()
    assert len(lockstep.games[-1].record()) == TMRL11.num_floats
