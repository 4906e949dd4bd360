"""Each algorithm trains, repeats itself, saves, goes on and survives the loss of a runner."""

import functools
import os
import shutil
import signal
import sys

import numpy as np
import psutil
import pytest
import torch

from experiments.frame_table import FrameTable
from models.memory import Memory

ALGORITHMS = ["ppo", "sac"]
# What tests of a trained algorithm need beside its tiny words: stacks, a critic that sees more than the policy, noise
# that falls; a rate at which updates are left over.
MORE = {
    "ppo": (
        "env.frame_stack=2",
        "env.obs=both",
        "algo.training.privileged=[vector]",
        "algo.training.desired_kl=0.01",
        "algo.training.noise_end=0.25",
        "algo.training.noise_decay_frames=1000",
    ),
    "sac": ("algo.training.updates_per_decision=0.3",),
}
LASTING = ("cnn", "cnn_lstm")  # the models whose algorithms train on in other tests


def train(algorithm, updates):
    while algorithm.updates < updates:
        algorithm.train()


def weights(algorithm):
    return {name: tensor.clone() for name, tensor in algorithm.learner.net.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def observation(algorithm):
    space = algorithm.learner.net.observation_space
    space.seed(0)
    return {name: torch.from_numpy(part[None]) for name, part in space.sample().items()}


def steps(algorithm, observation):
    """Return the actions of three decisions before the same observation: a policy with a memory changes its mind."""
    actor, size = algorithm.learner.net.actor, (1, algorithm.learner.net.actor.encoder.state_dim)
    state, actions = torch.zeros(size), []
    for step in range(3):
        memory = Memory.of_one_step(state, torch.tensor([step == 0])) if size[1] else None
        action, state = actor.step(observation, memory)
        actions.append(action)
    return torch.cat(actions)


class Trained:
    """What an algorithm was when it had been saved after 8 updates and gone on to 24; `algorithm` may train on."""

    def __init__(self, build, words, folder):
        self.words, self.folder = words, folder
        one = build(*words, "seed=3", replay=folder / "replay")
        self.first_weights = weights(one)
        train(one, 8)
        torch.save(one.training_state(), folder / "state.pt")
        if (folder / "replay").exists():
            shutil.copytree(folder / "replay", folder / "replay_when_saved")
        self.seen = observation(one)
        self.actions = steps(one, self.seen)
        self.saved_weights = weights(one)
        self.saved_counts = one.frames, one.decisions, one.updates, one.return_mean, one.lr_factor
        train(one, 24)
        self.last_weights, self.last_frames = weights(one), one.frames
        self.algorithm = one


@pytest.fixture(scope="module")
def trained(shared_build, tiny_with, tmp_path_factory):
    """Return a function from algorithm, model and `shared_encoder` to what it trained, once for all tests."""

    @functools.cache
    def train_once(name, model, shared):
        more = MORE[name] if model in LASTING else ()
        words = (*tiny_with(name, model), f"algo.training.shared_encoder={shared}", *more)
        one = Trained(shared_build, words, tmp_path_factory.mktemp("trained"))
        if model not in LASTING:
            one.algorithm.stop()
        return one

    return train_once


@pytest.mark.parametrize("name", ["ppo", pytest.param("sac", marks=pytest.mark.slow)])
def test_the_same_seed_trains_the_same(build, trained, name):
    """Though the one was saved on the way; the learner draws from torch's global generator, so one after the other."""
    one = trained(name, "cnn", "true")
    again = build(*one.words, "seed=3")
    assert_equal(weights(again), one.first_weights)
    train(again, 24)
    assert_equal(weights(again), one.last_weights)
    assert again.frames == one.last_frames


# Every model with every algorithm; one with more envs than before and a shared encoder, the next with fewer and two.
@pytest.mark.parametrize(
    ("name", "model", "shared", "num_envs"),
    [
        pytest.param("ppo", "cnn", "true", 6, marks=pytest.mark.slow),
        ("sac", "cnn", "true", 6),
        *(
            pytest.param(name, *words, marks=pytest.mark.slow)
            for name in ALGORITHMS
            for words in (("vit", "false", 2), ("cnn_lstm", "false", 2), ("cnn_lstm", "true", 6), ("mlp", "false", 6))
        ),
    ],
)
def test_saved_and_restored_for_other_envs_acts_the_same(build, trained, name, model, shared, num_envs):
    one = trained(name, model, shared)
    replay = one.folder / "replay_when_saved"
    other = build(*one.words, "seed=9", replay=replay, envs_per_runner=num_envs)  # four before
    assert not torch.equal(steps(other, one.seen), one.actions)
    # Another seed begins with other weights.
    assert any(not torch.equal(tensor, one.first_weights[key]) for key, tensor in weights(other).items())
    other.restore_training_state(torch.load(one.folder / "state.pt", weights_only=True))
    assert torch.equal(steps(other, one.seen), one.actions)
    assert (other.frames, other.decisions, other.updates, other.return_mean, other.lr_factor) == one.saved_counts
    assert_equal(weights(other), one.saved_weights)
    train(other, other.updates + 4)


@pytest.fixture
def running(trained):
    """A PPO that goes on training, whatever one test or another does with its runner."""
    return trained("ppo", "cnn", "true").algorithm


@pytest.mark.parametrize(
    ("model", "shared"), [("cnn", "true"), pytest.param("cnn_lstm", "false", marks=pytest.mark.slow)]
)
def test_runners_send_what_the_learners_critic_thinks_of_every_observation(trained, model, shared):
    """A policy with a memory thinks of each sequence of five slots from the state that its runner sent with it."""
    algorithm = trained("ppo", model, shared).algorithm
    algorithm.request_fragments(20, sequence_length=5)
    (fragment,) = algorithm.collect_fragments().values()
    assert fragment.values.shape == (21, 4)
    table, found = FrameTable([fragment], torch.device("cpu")), []
    for number, slots in enumerate(torch.arange(21 * 4).reshape(21, 4).split((5, 5, 5, 6))):  # the last observation too
        memory = None
        if fragment.states is not None:
            is_first = torch.from_numpy(fragment.age.flatten()[slots.T] == 0)
            memory = Memory(torch.from_numpy(fragment.states[number]), is_first)
        with torch.no_grad():
            values = algorithm.learner.net.values(table.read(slots.T.flatten()), memory)  # env after env
        found.append(values.unflatten(0, (4, -1)).T.numpy())
    expected = np.concatenate(found)
    # The learner sees all slots in one batch, the runner four at a time: bfloat16 rounds them differently.
    np.testing.assert_allclose(fragment.values, expected, atol=0.02)
    assert expected.std() > 0.04  # no two critics agree so well by chance


def test_counts_are_exact(trained):
    algorithm = trained("sac", "cnn", "true").algorithm
    before = algorithm.decisions
    for _ in range(20):
        algorithm.train()
    # Decisions of one exchange: 8 steps of 4 envs, less one for each reset; learning starts past 64 decisions.
    report = algorithm.report()
    assert report["train/frames"] == report["train/decisions"]  # dummy: one frame a decision
    learnt_from = algorithm.decisions - 64
    assert learnt_from * 0.3 - 32 <= algorithm.updates <= (learnt_from + 32) * 0.3
    assert algorithm.decisions - before < 20 * 8 * 4  # resets are not decisions
    assert algorithm.decisions - before > 20 * 8 * 4 * 0.8


def test_runners_are_deterministic_without_the_compiler(running):
    def ask(runner):
        return torch.are_deterministic_algorithms_enabled(), "torch._dynamo" in sys.modules

    assert running.env_runner_group.foreach_env_runner(ask, local_env_runner=False) == [(True, False)]


def test_noise_falls_geometrically_to_its_end(running):
    before = running.frames
    running.train()
    assert running.report()["learner/noise"] == pytest.approx(0.25 ** min(1, before / 1000))
    while running.frames < 1000:
        running.train()
    running.train()
    assert running.report()["learner/noise"] == pytest.approx(0.25)


def test_a_runner_that_is_killed_is_replaced(running):
    algorithm, restarts = running, running.runner_restarts
    (pid,) = algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    before = algorithm.frames
    for _ in range(60):
        algorithm.train()
        if algorithm.frames > before:
            break
    assert algorithm.frames > before
    assert algorithm.runner_restarts == restarts + 1
    assert "was replaced after a crash" in algorithm.notes[-1]


@pytest.mark.timing  # it waits for deadlines to pass
def test_a_runner_that_hangs_is_replaced(build, tiny):
    algorithm = build(*tiny["ppo"], "+algo.env_runners.sample_timeout_s=4")
    train(algorithm, 4)
    (pid,) = algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)
    os.kill(pid, signal.SIGSTOP)
    before = algorithm.frames
    for _ in range(60):
        algorithm.train()
        if algorithm.frames > before:
            break
    assert algorithm.frames > before
    assert "did not answer within 4 s" in algorithm.notes[0]


@pytest.mark.timing  # it waits for deadlines to pass
def test_an_env_that_keeps_crashing_ends_the_trial_in_words(build, tiny):
    words = ("+env.fail_at_step=10", "+algo.fault_tolerance.max_num_env_runner_restarts=1")
    algorithm = build(*tiny["ppo"], *words, "+algo.fault_tolerance.env_runner_restore_timeout_s=8")

    def until_it_fails():
        for _ in range(30):
            algorithm.train()

    with pytest.raises(RuntimeError, match=r"None of the 1 env runners answered"):
        until_it_fails()


def test_runners_learn_of_new_weights(running):
    algorithm = running
    train(algorithm, algorithm.updates + 4)
    algorithm.request_fragments(1)
    algorithm.collect_fragments()
    (state,) = algorithm.env_runner_group.foreach_env_runner(lambda r: r.get_state(), local_env_runner=False)
    for name, tensor in algorithm.learner.net.actor.state_dict().items():
        np.testing.assert_array_equal(state["rl_module"][f"actor.{name}"], tensor.numpy())
