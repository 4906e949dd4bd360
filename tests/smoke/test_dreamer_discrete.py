"""DreamerV3 chooses one of five actions: trains, evaluates, films, saves and goes on, here and by command."""

import json
import shutil

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete

from experiments import folders
from experiments.drive import drive
from experiments.policy import DrivingPolicy, save_policy
from experiments.policy_description import PolicyDescription

UPDATES = 6


@pytest.fixture(scope="module")
def words(tiny):
    return (*tiny["dreamerv3"], "env.actions=discrete", "seed=3")


@pytest.fixture(scope="module")
def trained(shared_build, words, tmp_path_factory):
    """An algorithm after some updates; its replay lies in the folder."""
    folder = tmp_path_factory.mktemp("trained")
    algorithm = shared_build(*words, replay=folder / "replay")
    while algorithm.updates < UPDATES:
        algorithm.train()
    return algorithm, folder


def described(algorithm, config):
    observation_space, action_space = algorithm.spaces["__env_single__"]
    return PolicyDescription(
        env=config["env"],
        observation_space=observation_space,
        action_space=action_space,
        encoder=config["model"],
        head=config["algo"]["training"]["head"],
        training={},
    )


@pytest.mark.parametrize("is_random", [True, False])
def test_runners_choose_and_remember_what_they_chose(trained, is_random):
    algorithm, _ = trained
    if algorithm._is_asked:
        algorithm.collect_fragments()
    algorithm.request_fragments(12, sequence_length=1, random_actions=is_random)
    (fragment,) = algorithm.collect_fragments().values()
    algorithm._is_asked = False
    assert fragment.actions.shape == (12, 4, 5)
    assert ((fragment.actions == 0) | (fragment.actions == 1)).all()
    assert (fragment.actions.sum(-1) == 1).all()
    assert len(np.unique(fragment.actions.argmax(-1))) > 1
    begins = (fragment.age[1:] == 0)[..., None]
    np.testing.assert_array_equal(
        fragment.vectors["action_history"][1:], np.where(begins, np.float32(0), fragment.actions)
    )
    if is_random:
        np.testing.assert_allclose(np.exp(fragment.log_probs), 0.2, rtol=1e-5)


def test_all_that_is_learnt_is_finite(trained):
    report = trained[0].report()
    for name in ("actor_loss", "critic_loss", "image_loss", "entropy", "imagined_return", "grad_norm"):
        assert np.isfinite(report[f"learner/{name}"]), name
    assert 0 < report["learner/entropy"] <= np.log(5) + 1e-6


def test_it_evaluates_from_its_files_and_repeats_itself(trained, words, compose, tmp_path):
    algorithm, _ = trained
    config = compose(*words)
    description = described(algorithm, config)
    assert description.action_space == Discrete(5)
    save_policy(tmp_path, algorithm.learner.policy.state_dict(), description)
    loaded = DrivingPolicy.load(tmp_path)
    driven = drive(DrivingPolicy(algorithm.learner.policy, description), config["env"], range(3))
    assert [episode.decisions > 0 for episode in driven] == [True] * 3
    assert drive(loaded, config["env"], range(3)) == driven


def test_it_films_its_dream(trained, tmp_path):
    trained[0].film(tmp_path)
    (film,) = (tmp_path / folders.DREAMS).iterdir()
    assert film.name == f"frames_{trained[0].frames:012d}.mp4"
    assert film.stat().st_size > 1000


def test_saved_and_restored_it_acts_the_same_and_goes_on(trained, build, words, tmp_path):
    algorithm, folder = trained
    torch.save(algorithm.training_state(), tmp_path / "state.pt")
    shutil.copytree(folder / "replay", tmp_path / "replay")
    other = build(*words, replay=tmp_path / "replay")
    other.restore_training_state(torch.load(tmp_path / "state.pt", weights_only=True))
    saved = algorithm.learner.net.state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in other.learner.net.state_dict().items())
    while other.updates < algorithm.updates + 3:
        other.train()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_by_command(command, words, tmp_path):
    """Train, evaluate, resume, export, evaluate the export, play."""
    outputs = f"paths.outputs={tmp_path}"
    few = ("evaluation.final_episodes=2", "evaluation.every_s=3600", "ray.learner_threads=1", "tracking=none")
    run = command("run.py", *words, *few, outputs, "stop.frames=300")
    assert run.finish() == 0, run.output
    latest = tmp_path / "latest"
    assert json.loads((latest / folders.EVALUATION).read_text())["episodes"]
    assert list((latest / folders.DREAMS).glob("*.mp4"))
    policy = next((latest / folders.CHECKPOINTS).glob("*/policy.json"))
    assert json.loads(policy.read_text())["action_space"] == {"discrete": {"n": 5, "start": 0}}
    resumed = command("run.py", "resume=latest", outputs, "stop.frames=500")
    assert resumed.finish() == 0, resumed.output
    exported = command("-m", "experiments.export", outputs, "format=onnx")
    assert exported.finish() == 0, exported.output
    scored = command("-m", "experiments.evaluate", f"run={latest / 'export' / 'policy.onnx'}", outputs, "episodes=2")
    assert scored.finish() == 0, scored.output
    played = command("-m", "experiments.play", outputs, "episodes=1")
    assert played.finish() == 0, played.output
    assert "Episode 1: return" in played.output
