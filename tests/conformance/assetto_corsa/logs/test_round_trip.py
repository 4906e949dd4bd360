"""What an env drives on its twin, logs, and reads again is what it observed and did."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from envs.assetto_corsa.acgym_vector import VectorSettings
from envs.assetto_corsa.cars import CARS
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.logs.demonstrations import demonstrations
from envs.assetto_corsa.logs.recorded_lap import read_lap
from envs.assetto_corsa.presets import VectorPreset
from envs.assetto_corsa.rewards import AcgymReward, AcgymRewardSettings

CAR = CARS["dallara_f317"]


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """Return observations, actions and rewards of an episode that was not driven to its end, its track and its log."""
    folder = tmp_path_factory.mktemp("run")
    env = AssettoCorsaEnv(twin="lockstep", log=str(folder), twin_game={"seed": 3})
    observation, _ = env.reset(seed=0)
    random = np.random.default_rng(0)
    observations, actions, rewards = [observation], [], []
    for _ in range(50):
        actions.append(np.float32([random.uniform(-0.3, 0.3), random.uniform(-0.2, 1), random.uniform(-1, 0.1)]))
        observation, reward, terminated, truncated, _ = env.step(actions[-1])
        assert not terminated
        assert not truncated
        observations.append(observation)
        rewards.append(reward)
    track = env.track
    env.close()
    (path,) = (folder / "laps").glob("*.parquet")
    return np.array(observations), np.array(actions), np.array(rewards), track, path


@pytest.mark.parametrize("is_recomputed", [False, True])
def test_a_log_leads_to_the_same_observations_actions_and_rewards(driven, tmp_path, is_recomputed):
    observations, actions, rewards, track, path = driven
    if is_recomputed:  # as a log of somebody else
        table = pq.read_table(path).replace_schema_metadata(None)
        path = tmp_path / "other.parquet"
        pq.write_table(table, path)
    lap = read_lap(path, CAR)
    assert (lap.head is None) is is_recomputed
    assert is_recomputed or lap.head.outcome == "aborted"
    settings = AcgymReward(AcgymRewardSettings())
    for reward in (None, settings):
        preset = VectorPreset(VectorSettings())
        (found,) = demonstrations(lap, Geometry(track), preset, config={}, reward=reward)
        assert np.array_equal(found.observations["vector"], observations)
        assert found.rewards == pytest.approx(rewards, abs=1e-12)
        assert found.actions == pytest.approx(actions, abs=1e-6)


def test_a_person_who_drove_so_would_have_acted_so(driven, tmp_path):
    # The wheel follows the profile's 450 degrees a unit, actions are counted in the steer map's 449.3: 0.2 % apart.
    _, _, _, _, path = driven
    table = pq.read_table(path)
    commands = np.column_stack([table.column(f"current_action_abs_{index}").to_numpy() for index in range(3)])
    lost = [name for name in table.column_names if name.startswith(("actions_", "current_action_"))]
    pq.write_table(table.drop_columns(lost), tmp_path / "person.parquet")
    person = read_lap(tmp_path / "person.parquet", CAR)
    assert person.commands[:, 0] == pytest.approx(commands[:, 0] * 450 / CAR.scale, abs=1e-4)
    assert person.commands[:, 1:] == pytest.approx(commands[:, 1:], abs=1e-4)  # the joystick's steps
