"""Training on the TrackMania twin in lock-step, for each of its observations."""

import math

import pytest

from experiments import metrics

EYES = {"full": "cnn", "lidar": "mlp", "lidar_progress": "mlp", "edges": "mlp"}


POINTS = [(obs, name) for obs in EYES for name in ("ppo", "sac")]
EVERYDAY = ("edges", "ppo")


@pytest.mark.parametrize(
    ("obs", "name"), [pytest.param(*point, marks=() if point == EVERYDAY else pytest.mark.slow) for point in POINTS]
)
def test_each_observation_trains(obs, name, build, tiny_with):
    words = [word for word in tiny_with(name, EYES[obs]) if not word.startswith("env")]
    game = ("env=trackmania", "env.twin=lockstep", f"env.obs={obs}", "env.frame_stack=2", "env.episode_steps=10")
    algorithm = build(*game, *words)
    for _ in range(30):
        algorithm.train()
        outcomes = algorithm.training_state()["outcomes"]
        if algorithm.updates >= 3 and outcomes:
            break
    assert algorithm.updates >= 3
    assert outcomes
    assert all(math.isfinite(outcome["episode_return"]) and outcome["fault"] is None for outcome in outcomes)
    report = algorithm.report()
    assert (report[metrics.LINK_SKIPPED], report[metrics.LINK_RECONNECTS]) == (0, 0)
    assert 0.0 <= report[metrics.LINK_AGE_S] < 0.05
