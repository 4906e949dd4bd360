"""RLlib's own algorithms, and ours, train on the cars."""

import subprocess
import sys

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable


@pytest.fixture
def example(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "examples" / "roblox"))
    import ray
    import rllib_train

    was_there = ray.is_initialized()
    yield rllib_train
    sys.modules.pop("rllib_train")
    if not was_there:  # RLlib has started one of its own
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.point("roblox", 36)
@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_rllibs_algorithms_train_with_vector_entry_point(example, algo):
    env = {"twin": "lockstep", "games": 1, "episode_steps": 60}
    algorithm = example.build_config(algo, cars=4, env=env).build_algo()
    try:
        for _ in range(2):
            result = algorithm.train()
        assert result["env_runners"]["num_env_steps_sampled_lifetime"] >= 8
    finally:
        algorithm.stop()


@pytest.mark.point("roblox", 24)
def test_rllib_is_told_to_build_the_env_anew(example, monkeypatch):
    from ray.rllib.env.env_errors import StepFailedRecreateEnvError

    env = example.make_cars({"num_envs": 2, "twin": "lockstep"})
    assert env.num_envs == 2

    def lost(actions):
        raise SimulatorUnavailable("no game came back")

    monkeypatch.setattr(env.pairing, "step", lost)
    with pytest.raises(StepFailedRecreateEnvError, match="no game came back"):
        env.step(np.zeros((2, 3), np.float32))
    env.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.point("roblox", 36)
@pytest.mark.parametrize(
    "words", [("experiment=roblox_ppo",), ("experiment=roblox_sac", "algo.training.start_after_decisions=200")]
)
def test_our_algorithms_train(root, tmp_path, words):
    few = ["stop.frames=12000", "evaluation.final_episodes=1", "evaluation.videos=false", "evaluation.register=false"]
    where = ["env.twin=lockstep", "env.games=2", "ray.num_cpus=2", "tracking=none", f"paths.outputs={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "run.py", *words, *few, *where], cwd=root, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("roblox_*/*/trials/*/evaluation.json"))) == 1
