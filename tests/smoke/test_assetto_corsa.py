"""Training on the Assetto Corsa twin in lock-step."""

import math

import pytest

from experiments import metrics


@pytest.mark.parametrize("name", ["ppo", pytest.param("sac", marks=pytest.mark.slow)])
def test_its_numbers_train(name, build, tiny_with):
    words = [word for word in tiny_with(name, "mlp") if not word.startswith("env")]
    algorithm = build("env=assetto_corsa", "env.twin=lockstep", "env.max_steps=10", *words)
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
