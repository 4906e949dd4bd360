"""Going on with a run: its saved config wins, some keys may change, and every other difference is refused and shown."""

import functools
from copy import deepcopy

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra

from envs.errors import ConfigError
from experiments.runs import read_config, write_config
from experiments.schema import register_schema
from tune.resume import resumed_config


@pytest.fixture(scope="module")
def command_line(root):
    """Return a function from the words of a command line to what Hydra hands the command."""
    register_schema()

    def composed(words):
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(root / "conf"), version_base="1.3"):
            return hydra.compose("config", overrides=words)

    return composed


@pytest.fixture(scope="module")
def started(compose):
    """Compose each run once."""
    return functools.cache(compose)


@pytest.fixture
def resume(tmp_path, started, command_line):
    """Start a run with some words, and return a function that goes on with it with others."""

    def begin(*started_with):
        run = tmp_path / "default" / "run"
        (run / "trials").mkdir(parents=True)
        words = [f"paths.outputs={tmp_path}", *started_with]
        saved = deepcopy(started(*words[any(word.startswith("paths.") for word in started_with) :]))
        del saved["resume"]
        write_config(run, saved)

        def go_on(*words):
            words = [f"resume={run}", *words]
            folder, config = resumed_config(str(run), tmp_path, words, command_line(words))
            assert folder == run
            return saved, config

        return go_on

    return begin


def test_without_other_words_the_saved_config_comes_back(resume):
    """Though the command line alone would compose CarRacing, SAC and seed 0."""
    saved, config = resume("env=dummy", "algo=ppo", "seed=5", "stop.frames=100", "algo.training.lr=1e-3")()
    assert config == saved
    assert (config["seed"], config["choices"]["env"], config["algo"]["training"]["lr"]) == (5, "dummy", 1e-3)


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("stop.wall_s=7200", ("stop", "wall_s"), 7200),
        ("stop.frames=500", ("stop", "frames"), 500),
        ("stop.wall_s=null", ("stop", "wall_s"), None),
        ("ray.num_env_runners=3", ("ray", "num_env_runners"), 3),
        ("ray.num_gpus=1", ("ray", "num_gpus"), 1),
        ("checkpoint.keep=9", ("checkpoint", "keep"), 9),
        ("++stop.frames=500", ("stop", "frames"), 500),
    ],
)
def test_what_may_change_changes_and_nothing_else(resume, word, path, value):
    saved, config = resume("env=dummy", "algo=ppo", "stop.frames=100")(word)
    section, key = path
    assert config[section][key] == value
    saved[section][key] = value
    assert config == saved


def test_it_moves_to_a_cluster_and_back_with_the_share_that_it_had(resume):
    saved, config = resume("env=dummy", "algo=ppo", "ray.cpus_per_trial=1", "ray.envs_per_runner=4")("ray=cluster")
    assert config == saved | {"ray": saved["ray"] | {"address": "auto"}}


def test_it_comes_back_from_a_cluster_and_other_words_count(resume):
    words = ("ray=cluster", "ray.cpus_per_trial=1", "ray.num_env_runners=4")
    saved, config = resume("env=dummy", "algo=ppo", *words)("ray=local", "ray.num_env_runners=2")
    assert config == saved | {"ray": saved["ray"] | {"address": None, "num_env_runners": 2}}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("seed=6", "seed: saved 5, asked 6"),
        ("name=other", "name: saved default, asked other"),
        ("env=carracing", "env: saved dummy, asked carracing"),
        ("algo=sac", "algo: saved ppo, asked sac"),
        ("evaluation.episodes=9", "evaluation.episodes: saved 5, asked 9"),
        ("algo.training.lr=0.5", "algo.training.lr: saved 0.001, asked 0.5"),
        ("model.channels=[1,2,3]", r"model.channels: saved \[32, 64, 64\], asked \[1, 2, 3\]"),
        ("+model.wings=2", "model.wings: saved None, asked 2"),
        ("model.preset=impala", "model.preset: saved nature, asked impala"),
        ("model.presets.nature.channels=[1,2,3]", r"model.presets.nature.channels: saved .*32, 64.*, asked .*1, 2, 3"),
        ("~algo.training.gamma", r"algo.training.gamma: saved 0.99, asked None"),
        ("tracking=none", "tracking: saved .*MlflowTracker.*asked .*NoTracker"),
        ("debug=smoke", "debug: saved None, asked smoke"),
    ],
)
def test_what_may_not_change_is_refused_with_both_values(resume, word, words):
    go_on = resume("env=dummy", "algo=ppo", "seed=5", "algo.training.lr=1e-3")
    with pytest.raises(ConfigError, match=rf"only stop\.\*, ray\.\*, .* may be changed\. Refused: {words}"):
        go_on(word)


def test_all_that_is_refused_is_shown_at_once(resume):
    with pytest.raises(ConfigError, match="seed: saved 0, asked 1; name: saved default, asked other"):
        resume("env=dummy")("seed=1", "stop.frames=9", "name=other")


@pytest.mark.parametrize(
    "word",
    ["env=dummy", "algo=ppo", "model=cnn", "seed=5", "algo.training.lr=0.001", "stop.frames=100", "name=default"],
)
def test_saying_again_what_is_saved_is_no_difference(resume, word):
    saved, config = resume("env=dummy", "algo=ppo", "seed=5", "algo.training.lr=1e-3", "stop.frames=100")(word)
    assert config == saved


def test_the_preset_of_a_run_may_be_said_again_and_no_other(resume):
    go_on = resume("env=dummy", "env.image_size=64", "model.preset=tmrl")
    saved, config = go_on("model.preset=tmrl")
    assert config == saved
    with pytest.raises(ConfigError, match=r"model\.preset: saved tmrl, asked nature"):
        go_on("model.preset=nature")


def test_the_preset_of_another_model_than_the_default_may_be_said_again(resume):
    saved, config = resume("env=dummy", "env.image_size=64", "model=vit", "model.preset=base")("model.preset=base")
    assert config == saved


def test_a_run_from_before_there_was_a_key_may_name_what_it_had(resume, tmp_path):
    go_on = resume("env=dummy")
    saved = read_config(tmp_path / "default" / "run")
    del saved["env"]["action_history"], saved["choices"]["preset"]
    write_config(tmp_path / "default" / "run", saved)
    go_on("env.action_history=0", "model.preset=nature")
    with pytest.raises(ConfigError, match=r"env\.action_history: saved 0, asked 2"):
        go_on("env.action_history=2")


def test_a_run_that_is_not_there_is_refused(tmp_path, command_line):
    with pytest.raises(ConfigError, match="latest is no run"):
        resumed_config("latest", tmp_path, ["resume=latest"], command_line(["resume=latest"]))


def test_outputs_that_were_moved_take_the_database_with_them(resume, tmp_path):
    _, config = resume("paths.outputs=/where/it/was")()
    assert config["paths"]["outputs"] == str(tmp_path)
    assert config["tracking"]["uri"] == config["paths"]["mlflow_uri"] == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_run_from_before_there_were_precisions_goes_on_in_float32(resume, tmp_path):
    go_on = resume("env=dummy", "ray.learner_threads=1")
    run = tmp_path / "default" / "run"
    older = read_config(run)
    del older["ray"]["precision"]
    write_config(run, older)
    _, config = go_on()
    assert config["ray"]["precision"] == "float32"
    _, config = go_on("ray.precision=bfloat16")
    assert config["ray"]["precision"] == "bfloat16"
