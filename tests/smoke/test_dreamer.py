"""DreamerV3 trains, repeats itself, saves and goes on, keeps its ratio, and refuses what cannot be in words."""

import functools
import shutil

import pytest
import torch

from envs.errors import ConfigError
from experiments.checks import check_run
from models.memory import Memory


def train(algorithm, updates):
    while algorithm.updates < updates:
        algorithm.train()


def weights(algorithm):
    return {name: tensor.clone() for name, tensor in algorithm.learner.net.state_dict().items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def steps(algorithm):
    """Return the deterministic actions of three decisions before the same observation."""
    actor, space = algorithm.learner.net.actor, algorithm.learner.net.observation_space
    space.seed(0)
    observation = {name: torch.from_numpy(part[None]) for name, part in space.sample().items()}
    state, actions = torch.zeros(1, actor.encoder.state_dim), []
    for step in range(3):
        action, state = actor.step(observation, Memory.of_one_step(state, torch.tensor([step == 0])))
        actions.append(action)
    return torch.cat(actions)


@pytest.fixture(scope="module")
def trained(shared_build, tiny, tmp_path_factory):
    """Return what was saved after some updates, and what it had become later."""

    @functools.cache
    def once():
        folder = tmp_path_factory.mktemp("trained")
        one = shared_build(*tiny["dreamerv3"], "seed=3", replay=folder / "replay")
        train(one, 6)
        torch.save(one.training_state(), folder / "state.pt")
        shutil.copytree(folder / "replay", folder / "replay_when_saved")
        saved = {"weights": weights(one), "actions": steps(one), "counts": (one.frames, one.decisions, one.updates)}
        train(one, 16)
        return one, folder, saved, weights(one), one.frames

    return once


def test_the_same_seed_trains_the_same(build, tiny, trained):
    _, _, _, last_weights, last_frames = trained()
    again = build(*tiny["dreamerv3"], "seed=3")
    train(again, 6)
    again.training_state()  # as the other was saved: states that were learnt are kept at once
    train(again, 16)
    assert_equal(weights(again), last_weights)
    assert again.frames == last_frames


def test_saved_and_restored_for_other_envs_acts_the_same(build, tiny, trained):
    _, folder, saved, _, _ = trained()
    other = build(*tiny["dreamerv3"], "seed=9", replay=folder / "replay_when_saved", envs_per_runner=6)
    assert not torch.equal(steps(other), saved["actions"])
    other.restore_training_state(torch.load(folder / "state.pt", weights_only=True))
    assert torch.equal(steps(other), saved["actions"])
    assert (other.frames, other.decisions, other.updates) == saved["counts"]
    assert_equal(weights(other), saved["weights"])
    train(other, other.updates + 3)


def test_the_training_ratio_is_exact(trained):
    """Slots learnt from for each decision, but for the update that is not yet due."""
    algorithm = trained()[0]
    for _ in range(30):
        algorithm.train()
    learnt_for = algorithm.decisions - 64  # the exchange in which the 64th came counts too: at most 32 more
    slots = algorithm.updates * 16
    assert learnt_for * 1.6 - 16 <= slots <= (learnt_for + 32) * 1.6
    assert algorithm.report()["learner/train_ratio"] == pytest.approx(1.6, rel=0.02)


def test_runners_drive_with_the_learners_states(trained):
    """What a runner sends beside a slot is what the world model makes of the state and the action before it."""
    algorithm = trained()[0]
    algorithm.collect_fragments()  # what it has asked for already
    algorithm.publish_weights()
    algorithm.request_fragments(6, sequence_length=1)
    (fragment,) = algorithm.collect_fragments().values()
    algorithm._is_asked = False
    assert fragment.states.shape == (6, 4, 16 + 3)
    assert (abs(fragment.actions) <= 1).all()
    encoder = algorithm.learner.net.actor.encoder
    states, actions = torch.from_numpy(fragment.states), torch.from_numpy(fragment.vectors["action_history"])
    found = 0
    for step in range(1, 5):
        for env in range(4):
            if fragment.age[step, env] == 0:
                continue
            deter, latent = encoder.unpacked(states[step, env][None])
            with torch.no_grad(), encoder.in_precision(torch.device("cpu")):
                after = encoder.sequence.steps()(deter, latent, encoder.sequence.prepare(actions[step, env][None]))
            torch.testing.assert_close(states[step + 1, env, :16], after[0], atol=0.02, rtol=0.02)  # bfloat16
            assert 1 <= states[step + 1, env, 16:].min() <= states[step + 1, env, 16:].max() <= 4
            found += 1
    assert found > 8


def test_every_loss_is_reported(trained):
    report = trained()[0].report()
    for name in ("image", "vectors", "reward", "continue", "dynamics", "representation", "actor", "critic"):
        assert f"learner/{name}_loss" in report
    for name in ("imagined_return", "replayed_return", "posterior_entropy", "entropy", "grad_norm", "lr"):
        assert report[f"learner/{name}"] == report[f"learner/{name}"]  # no NaN
    assert report["learner/lr"] == pytest.approx(1e-3)  # warm by now


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("env.image_size=50", "cannot halve an image of 50x50 often enough"),
        ("algo.training.train_ratio=0.001", "replay would forget all its 4000 decisions between two updates"),
        ("algo.training.sequence_length=1500", "algo.training.replay_capacity=4000: 4 envs need at least 6004"),
        ("algo.training.start_after_decisions=20", "expected at least 36, a sequence of sequence_length=8"),
        ("algo.training.imagine_last=9", "a sequence has only sequence_length=8 slots"),
        ("env.action_history=0", "set env.action_history=1"),
        ("env.action_history=2", "wants the last action and no more"),
        ("model=cnn", "DreamerV3 learns a world model and brings its own"),
        ("model.blocks=5", "deter=16 cannot be cut into blocks=5"),
        ("algo.training.horizon=0", "algo.training.horizon=0"),
        ("algo.training.head._target_=models.heads.BetaHead", "is not a subclass of"),
        ("+algo.training.head.is_discrete=true", "has no argument is_discrete"),
        ("ray.num_learners=2", "DreamerV3 learns in one process"),
    ],
)
def test_what_cannot_be_is_refused_in_words(compose, tiny, tmp_path, word, said):
    words = [w for w in tiny["dreamerv3"] if not (word == "model=cnn" and w.startswith("model."))]
    extra = ("ray.num_env_runners=2",) if "num_learners" in word else ()
    config = compose(*words, word, *extra, f"paths.outputs={tmp_path}", "tracking=none")
    with pytest.raises(ConfigError, match=said):
        check_run(config)
