"""Cars are spread over games and their envs, and what cannot be is said before anything starts."""

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.factory import known_spaces, make_env
from envs.roblox.choices import options_of
from envs.roblox.options import cars_of

TARGET = {"_target_": "envs.roblox.env.RobloxEnv"}


@pytest.mark.parametrize(
    ("num_envs", "games", "cars", "layout"),
    [
        (20, 1, 5, [[5, 5, 5, 5]]),
        (8, 1, 5, [[5, 3]]),
        (20, 2, 5, [[5, 5], [5, 5]]),
        (7, 3, 2, [[2, 1], [2], [2]]),
        (1, 4, 5, [[1]]),
    ],
)
def test_cars_are_spread(num_envs, games, cars, layout):
    assert cars_of(num_envs, games, cars) == layout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dialect": "v3"}, "dialect"),
        ({"obs_preset": "tesla"}, "obs_preset"),
        ({"actions": "tmrl"}, "actions"),
        ({"twin": "fast"}, "twin"),
        ({"cars": 0}, "cars"),
        ({"ping_s": 25.0}, "silent for 20 s"),
        ({"min_ticks": 0}, "min_ticks"),
        ({"traffic": "drives.jsonl", "twin": "lockstep"}, "env.twin=true"),
        ({"twin_game": {"dialect": "v0"}}, "env.dialect"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments, message):
    with pytest.raises(ConfigError, match=message):
        options_of(arguments)


def test_spaces_of_a_live_game_need_no_game_and_hold_what_the_config_adds():
    observations, actions = known_spaces(TARGET | {"vector_stack": 4, "action_history": 2})
    assert observations["vector"].shape == (88,)
    assert observations["action_history"].shape == (6,)
    assert actions.shape == (3,)
    assert known_spaces(TARGET | {"actions": "pedal"})[1].shape == (2,)
    assert known_spaces(TARGET | {"obs_preset": "auto"}) is None


def test_a_stack_is_the_last_observations_newest_last():
    config = TARGET | {"twin": "lockstep", "actions": "game"}
    bare, stacked = make_env(config), make_env(config | {"vector_stack": 3})
    rows = [bare.reset(seed=5)[0]]
    seen = stacked.reset(seed=5)[0]
    assert seen.tolist() == [*rows[0]] * 3
    for _ in range(3):
        rows.append(bare.step([1.0, 0.0, 0.0])[0])
        seen = stacked.step([1.0, 0.0, 0.0])[0]
    assert seen.tolist() == [*rows[1], *rows[2], *rows[3]]
    bare.close()
    stacked.close()


@pytest.mark.parametrize(
    ("choice", "action", "told"),
    [
        ("full", [0.5, -1.0, 0.75], [-1.0, 0.5, 0.75]),
        ("pedal", [0.5, 1.0], [1.0, 0.5, -1.0]),
        ("game", [1, 0, -1], [1, 0, -1]),
    ],
)
def test_actions_reach_the_game_in_its_order(scripted, choice, action, told):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted()
    env = RobloxVectorEnv(1, world=world, actions=choice, dialect="v2")
    env.reset()
    env.step([action])
    assert world.commands("ACTION")[-1]["data"] == {world.games[0].cars[0].id: told}


def test_progress_and_laps_are_undone_from_rewards_as_the_twin_counts_them(lockstep):
    """The scripted driver goes two laps; what it earned tells how far it came."""
    for dialect in ("v0", "v1", "v2"):
        env = lockstep(1, dialect=dialect, twin_game={"autopilot": True})
        env.reset(seed=4)
        twin, car = env.world.twins[0], env.world.games[0].cars[0]
        begun, laps, lap_times_s = twin.car_laps(car.id), 0.0, []
        ticks = crossed = 0
        while laps < 1.5:
            _, _, terminated, truncated, infos = env.step(np.zeros((1, 3), np.float32))
            assert not (terminated | truncated).any()
            laps = twin.car_laps(car.id) - begun
            assert infos["lap"][0] + infos["progress"][0] == pytest.approx(laps, abs=0.01)
            lap_times_s += [infos["lap_time_s"][0]] if "lap_time_s" in infos else []
            ticks += 1
            crossed = ticks if laps < 1.0 else crossed
        assert lap_times_s == [pytest.approx(crossed / 15, abs=0.5)]


def test_a_twin_is_seen_from_above_and_a_real_game_is_not():
    env = make_env(TARGET | {"twin": "lockstep"}, render_mode="rgb_array")
    _, info = env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (288, 384, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
    low, high = env.unwrapped.road_edges.min(axis=(0, 1)), env.unwrapped.road_edges.max(axis=(0, 1))
    assert (low <= info["position_m"]).all()
    assert (info["position_m"] <= high).all()
    env.close()
