"""Rules that end training episodes of CarRacing: standing still, and the grass."""

import numpy as np
import pytest

from envs.carracing.early_end import EarlyEnd
from envs.carracing.env import CarRacingEnv

COAST = np.array([0, 0, 0], np.float32)


@pytest.mark.parametrize(("training", "ends"), [(True, True), (False, False)])
def test_standing_still_ends_training_episodes_only(training, ends):
    rules = {"stuck_frames": 10, "grass_frames": 0, "penalty": 3.0}
    env = CarRacingEnv(obs="telemetry", action_repeat=4, early_end=rules, training=training)
    env.reset(seed=8)
    steps = [env.step(COAST) for _ in range(2)]
    assert not any(step[2] for step in steps)
    _, reward, terminated, truncated, info = env.step(COAST)
    assert (terminated, truncated) == (ends, False)
    assert info["frames"] == (2 if ends else 4)  # the tenth frame is the second of the third decision
    assert reward == pytest.approx(-0.2 - 3.0 if ends else -0.4)
    assert info.get("early_end") == ("stuck" if ends else None)


def test_grass_ends_training_episodes():
    env = CarRacingEnv(obs="telemetry", early_end={"grass_frames": 5}, training=True)
    env.reset(seed=8)
    env.step(COAST)
    shift = 2000 / 6 - 20.0 - env._game.car.hull.position[0]  # to 20 m from the field's edge, where no road is
    for body in (env._game.car.hull, *env._game.car.wheels):
        body.position = (body.position[0] + shift, body.position[1])
    steps = [env.step(COAST) for _ in range(5)]
    assert [step[2] for step in steps] == [False] * 4 + [True]
    assert steps[-1][4]["early_end"] == "grass"


def test_the_rules_count_anew_in_every_episode():
    env = CarRacingEnv(obs="telemetry", early_end={"stuck_frames": 4}, training=True)
    for _ in range(2):
        env.reset(seed=8)
        assert [env.step(COAST)[2] for _ in range(3)] == [False] * 3
    assert env.step(COAST)[2]


def test_early_end_counts_by_hand():
    rules = EarlyEnd(stuck_frames=3, grass_frames=2)
    rules.reset(tiles=1)
    frames = [(1, False), (1, True), (2, False), (2, True), (2, False), (2, False)]
    causes = [rules.update(tiles=tiles, is_off_track=off_track) for tiles, off_track in frames]
    assert causes == [None, None, None, None, None, "stuck"]
    rules.reset(tiles=1)
    assert [rules.update(tiles=1, is_off_track=True) for _ in range(2)] == [None, "grass"]
    never = EarlyEnd(stuck_frames=0, grass_frames=None)
    assert {never.update(tiles=0, is_off_track=True) for _ in range(2000)} == {None}
