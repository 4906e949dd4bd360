"""Each algorithm trains, repeats itself, saves, goes on and survives the loss of a runner."""

import os
import signal

import numpy as np
import psutil
import pytest
import torch

from experiments.frame_table import FrameTable
from models.memory import Memory

ALGORITHMS = ["ppo", "sac"]


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


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_same_seed_trains_the_same(build, tiny, name):
    def trained(seed):  # one after the other: the learner draws from torch's global generator
        algorithm = build(*tiny[name], f"seed={seed}")
        train(algorithm, 24)
        return weights(algorithm), algorithm.frames

    (first, first_frames), (again, again_frames), (other, _) = trained(3), trained(3), trained(4)
    assert_equal(first, again)
    assert first_frames == again_frames
    assert any(not torch.equal(first[key], other[key]) for key in first)


# Every model with every algorithm; one with more envs than before and a shared encoder, the next with fewer and two.
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize(
    ("model", "shared", "num_envs"),
    [
        ("cnn", "true", 6),
        ("cnn_lstm", "false", 2),
        pytest.param("vit", "false", 2, marks=pytest.mark.slow),
        pytest.param("cnn_lstm", "true", 6, marks=pytest.mark.slow),
        pytest.param("mlp", "false", 6, marks=pytest.mark.slow),
    ],
)
def test_saved_and_restored_for_other_envs_acts_the_same(build, tiny_with, tmp_path, name, model, shared, num_envs):
    words = (*tiny_with(name, model), f"algo.training.shared_encoder={shared}")
    one = build(*words, replay=tmp_path / "replay")
    train(one, 8)
    torch.save(one.training_state(), tmp_path / "state.pt")
    seen = observation(one)
    expected = steps(one, seen)
    kept = weights(one), one.frames, one.decisions, one.updates, one.return_mean
    one.stop()

    other = build(*words, "seed=9", replay=tmp_path / "replay", envs_per_runner=num_envs)  # four before
    assert not torch.equal(steps(other, seen), expected)
    other.restore_training_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(steps(other, seen), expected)
    assert (other.frames, other.decisions, other.updates, other.return_mean) == kept[1:]
    assert_equal(weights(other), kept[0])
    train(other, kept[3] + 4)


@pytest.mark.parametrize(("model", "shared"), [("cnn", "true"), ("cnn_lstm", "false")])
def test_runners_send_what_the_learners_critic_thinks_of_every_observation(build, tiny_with, model, shared):
    """A policy with a memory thinks of each sequence of five slots from the state that its runner sent with it."""
    algorithm = build(*tiny_with("ppo", model), f"algo.training.shared_encoder={shared}", "env.frame_stack=2")
    train(algorithm, 4)
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


def test_counts_are_exact(build, tiny):
    algorithm = build(*tiny["sac"], "algo.training.updates_per_decision=0.3")
    for _ in range(20):
        algorithm.train()
    # Decisions of one exchange: 8 steps of 4 envs, less one for each reset; learning starts past 64 decisions.
    report = algorithm.report()
    assert report["train/frames"] == report["train/decisions"]  # dummy: one frame a decision
    learnt_from = algorithm.decisions - 64
    assert learnt_from * 0.3 - 32 <= algorithm.updates <= (learnt_from + 32) * 0.3
    assert algorithm.decisions < 20 * 8 * 4  # resets are not decisions
    assert algorithm.decisions > 20 * 8 * 4 * 0.8


def test_a_runner_that_is_killed_is_replaced(build, tiny):
    algorithm = build(*tiny["ppo"])
    train(algorithm, 4)
    (pid,) = algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    before = algorithm.frames
    for _ in range(60):
        algorithm.train()
        if algorithm.frames > before:
            break
    assert algorithm.frames > before
    assert algorithm.runner_restarts == 1
    assert "was replaced after a crash" in algorithm.notes[0]


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


def test_runners_learn_of_new_weights(build, tiny):
    algorithm = build(*tiny["ppo"])
    train(algorithm, 8)
    algorithm.request_fragments(1)
    algorithm.collect_fragments()
    (state,) = algorithm.env_runner_group.foreach_env_runner(lambda r: r.get_state(), local_env_runner=False)
    for name, tensor in algorithm.learner.net.actor.state_dict().items():
        np.testing.assert_array_equal(state["rl_module"][f"actor.{name}"], tensor.numpy())
