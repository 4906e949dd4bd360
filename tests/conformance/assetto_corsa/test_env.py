"""The env against the twin and against a plugin by hand: sizes, history, rewards, endings, gears."""

import time

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from envs.assetto_corsa.acgym_vector import TASKS, VectorSettings
from envs.assetto_corsa.endings import Endings, EndSettings
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.faults import GameMismatchError
from envs.assetto_corsa.geometry.derived import Derived, Geometry
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.presets import VectorPreset
from envs.assetto_corsa.rewards import (
    AcgymReward,
    AcgymRewardSettings,
    ProgressReward,
    ProgressRewardSettings,
)
from envs.assetto_corsa.twin.server import TwinServer
from envs.errors import ConfigError

GO = np.array([0.0, 1.0, -1.0], np.float32)
REST = np.array([0.0, -1.0, -1.0], np.float32)


@pytest.fixture
def look(make_state):
    """Return a function that makes a look at a state by hand."""

    def made(gap_m=0.0, tyres=0, rays=None, commands=(0.0, -1.0, -1.0), lap_dist_m=0.0, **fields):
        sensors = np.full(11, 50.0) if rays is None else np.asarray(rays)
        derived = Derived(lap_dist_m, 0, gap_m, False, tyres > 2, tyres > 2, sensors, float(sensors.min()))
        state = make_state(numberOfTyresOut=tyres, **fields)
        return Look(state, derived, np.array(commands))

    return made


@pytest.mark.point("assetto_corsa", 11)
@pytest.mark.parametrize("speed", [0.0, 8.0])
def test_two_episodes_against_the_strict_twin(ring, ring_folder, quick, speed):
    with TwinServer(port=0, is_strict=True, speed=speed, game={"track": ring}) as server:
        ports = (server.ego, server.management)
        for _ in range(2):
            env = _env_of(ports, ring_folder)
            env.reset()
            for step in range(100):
                observation, reward, terminated, truncated, info = env.step(REST if step else GO)
                assert not terminated, info
                assert not truncated, info
                assert np.isfinite(observation).all()
                assert np.isfinite(reward)
            assert server.session.is_dead is False
            if speed == 0.0:
                assert info["out_of_sync"] == 0
                assert info["steps"] == 104
            env.close()


@pytest.mark.timing
@pytest.mark.point("assetto_corsa", 11)
def test_two_episodes_against_the_strict_twin_in_real_time(ring, ring_folder):
    with TwinServer(port=0, is_strict=True, game={"track": ring}) as server:
        for _ in range(2):
            env = _env_of((server.ego, server.management), ring_folder, measure_rate=True, reset_wait_s=1.0)
            env.reset()
            began = time.monotonic()
            for _ in range(100):
                _, _, terminated, truncated, info = env.step(REST)
                assert not terminated, info
                assert not truncated, info
            assert time.monotonic() - began == pytest.approx(4.0, rel=0.05)
            env.close()


def _env_of(addresses, folder, **arguments):
    """Return an env of a twin whose ports need not lie side by side."""
    from envs.assetto_corsa.management import ManagementClient

    (host, port), management = addresses
    chosen = {"reset_wait_s": 0.0, "measure_rate": False} | arguments
    env = AssettoCorsaEnv(hosts=f"{host}:{port}", track=folder, **chosen)
    env.race.parts.drive.link._management = ManagementClient(*management)
    return env


@pytest.mark.point("assetto_corsa", 31)
@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({}, 125),
        ({"vector": {"history": False}}, 50),
        ({"tasks": [["ring", "dallara_f317"], ["a", "b"], ["c", "d"], ["e", "f"]]}, 129),
        ({"obs": "acgym_fixed"}, 125),
        ({"vector": {"own_commands": True}}, 125),
        ({"obs": "acgym_noline"}, 109),  # without the gap, four times, and 12 curvatures
    ],
)
def test_sizes_types_and_spaces(lockstep, arguments, size):
    env = lockstep(**arguments)
    assert env.observation_space.shape == (size,)
    for observation in (env.reset(seed=1)[0], env.step(GO)[0]):
        assert observation.dtype == np.float32
        assert observation in env.observation_space
    assert len(VectorSettings().names) == 125


def test_target_speeds_are_twelve_numbers_more_or_refused(lockstep):
    from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track

    track = synthetic_ac_track(1, has_target_speed=True)
    env = lockstep(vector={"target_speed": True}, twin_game={"track": track})
    assert env.observation_space.shape == (137,)
    observation, _ = env.reset()
    np.testing.assert_allclose(observation[-12] * 80.0, track.target_speed_mps[0], rtol=0.02)
    with pytest.raises(ConfigError, match="target_speed"):
        lockstep(vector={"target_speed": True}).reset()


def test_a_task_is_told_as_one_of_the_list(lockstep):
    env = lockstep(tasks=[["other", "dallara_f317"], ["ring", "dallara_f317"], ["ring", "bmw_z4_gt3"]])
    assert env.reset()[0][-3:].tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(ConfigError, match="ks_red_bull_ring-layout_gp with dallara_f317"):
        lockstep(tasks=[list(one) for one in TASKS])


@pytest.mark.point("assetto_corsa", 32)
def test_history_begins_with_the_fourth_observation(lockstep):
    env = lockstep(twin_game={"start_speed_mps": 30.0})
    observations = [env.reset(seed=0)[0]]
    observations += [env.step(GO)[0] for _ in range(5)]
    for observation in observations[:3]:
        assert not observation[38:47].any()
        assert not observation[50:].any()
    for index in (3, 4, 5):
        now = observations[index]
        for back in (1, 2, 3):
            before = observations[index - back]
            np.testing.assert_array_equal(now[50 + 25 * (3 - back) :][:25], before[:25])
            np.testing.assert_array_equal(now[[41 - back, 44 - back, 47 - back]], before[47:50])
        for block in (now[38:47].reshape(3, 3)[1], now[50:75], now[75:100], now[100:125]):
            assert block.any()


def test_the_vector_is_the_state_in_its_scales(ring, look):
    preset = VectorPreset(VectorSettings())
    preset.bind(Geometry(ring, fixed=True))
    preset.reset()
    fields = {
        **{"speed": 40.0, "LastFF": 0.5, "RPM": 7500.0, "accelX": 1.0, "accelY": -2.5, "actualGear": 4},
        **{"angular_velocity_y": np.pi / 2, "local_velocity_x": 20.0, "local_velocity_y": -5.0},
        **{"SlipAngle_fl": 5.0, "SlipAngle_fr": -5.0, "SlipAngle_rl": 2.5, "SlipAngle_rr": 12.5},
        **{"steerAngle": 90.0, "accStatus": 0.75, "brakeStatus": 0.25},
    }
    vector = preset.of(look(gap_m=3.0, tyres=3, rays=20.0 * np.arange(11), **fields))
    expected = [0.5, 0.3, 0.5, 0.75, 0.2, -0.5, 0.5, 0.5, 0.25, -0.25, 0.2, -0.2, 0.1, 0.5]
    np.testing.assert_allclose(vector[:14], expected, rtol=1e-6)
    np.testing.assert_allclose(vector[14:25], np.arange(11) / 10)
    assert vector[25] == 1.0
    np.testing.assert_allclose(vector[26:38], 0.05, rtol=0.02)  # curvature 1 / 200 m, by 0.1
    np.testing.assert_allclose(vector[47:50], [0.2, 0.75, 0.25], rtol=1e-6)


@pytest.mark.point("assetto_corsa", 34)
def test_the_road_ahead_is_the_same_everywhere_on_a_circle(lockstep, ring):
    """Also across the start line, where the original's table jumps."""
    env = lockstep(obs="acgym_fixed", twin_game={"start_row": 990, "start_speed_mps": 20.0})
    observations = [env.reset()[0]]
    observations += [env.step(np.zeros(3, np.float32))[0] for _ in range(30)]
    np.testing.assert_allclose(np.stack(observations)[:, 26:38], 0.05, rtol=0.02)


@pytest.mark.timing
def test_states_do_not_grow_old_with_slow_steps(ring):
    """The original's age grows to seconds with steps of 80 ms: it takes the oldest of its queue."""
    env = AssettoCorsaEnv(twin=True, twin_game={"track": ring})
    env.reset()
    ages, skipped = [], 0
    for _ in range(50):
        env.send_action(REST)
        time.sleep(0.08)
        info = env.receive()[4]
        ages.append(info["state_age_s"])
        skipped += info["skipped_states"]
    env.close()
    assert np.median(ages) < 0.045
    assert max(ages) < 0.08
    assert 40 <= skipped <= 100


@pytest.mark.point("assetto_corsa", 33)
def test_left_of_the_line_is_negative_and_the_first_ray_looks_right(plugin, connect_env, make_state):
    """On the circle's inside, which is left of an anticlockwise way, 2 m off the line."""
    plugin.state = lambda steps: make_state(steps, world_position_x=198.0)
    observation, info = connect_env().reset()
    assert info["gap_m"] == pytest.approx(-2.0, abs=1e-2)
    # The left border is 4 m away, the right one 8 m.
    np.testing.assert_allclose(observation[[14, 24]] * 200.0, [8.0, 4.0], atol=0.1)


@pytest.mark.point("assetto_corsa", 37)
def test_the_rewards_of_the_original(look):
    reward = AcgymReward(AcgymRewardSettings())
    reward.reset(look())
    pay = {"gained_m": 0.0, "is_failure": False}
    assert sum(reward.of(look(speed=50.0, gap_m=3.0), **pay).values()) == pytest.approx(0.45)
    assert sum(reward.of(look(speed=50.0, gap_m=-3.0), **pay).values()) == pytest.approx(0.45)
    assert sum(reward.of(look(speed=50.0, gap_m=24.0), **pay).values()) == pytest.approx(-0.6)
    bare = AcgymReward(AcgymRewardSettings(), has_line=False)
    bare.reset(look())
    assert sum(bare.of(look(speed=50.0, gap_m=3.0), **pay).values()) == pytest.approx(0.6)


def test_moving_the_controls_costs_once_there_are_three_states(look):
    reward = AcgymReward(AcgymRewardSettings(penalize_actions_diff=True), has_line=False)
    reward.reset(look(speed=0.0))
    costs = []
    for step in range(1, 6):
        terms = reward.of(
            look(speed=0.0, steerAngle=135.0 * step, accStatus=0.4 * (step % 2)), gained_m=0.0, is_failure=False
        )
        costs.append(terms["actions_diff"])
    assert costs == pytest.approx([0.0, 0.0, -0.05, -0.05, -0.05])  # 0.1 · √(0.3² + 0.4²), from observation 3 on


def test_progress_is_paid_by_the_metre(look):
    settings = ProgressRewardSettings(per_metre=0.5, time_cost_per_s=1.0, tyre_out_cost_per_s=2.0, failure_penalty=7.0)
    reward = ProgressReward(settings)
    reward.reset(look(timestamp_ac=10.0))
    terms = reward.of(look(timestamp_ac=10.04, tyres=3), gained_m=2.0, is_failure=True)
    assert terms == pytest.approx(
        {"progress": 1.0, "time": -0.04, "tyres_out": -0.24, "smoothness": 0.0, "failure": -7.0}
    )


@pytest.mark.point("assetto_corsa", 38)
def test_a_car_that_stands_ends_at_step_250_terminated(lockstep):
    env = lockstep()
    env.reset()
    for step in range(1, 251):
        _, _, terminated, truncated, info = env.step(np.array([0.0, -1.0, 1.0], np.float32))
        assert (terminated, truncated) == (step == 250, False)
    assert info["reason"] == "slow"
    with pytest.raises(ResetNeeded):
        env.step(REST)


@pytest.mark.point("assetto_corsa", 38)
def test_off_track_is_terminated_and_limits_are_truncated(lockstep, plugin, connect_env, make_state):
    env = lockstep(max_steps=20)
    env.reset()
    ends = [env.step(GO)[2:4] for _ in range(20)]
    assert ends == [(False, False)] * 19 + [(False, True)]
    plugin.state = lambda steps: make_state(steps, numberOfTyresOut=3 if steps > 6 else 2)
    env = connect_env()
    env.reset()  # states 1 to 4
    ends = [env.step(GO) for _ in range(3)]
    assert [end[2:4] for end in ends] == [(False, False), (False, False), (True, False)]
    assert ends[-1][4]["reason"] == "off_track"


@pytest.mark.point("assetto_corsa", 38)
def test_laps_are_a_limit_of_our_own_timer(plugin, connect_env, make_state, ring):
    """A car at 100 m/s, 4 m a state, that begins 20 m before the line: its lap ends 320 states later."""
    metres = lambda steps: -20.0 + 4.0 * steps  # noqa: E731

    def driving(steps):
        share = metres(steps) / ring.length_m
        angle = 2 * np.pi * share
        place = {"world_position_x": 200.0 * np.cos(angle), "world_position_y": 200.0 * np.sin(angle)}
        return make_state(
            steps, yaw=angle + np.pi / 2, speed=100.0, NormalizedSplinePosition=share % 1.0, LapCount=7, **place
        )

    plugin.state = driving
    env = connect_env(max_laps=1)
    env.reset()
    info, steps = {}, 0
    while "reason" not in info:
        _, _, terminated, truncated, info = env.step(GO)
        steps += 1
    assert (terminated, truncated, info["reason"]) == (False, True, "max_laps")
    assert steps + 4 == np.ceil((ring.length_m + 20.0) / 4.0)
    assert info["lap"] == 1
    assert info["lap_time_s"] == pytest.approx(ring.length_m / 100.0, abs=1e-3)


def test_other_endings(look):
    def ends(settings, looks, preset="acgym", **course):
        endings = Endings(settings, preset)
        told = {"behind_best_m": 0.0, "laps": 0} | course
        for step, one in enumerate(looks, 1):
            ending = endings.of(one, **told)
            if ending is not None:
                return step, ending.reason, ending.is_terminated
        return None

    slow = [look(speed=1.38)] * 400
    assert ends(EndSettings(), slow) is None
    assert ends(EndSettings(), slow, "paper") == (50, "slow", True)  # 5 km/h are 1.389 m/s; 2 s
    assert ends(EndSettings(), [look(speed=0.9)] * 249 + [look(speed=1.0)] + [look(speed=0.9)] * 249) is None
    assert ends(EndSettings(max_gap_m=5.0), [look(gap_m=-5.1)]) == (1, "gap", True)
    assert ends(EndSettings(), [look()], behind_best_m=31.0) == (1, "backwards", True)
    assert ends(EndSettings(backwards_m=None, max_steps=1), [look()], behind_best_m=31.0) == (1, "max_steps", False)
    assert ends(EndSettings(), [look()] * 15001) == (15000, "max_steps", False)
    assert ends(EndSettings(off_track=False, max_steps=2), [look(tyres=4)] * 3) == (2, "max_steps", False)


def test_a_car_that_drives_backwards_is_ended(plugin, connect_env, make_state):
    def backwards(steps):
        angle = -5.0 * max(steps - 6, 0) / 200.0
        place = {"world_position_x": 200.0 * np.cos(angle), "world_position_y": 200.0 * np.sin(angle)}
        return make_state(steps, yaw=angle - np.pi / 2, NormalizedSplinePosition=angle / (2 * np.pi) % 1.0, **place)

    plugin.state = backwards
    env = connect_env()
    env.reset()
    info, steps = {}, 0
    while "reason" not in info:
        _, _, terminated, _, info = env.step(GO)
        steps += 1
    assert (info["reason"], terminated, steps) == ("backwards", True, 9)  # 35 m back, of which 30 are allowed


CHECKED = [
    {},
    {"obs": "acgym_fixed", "reward": "progress"},
    {"obs": "acgym_noline", "reward": "acgym_noline", "endings": "paper"},
    {"obs": "acgym_image", "image_size": 32},
    {"obs": "acgym_image", "image_size": 32, "grayscale": False, "image": {"color_mode": "bgr"}},
    {"obs": "edges"},
    {"actions": "scaled"},
    {"actions": "pedal", "rate_limits": True},
    {"actions": "absolute", "gears": "box"},
    {"gears": "discrete"},
    {"off_track": "grid", "obs_extra": True, "end": {"slow": False, "max_gap_m": 20.0}},
    {"vector": {"history": False, "own_commands": True}, "acgym": {"penalize_actions_diff": True}},
]


@pytest.mark.point("assetto_corsa", 39)
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*", "ignore:.*minimum value is -infinity.*")
@pytest.mark.filterwarnings("ignore:.*maximum value is infinity.*")
@pytest.mark.parametrize("arguments", CHECKED, ids=str)
def test_gymnasiums_checker_passes_for_every_choice(lockstep, arguments):
    check_env(lockstep(**arguments), skip_render_check=True)


def combinations():
    """Return choices that share no value with their neighbours, until every value of every argument was there."""
    choices = {
        "obs": ["acgym", "acgym_fixed", "acgym_noline", "acgym_image", "edges"],
        "reward": ["acgym", "acgym_noline", "progress"],
        "endings": ["acgym", "paper"],
        "actions": ["relative", "absolute", "scaled", "pedal"],
        "rate_limits": [False, True],
        "gears": ["auto", "box", "discrete"],
        "off_track": ["game", "grid"],
        "car": ["dallara_f317", "bmw_z4_gt3", "ks_mazda_miata"],
        "vector": [{}, {"history": False}, {"own_commands": True}, {"target_speed": True}],
        "tasks": [None, [["ring", "dallara_f317"]]],
        "obs_extra": [False, True],
        "max_laps": [None, 1],
    }
    random = np.random.default_rng(7)
    return [{name: values[random.integers(len(values))] for name, values in choices.items()} for _ in range(60)]


def test_every_combination_drives_or_is_refused(lockstep):
    driven = 0
    for arguments in combinations():
        try:
            env = lockstep(image_size=16, **arguments)
            observation, _ = env.reset(seed=1)
        except ConfigError:
            continue
        driven += 1
        for _ in range(5):
            assert env.observation_space.contains(observation), arguments
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            assert np.isfinite(reward), arguments
            if terminated or truncated:
                observation, _ = env.reset()
    assert driven >= 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"obs": "acgym125"}, "acgym_fixed"),
        ({"reward": "speed"}, "progress"),
        ({"actions": "full"}, "relative"),
        ({"car": "ferrari"}, "dallara_f317"),
        ({"mode": "local", "twin": "lockstep"}, "env.mode=remote"),
        ({"hosts": ["a:1", "a:1"]}, "each once"),
        ({"hosts": []}, "at least one"),
        ({"hosts": "nowhere"}, "HOST:PORT"),
        ({"end": {"max_steps": 5}}, "env.max_steps"),
        ({"end": {"slowly": 5}}, "slow_mps"),
        ({"vector": {"previous": True}}, "history"),
        ({"obs": "edges", "vector": {"history": False}}, "leave it out"),
        ({"tasks": [["a"]]}, "pairs"),
        ({"tasks": [["a", "b"]]}, "env.track"),
        ({"obs": "acgym_noline", "vector": {"target_speed": True}}, "racing line"),
        ({"image": {"source": "camera"}}, "shared"),
        ({"safe_brake": 2.0}, "safe_brake"),
        ({"track_name": "monza"}, "env.track"),
        ({"track": "nowhere"}, "nowhere"),
        ({"max_steps": 0}, "max_steps"),
        ({"gears": 3}, "gears"),
    ],
)
def test_what_cannot_be_is_refused_in_words(arguments, words):
    with pytest.raises(ConfigError, match=words):
        AssettoCorsaEnv(**arguments)


def test_local_mode_moves_a_joystick_of_this_machine(plugin, connect_env, monkeypatch):
    held = []

    class Stick:
        def press(self, controls):
            held.append((controls.steer, controls.acc, controls.brake))

        def close(self):
            held.append("closed")

    monkeypatch.setattr("envs.assetto_corsa.games.joystick_sink", lambda name: Stick())
    plugin.config |= {"vjoy_executed_by_server": False, "sampling_freq": 50}
    env = connect_env(mode="local", actions="absolute")
    assert held == []  # nothing is touched before the first reset
    env.reset()
    env.step(np.array([0.25, 0.5, -1.0], np.float32))
    assert held[-1] == (0.25, 0.5, -1.0)
    assert plugin.controls[-1]["acc"] == 0.5  # the plugin is told too: it counts who is out of sync
    env.close()
    assert held[-2:] == [(0.0, -1.0, 0.0), "closed"]


def test_a_new_joystick_is_safe_before_the_car_is_put_back(plugin, connect_env, monkeypatch, eventually):
    """One that stands in the middle presses half of both pedals."""
    events = []

    class Stick:
        def press(self, controls):
            events.append(controls.acc)

        def close(self):
            pass

    monkeypatch.setattr("envs.assetto_corsa.games.joystick_sink", lambda name: Stick())
    plugin.config |= {"vjoy_executed_by_server": False, "sampling_freq": 50}
    plugin.on_reset = lambda: events.append("reset")
    connect_env(mode="local").reset()
    eventually(lambda: "reset" in events)
    assert events[: events.index("reset") + 1] == [-1.0, "reset"]


def test_seeds_start_in_different_places_and_repeat(lockstep):
    env = lockstep(actions="absolute")
    starts = [env.reset(seed=seed)[1]["position_m"].tolist() for seed in (10_000, 10_001, 10_000)]
    assert starts[0] == starts[2] != starts[1]
    named = lockstep(actions="absolute", twin_game={"start_row": 3, "start_left_m": 0.0})
    assert len({tuple(named.reset(seed=seed)[1]["position_m"]) for seed in range(3)}) == 1


def test_who_the_game_is_is_asked_again_after_a_loss(plugin, connect_env):
    env = connect_env(state_timeout_s=0.2, connect_wait_s=0.2)
    env.reset()
    plugin.silent, plugin.deaf = True, 100
    assert env.step(GO)[3]
    plugin.silent, plugin.deaf = False, 0
    plugin.static = plugin.static | {"CarName": "bmw_z4_gt3"}
    with pytest.raises(GameMismatchError, match="bmw_z4_gt3"):
        env.reset()


def test_an_env_that_was_closed_can_begin_again(plugin, connect_env):
    env = connect_env()
    env.reset()
    env.close()
    env.reset()
    assert not env.step(GO)[3]


@pytest.mark.point("assetto_corsa", 40)
@pytest.mark.parametrize("kind", ["box", "discrete"])
def test_one_request_shifts_by_one_gear(lockstep, kind):
    env = lockstep(gears=kind, twin_game={"start_speed_mps": 15.0})

    def action(shift):
        if kind == "box":
            return np.array([0.0, 0.2, -1.0, shift], np.float32)
        return {"controls": GO, "gear": {0: 0, 1: 1, -1: 2}[shift]}

    env.reset()
    gear = []
    for shift in (0, 1, *[0] * 10, -1, *[0] * 10):
        observation = env.step(action(shift))[0]
        gear.append(round(8 * observation[6]))
    first = gear[0]
    assert set(gear) == {first, first + 1}
    assert gear[11] == first + 1
    assert gear[-1] == first


def test_a_seed_begins_the_twin_anew(lockstep):
    def drive(env, seed):
        trace = [env.reset(seed=seed)[0]]
        trace += [env.step(np.array([0.1 * np.sin(step), 0.5, -1.0], np.float32))[0] for step in range(50)]
        return np.stack(trace)

    env, other = lockstep(), lockstep()
    first = drive(env, 3)
    np.testing.assert_array_equal(first, drive(env, 3))
    np.testing.assert_array_equal(first, drive(other, 3))


def test_two_envs_are_two(lockstep):
    one, other = lockstep(), lockstep(actions="absolute", obs="acgym_noline")
    one.reset(seed=0)
    other.reset(seed=0)
    before = one.step(GO)[0]
    for _ in range(10):
        other.step(GO)
    one.reset(seed=0)
    np.testing.assert_array_equal(before, one.step(GO)[0])


def test_other_cars_are_told(lockstep, ring, eventually):
    env = lockstep(opponents=True, twin_game={"num_opponents": 3})
    _, info = env.reset()
    cars = np.array(info["opponents"])
    assert cars.shape == (3, 4)
    np.testing.assert_allclose(np.hypot(*cars[:, :2].T), 200.0, atol=6.0)  # on the circle
    assert lockstep(opponents=True).reset()[1]["opponents"] == ()
    env = AssettoCorsaEnv(
        twin=True, opponents=True, twin_game={"track": ring, "num_opponents": 2}, measure_rate=False, reset_wait_s=0.0
    )
    env.reset()
    eventually(lambda: len(env.step(REST)[4]["opponents"]) == 2)
    env.close()


def test_extras_and_logs(lockstep, tmp_path):
    import pyarrow.parquet

    env = lockstep(obs_extra=True, log=str(tmp_path), max_steps=5)
    _, info = env.reset()
    assert info["obs_extra"].shape == (9,)
    assert info["obs_extra"][6] == pytest.approx(200.0)
    for _ in range(5):
        env.step(GO)
    env.reset()
    env.step(GO)
    env.close()
    files = sorted((tmp_path / "laps").glob("*.parquet"))
    tables = [pyarrow.parquet.read_table(file) for file in files]
    assert [len(table) for table in tables] == [6, 2]
    whole = tables[0].to_pydict()
    assert whole["TimeLimit.truncated"] == [False] * 5 + [True]
    np.testing.assert_allclose(whole["actions_1"], [0.0] + [1.0] * 5)
    np.testing.assert_allclose(whole["current_action_abs_1"], [-1.0, -0.52, -0.04, 0.44, 0.92, 1.0], atol=1e-9)
    table = (tmp_path / "episodes_stats.csv").read_text().splitlines()
    assert len(table) == 3
    assert (tmp_path / "laps" / "static_info.json").exists()
