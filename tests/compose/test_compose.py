"""Every option and overlay of conf/ composes into a run that could start."""

import itertools
from pathlib import Path

import pytest
import yaml

from envs.carracing.env import CarRacingEnv
from envs.errors import ConfigError
from experiments.algorithm import build_config
from experiments.checks import check_run

CONF = Path(__file__).resolve().parent.parent.parent / "conf"


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def presets():
    """Return the presets that are not their model's default: every point starts with that already."""
    sections = {model: yaml.safe_load((CONF / "model" / f"{model}.yaml").read_text()) for model in options("model")}
    return [
        (model, word) for model, one in sections.items() for word in one.get("presets", ()) if word != one["preset"]
    ]


HOSTS = {  # envs whose games are elsewhere
    "remote": ("env.hosts=[{}]",),
    "trackmania": ("env.twin=lockstep",),
    "remote_original": ("env.host={}", "ray.envs_per_runner=1"),  # such a server has one client
}
SIGHTLESS = "mlp"  # needs an observation without an image


def assert_starts(config):
    plan, _ = check_run(config)
    rllib = build_config(config, plan)
    assert rllib.options.model_dump() == config["algo"]["training"]
    assert rllib.num_env_runners == plan.num_env_runners


@pytest.fixture(scope="module")
def served_races(serve_here):
    """Where as many games are served as the default number of envs wants."""
    return serve_here(lambda training: CarRacingEnv(training=training, render_mode="rgb_array"), 16).host


def points():
    """Return every model in every env (one where the games are elsewhere), and every model with every algorithm."""
    in_envs = itertools.product(set(options("env")) - set(HOSTS), options("model"), ["sac"])
    elsewhere = itertools.product(HOSTS, ["cnn"], ["sac"])
    with_algos = itertools.product(["dummy"], options("model"), options("algo"))
    return sorted({*in_envs, *elsewhere, *with_algos})


@pytest.mark.parametrize(("env", "model", "algo"), points())
def test_every_point_can_start(compose, tmp_path, env, model, algo, request):
    words = [word.format(request.getfixturevalue("served_races")) for word in HOSTS.get(env, ())]
    config = compose(f"env={env}", f"model={model}", f"algo={algo}", f"paths.outputs={tmp_path}", *words)
    if model != SIGHTLESS:
        assert_starts(config)
        return
    with pytest.raises(ConfigError, match=f"model={model} does not fit env={env} with algo={algo}.*model=cnn"):
        check_run(config)


@pytest.mark.parametrize("algo", ["ppo", "sac"])
@pytest.mark.parametrize(("model", "preset"), presets())
def test_every_preset_can_start(compose, tmp_path, model, preset, algo):
    assert_starts(compose(f"model={model}", f"model.preset={preset}", f"algo={algo}", f"paths.outputs={tmp_path}"))


@pytest.mark.parametrize("algo", options("algo"))
@pytest.mark.parametrize("point", [("env=carracing", "env.obs=telemetry"), ("env=dummy", "env.obs=vector")])
def test_a_model_without_eyes_starts_where_there_is_no_image(compose, tmp_path, point, algo):
    assert_starts(compose(*point, f"model={SIGHTLESS}", f"algo={algo}", f"paths.outputs={tmp_path}"))


@pytest.mark.parametrize("obs", ["telemetry", "both"])
def test_a_model_with_eyes_needs_an_image(compose, tmp_path, obs):
    config = compose("env=carracing", f"env.obs={obs}", f"paths.outputs={tmp_path}")
    if obs == "both":
        assert_starts(config)
        return
    with pytest.raises(ConfigError, match=r"model=cnn does not fit .*choose model=mlp"):
        check_run(config)


@pytest.mark.parametrize("overlay", [f"{g}={name}" for g in ("experiment", "debug") for name in options(g)])
def test_every_overlay_can_start(compose, tmp_path, overlay):
    assert_starts(compose(overlay, f"paths.outputs={tmp_path}"))


@pytest.mark.parametrize("group", ["tracking", "ray", "paths", "tuner"])
def test_every_other_option_composes(compose, group):
    for name in options(group):
        assert compose(f"{group}={name}")[group] is not None


def test_debug_overrides_what_stands_in_the_config(compose):
    assert compose("debug=smoke")["stop"] == {"frames": 12000, "wall_s": 60.0, "return_mean": None}


def test_paths_are_absolute(compose):
    config = compose("paths.outputs=some/where")
    assert Path(config["paths"]["outputs"]).is_absolute()
    assert config["paths"]["mlflow_uri"] == f"sqlite:///{config['paths']['outputs']}/mlflow.db"
