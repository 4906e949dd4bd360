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
    "assetto_corsa": ("env.twin=lockstep", "env.obs=acgym_image"),
    "remote_original": ("env.host={}", "ray.envs_per_runner=1"),  # such a server has one client
}
WITHOUT_A_DEFAULT = {"rtgym"}  # its game is a class of the user's
SIGHTLESS = "mlp"  # needs an observation without an image
NO_PICTURE = {"roblox"}  # envs that have none to show
OWN_MODEL = {"dreamerv3": "world_model"}  # algorithms that go with no other


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
    in_envs = itertools.product(set(options("env")) - set(HOSTS) - WITHOUT_A_DEFAULT, options("model"), ["sac"])
    elsewhere = itertools.product(HOSTS, ["cnn"], ["sac"])
    with_algos = itertools.product(["dummy"], options("model"), options("algo"))
    everything = sorted({*in_envs, *elsewhere, *with_algos})
    return [point for point in everything if point[1] == OWN_MODEL.get(point[2], point[1])]


@pytest.mark.parametrize(("env", "model", "algo"), points())
def test_every_point_can_start(compose, tmp_path, env, model, algo, request):
    words = [word.format(request.getfixturevalue("served_races")) for word in HOSTS.get(env, ())]
    config = compose(f"env={env}", f"model={model}", f"algo={algo}", f"paths.outputs={tmp_path}", *words)
    if model in OWN_MODEL.values() or (model == SIGHTLESS) == (env in NO_PICTURE):  # a world model takes either
        assert_starts(config)
        return
    with pytest.raises(ConfigError, match=f"model={model} does not fit env={env} with algo={algo}.*model="):
        check_run(config)


@pytest.mark.parametrize(
    ("model", "preset", "algo"),
    [
        (model, preset, algo)
        for model, preset in presets()
        for algo in (("dreamerv3",) if model in OWN_MODEL.values() else ("ppo", "sac"))
    ],
)
def test_every_preset_can_start(compose, tmp_path, model, preset, algo):
    assert_starts(compose(f"model={model}", f"model.preset={preset}", f"algo={algo}", f"paths.outputs={tmp_path}"))


@pytest.mark.parametrize("algo", options("algo"))
@pytest.mark.parametrize(
    "point",
    [
        ("env=carracing", "env.obs=telemetry"),
        ("env=dummy", "env.obs=vector"),
        ("env=assetto_corsa", "env.twin=lockstep"),
    ],
)
def test_a_model_without_eyes_starts_where_there_is_no_image(compose, tmp_path, point, algo):
    model = OWN_MODEL.get(algo, SIGHTLESS)
    assert_starts(compose(*point, f"model={model}", f"algo={algo}", f"paths.outputs={tmp_path}"))


def test_an_algorithm_brings_its_own_model(compose, tmp_path):
    assert compose("algo=dreamerv3")["choices"]["model"] == "world_model"
    config = compose("algo=dreamerv3", "model=cnn", f"paths.outputs={tmp_path}")
    with pytest.raises(ConfigError, match=r"model=cnn does not fit .*choose no model, or model=world_model"):
        check_run(config)


@pytest.mark.parametrize(
    ("words", "units"),
    [
        ((), 128),
        (("model.preset=xs",), 256),
        (("model.units=48",), 48),
        (("model.preset=xs", "algo.training.head.units=32"), 32),
    ],
)
def test_the_policy_of_a_world_model_is_as_wide_as_its_layers(compose, words, units):
    assert compose("algo=dreamerv3", *words)["algo"]["training"]["head"]["units"] == units


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


def test_files_of_envs_are_absolute_as_runners_have_another_folder(compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["env.trajectory=line.npz", "+env.twin_game.trajectory=drives/one.npy", "+env.evaluation.edges=/road.npz"]
    env = compose("env=trackmania", *words)["env"]
    assert (env["trajectory"], env["edges"]) == (str(tmp_path / "line.npz"), None)
    assert env["twin_game"] == {"trajectory": str(tmp_path / "drives" / "one.npy")}
    assert env["evaluation"]["edges"] == "/road.npz"
    env = compose("env=assetto_corsa", "env.track=tracks", "env.log=laps")["env"]
    assert (env["track"], env["log"], env["obs"]) == (str(tmp_path / "tracks"), str(tmp_path / "laps"), "acgym")


def test_paths_are_absolute(compose):
    config = compose("paths.outputs=some/where")
    assert Path(config["paths"]["outputs"]).is_absolute()
    assert config["paths"]["mlflow_uri"] == f"sqlite:///{config['paths']['outputs']}/mlflow.db"
