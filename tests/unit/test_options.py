"""Algorithms' sections of the config: every wrong key, value, section and class is refused in words."""

from copy import deepcopy

import pytest

from envs.errors import ConfigError
from experiments.algorithm import build_config, config_class
from experiments.plan import Plan
from experiments.ppo import PPOConfig, PPOOptions
from experiments.sac import SACConfig, SACOptions
from models.ppo_module import PPOModule
from models.sac_module import SACModule

PLAN = Plan(
    num_cpus=4,
    num_gpus=0,
    num_env_runners=3,
    envs_per_runner=5,
    learner_threads=1,
    has_own_cores=False,
    precision="float32",
    process_cpus=0.8,
)
ALGORITHMS = pytest.mark.parametrize(
    ("algo", "config_type", "options_type", "module_type"),
    [("ppo", PPOConfig, PPOOptions, PPOModule), ("sac", SACConfig, SACOptions, SACModule)],
)


@pytest.fixture(scope="module")
def composed(compose):
    return {algo: compose("env=dummy", f"algo={algo}") for algo in ("ppo", "sac")}


@pytest.fixture
def changed(composed):
    """Return a function that changes keys of `algo.training` in a composed run; `...` drops one."""

    def change(algo, **keys):
        config = deepcopy(composed[algo])
        training = config["algo"]["training"] | keys
        config["algo"]["training"] = {key: value for key, value in training.items() if value is not ...}
        return config

    return change


@ALGORITHMS
def test_the_yaml_names_every_option_once(changed, algo, config_type, options_type, module_type):
    config = changed(algo)
    rllib = build_config(config, PLAN)
    assert type(rllib) is config_class(config["algo"]) is config_type
    assert set(config["algo"]["training"]) == set(options_type.model_fields)
    assert rllib.options.model_dump() == config["algo"]["training"]
    assert rllib.get_default_rl_module_spec().module_class is module_type
    assert rllib.module_options()["encoder"] == config["model"]


@ALGORITHMS
def test_the_plan_and_the_env_reach_rllib(changed, algo, config_type, options_type, module_type):
    config = changed(algo) | {"seed": 17}
    rllib = build_config(config, PLAN)
    assert (rllib.num_env_runners, rllib.num_envs_per_env_runner, rllib.num_cpus_per_env_runner) == (3, 5, 0.8)
    assert (rllib.num_learners, rllib.num_gpus_per_learner, rllib.seed) == (0, 0, 17)
    assert rllib.env_config == config["env"]
    assert rllib.lr == config["algo"]["training"]["lr"]


@pytest.mark.parametrize("algo", ["ppo", "sac"])
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"learning_rate": 1e-3},
            r"algo\.training has no key learning_rate; it has lr, lr_end, .*reward_scale, .*head",
        ),
        ({"gamma": ...}, r"algo\.training\.gamma is missing"),
        ({"lr": "fast"}, r"algo\.training\.lr='fast': .*number"),
        ({"lr": None}, r"algo\.training\.lr=None: .*number"),
        ({"lr": 0}, r"algo\.training\.lr=0: .*greater than 0"),
        ({"lr": float("nan")}, r"algo\.training\.lr=nan"),
        ({"gamma": 1.01}, r"algo\.training\.gamma=1\.01: .*less than or equal to 1"),
        ({"rollout_steps": 0}, r"algo\.training\.rollout_steps=0: .*greater than or equal to 1"),
        ({"rollout_steps": 1.5}, r"algo\.training\.rollout_steps=1\.5: .*integer"),
        ({"shared_encoder": "perhaps"}, r"algo\.training\.shared_encoder='perhaps'"),
        ({"critic_hidden": 64}, r"algo\.training\.critic_hidden=64: .*list"),
        ({"critic_hidden": [64, "wide"]}, r"algo\.training\.critic_hidden\.1='wide'"),
        ({"head": "models.heads.BetaHead"}, r"algo\.training\.head='models.heads.BetaHead': .*dictionary"),
    ],
)
def test_wrong_options_are_refused_in_words(changed, algo, keys, words):
    with pytest.raises(ConfigError, match=words):
        build_config(changed(algo, **keys), PLAN)


@pytest.mark.parametrize(
    ("algo", "key", "low", "high"),
    [
        ("ppo", "clip", 0, None),
        ("ppo", "gae_lambda", -0.1, 1.1),
        ("ppo", "entropy_coeff", -0.1, None),
        ("ppo", "lr_decay_frames", 0, None),
        ("ppo", "noise_decay_frames", 0, None),
        ("ppo", "epochs", 0, None),
        ("ppo", "minibatch_size", 0, None),
        ("sac", "target_rate", 0, 1.1),
        ("sac", "initial_alpha", 0, None),
        ("sac", "batch_size", 0, None),
        ("sac", "n_step", 0, None),
        ("sac", "replay_capacity", 0, None),
        ("sac", "priority_exponent", -0.1, 1.1),
        ("sac", "priority_correction", -0.1, 1.1),
        ("sac", "updates_per_decision", 0, None),
        ("sac", "shift_pixels", -1, None),
    ],
)
def test_options_out_of_range_are_refused(changed, algo, key, low, high):
    for value in (low, high):
        if value is not None:
            with pytest.raises(ConfigError, match=rf"algo\.training\.{key}={value}: Input should be"):
                build_config(changed(algo, **{key: value}), PLAN)


def test_sac_runs_begun_before_there_were_priorities_go_on_without(changed):
    options = build_config(changed("sac", priority_exponent=..., priority_correction=...), PLAN).options
    assert options.priority_exponent == 0.0


MEMORY = {"ppo": {"sequence_length": 16}, "sac": {"sequence_length": 16, "burn_in": 16}}


@pytest.mark.parametrize(
    ("algo", "keys", "words"),
    [
        ("ppo", {"rollout_steps": 100}, r"rollout_steps=100: .*sequence_length=16 slots; expected a multiple"),
        ("ppo", {"minibatch_size": 100}, r"minibatch_size=100: .*sequence_length=16 slots; expected a multiple"),
        ("sac", {"batch_size": 100}, r"batch_size=100: .*sequence_length=16 slots; expected a multiple"),
        ("sac", {"priority_exponent": 0.6}, r"priority_exponent=0\.6: .*drawn uniformly; expected 0\."),
        (
            "sac",
            {"start_after_decisions": 494},
            r"start_after_decisions=494: 15 envs need at least 495 .*run-up of 16",
        ),
    ],
)
def test_what_a_memory_cannot_learn_with_is_refused_in_words(changed, algo, keys, words):
    rllib = build_config(changed(algo, **MEMORY[algo] | keys), PLAN)
    rllib.check(PLAN)  # without a memory it would do
    with pytest.raises(ConfigError, match=rf"algo\.training\.{words}"):
        rllib.check_memory(PLAN)


@pytest.mark.parametrize(
    ("algo", "keys"),
    [
        ("ppo", {}),
        ("ppo", {"rollout_steps": 96, "minibatch_size": 48}),
        ("sac", {}),
        ("sac", {"batch_size": 96, "start_after_decisions": 495}),  # 15 envs, each 16 + 16 slots and one ahead
    ],
)
def test_what_a_memory_can_just_learn_with_is_not_refused(changed, algo, keys):
    """The other side of the limits above: one decision fewer, or four slots more, and it would raise."""
    build_config(changed(algo, **MEMORY[algo] | keys), PLAN).check_memory(PLAN)


@pytest.mark.parametrize(("frame_stack", "burn_in", "run_up"), [(1, 0, 0), (4, 0, 3), (4, 2, 3), (4, 5, 5)])
def test_a_run_up_is_no_shorter_than_a_stack_needs_to_fill(changed, frame_stack, burn_in, run_up):
    config = changed("sac", burn_in=burn_in)
    config["env"]["frame_stack"] = frame_stack
    assert build_config(config, PLAN).run_up == run_up


def test_a_rollout_may_be_said_in_all(changed):
    rllib = build_config(changed("ppo", rollout_steps=None, rollout_decisions=15 * 20), PLAN)
    rllib.check(PLAN)
    assert rllib.rollout_steps == 20


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rollout_steps": None}, "rollout_steps=None and rollout_decisions=None: expected one of them"),
        ({"rollout_decisions": 300}, r"rollout_steps=\d+ and rollout_decisions=300: expected one of them"),
        ({"rollout_steps": None, "rollout_decisions": 100}, "rollout_decisions=100 cannot be shared by 15 envs alike"),
    ],
)
def test_the_length_of_a_rollout_is_said_once_and_the_same_for_all(changed, keys, words):
    with pytest.raises(ConfigError, match=words):
        build_config(changed("ppo", **keys), PLAN).check(PLAN)


def test_noise_falls_over_frames_that_are_said(changed):
    with pytest.raises(
        ConfigError, match=r"noise_end=0\.3 is reached after algo\.training\.noise_decay_frames, which is null"
    ):
        build_config(changed("ppo", noise_end=0.3), PLAN).check(PLAN)


def test_all_that_is_wrong_is_said_at_once(changed):
    with pytest.raises(ConfigError, match=r"(?s)clip=-1.*gamma=2|gamma=2.*clip=-1"):
        build_config(changed("ppo", clip=-1, gamma=2), PLAN)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"trainings": {}}, "algo has no section trainings; it has training, env_runners, learners"),
        ({"environment": {}}, "algo has no section environment"),
        ({"learners": {"num_lerners": 1}}, r"algo\.learners: .*num_lerners.*; it takes .*num_learners"),
        ({"reporting": None}, r"algo\.reporting: "),
    ],
)
def test_wrong_sections_are_refused_in_words(changed, section, words):
    config = changed("ppo")
    config["algo"] |= section
    with pytest.raises(ConfigError, match=words):
        build_config(config, PLAN)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("experiments.nothing.Config", r"algo\._target_=experiments\.nothing\.Config does not import"),
        ("experiments.ppo.Nothing", "does not import: .*Nothing"),
        ("not a name", "does not import"),
        (None, r"algo\._target_=None does not import"),
        ("experiments.ppo.PPO", r"not a subclass of experiments\.config\.RacingConfig"),
        ("experiments.config.describe", r"not a subclass of experiments\.config\.RacingConfig"),
        ("ray.rllib.algorithms.ppo.PPOConfig", r"not a subclass of experiments\.config\.RacingConfig"),
    ],
)
def test_wrong_algorithms_are_refused_in_words(name, words):
    with pytest.raises(ConfigError, match=words):
        config_class({"_target_": name})
