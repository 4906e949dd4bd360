"""Run folders: their names, and which run, trial and checkpoint a word means."""

from datetime import datetime

import pytest

from envs.errors import ConfigError
from experiments import runs
from experiments.checkpoints import write_checkpoint
from experiments.policy_description import DESCRIPTION
from experiments.runs import create_run_folder, find_policy_folder, find_run_folder, find_trial_folders, read_config
from experiments.runs import write_config as write

CHOICES = {"env": "carracing", "model": "cnn", "algo": "sac"}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands still."""

    class Standing(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2025, 3, 9, 14, 5, 59)

    monkeypatch.setattr(runs, "datetime", Standing)


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


@pytest.fixture
def make_run(outputs):
    """Return a function that makes a run with trials, each with checkpoints of 10 and 20 frames."""

    def make(num_trials=1):
        folder = create_run_folder(outputs, "default", CHOICES)
        write(folder, {"seed": 0})
        (folder / "trials").mkdir()
        for number in range(num_trials):
            trial = folder / "trials" / f"{number:05d}"
            trial.mkdir()
            write(trial, {"seed": number})
            for frames in (10, 20):
                write_checkpoint(trial / "checkpoints", frames, lambda into: (into / DESCRIPTION).write_text("{}"), 2)
        return folder

    return make


def test_runs_of_the_same_second_have_folders_of_their_own(outputs):
    folders = [create_run_folder(outputs, "speed", CHOICES) for _ in range(3)]
    stem = "2025-03-09_14-05-59_carracing_cnn_sac"
    assert folders == [outputs / "speed" / name for name in (stem, f"{stem}_2", f"{stem}_3")]
    assert (outputs / "latest").resolve() == folders[-1]


def test_a_run_is_found_by_latest_and_by_its_path(make_run, outputs):
    first, second = make_run(), make_run()
    assert find_run_folder("latest", outputs) == second
    assert find_run_folder(str(outputs / "latest"), outputs) == second  # the folder itself, not the link to it
    assert find_run_folder(str(first), outputs) == first
    assert find_run_folder(f"outputs/default/{first.name}", outputs) == first


@pytest.mark.parametrize("word", ["newest", "latest", "outputs/default/2024"])
def test_an_unknown_run_lists_those_there_are(make_run, outputs, word):
    made = [make_run() for _ in range(6)]
    (outputs / "latest").unlink()
    with pytest.raises(ConfigError, match=f"{word} is no run") as error:
        find_run_folder(word, outputs)
    listed = [line.strip() for line in str(error.value).splitlines()[1:]]
    assert listed == [str(folder) for folder in made[:0:-1]]  # the five newest, newest first


@pytest.mark.parametrize("word", ["latest", "elsewhere"])
def test_without_runs_it_says_how_to_start_one(outputs, word):
    with pytest.raises(ConfigError, match=r"none yet; python run\.py starts one"):
        find_run_folder(word, outputs)


def test_a_policy_is_found_by_run_trial_and_checkpoint(make_run, outputs):
    run = make_run()
    trial = run / "trials" / "00000"
    newest, older = (trial / "checkpoints" / f"frames_{frames:012d}" for frames in (20, 10))
    assert find_policy_folder("latest", outputs) == (newest, trial)
    assert find_policy_folder(str(run), outputs) == (newest, trial)
    assert find_policy_folder(str(trial), outputs) == (newest, trial)
    assert find_policy_folder(str(older), outputs) == (older, trial)


def test_a_checkpoint_named_through_links_still_belongs_to_its_trial(make_run, outputs):
    run = make_run()
    trial = run / "trials" / "00000"
    (run / "checkpoints").symlink_to(trial / "checkpoints")  # as every run with a single trial has it
    found = find_policy_folder(str(run / "checkpoints" / "latest"), outputs)
    assert (found[0].resolve(), found[1]) == (trial / "checkpoints" / f"frames_{20:012d}", trial)


def test_a_policy_that_left_its_run_is_taken_as_it_is(make_run, outputs, tmp_path):
    newest, _ = find_policy_folder(str(make_run()), outputs)
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("policy.json", "policy.safetensors"):
        (alone / name).write_bytes((newest / name).read_bytes() if (newest / name).exists() else b"")
    assert find_policy_folder(str(alone), outputs) == (alone, alone)


def test_a_damaged_training_state_does_not_keep_a_policy_from_driving(make_run, outputs):
    run = make_run()
    newest, trial = find_policy_folder(str(run), outputs)
    (newest / "state.pt").write_bytes(b"half")
    assert find_policy_folder(str(run), outputs) == (newest, trial)


def test_of_several_trials_one_must_be_named(make_run, outputs):
    run = make_run(num_trials=3)
    assert [path.name for path in find_trial_folders(run)] == ["00000", "00001", "00002"]
    with pytest.raises(ConfigError, match=rf"has 3 trials; name one: run={run}/trials/00000"):
        find_policy_folder("latest", outputs)
    assert find_policy_folder(str(run / "trials" / "00002"), outputs)[1].name == "00002"


def test_a_run_without_trial_or_checkpoint_is_refused_in_words(make_run, outputs):
    run = make_run(num_trials=0)
    with pytest.raises(ConfigError, match=f"{run.name} has no trial yet"):
        find_policy_folder("latest", outputs)
    write_into = run / "trials" / "00000"
    write_into.mkdir()
    write(write_into, {"seed": 0})
    with pytest.raises(ConfigError, match="No checkpoint in"):
        find_policy_folder("latest", outputs)


@pytest.mark.parametrize("word", ["run", "trial", "checkpoint"])
def test_a_damaged_checkpoint_is_refused_in_words(make_run, outputs, word):
    run = make_run()
    trial = run / "trials" / "00000"
    newest = trial / "checkpoints" / f"frames_{20:012d}"
    (newest / DESCRIPTION).write_text("{")
    with pytest.raises(ConfigError, match=rf"{newest} is damaged: {DESCRIPTION} is not as it was written"):
        find_policy_folder(str({"run": run, "trial": trial, "checkpoint": newest}[word]), outputs)


def test_a_config_is_read_as_it_was_written(tmp_path):
    config = {"seed": 3, "env": {"hosts": ["127.0.0.1"], "track": None}, "lr": 3e-4, "on": True, "name": "Grün: 1e-3"}
    write(tmp_path, config)
    assert read_config(tmp_path) == config
    assert list(read_config(tmp_path)) == list(config)


@pytest.mark.parametrize(
    "content",
    [
        b"seed: [1, 2",
        b"",
        b"- 1",
        b"\x00" * 50,
        pytest.param(
            b"seed: \xff\xfe",
        ),
    ],
    ids=["cut", "empty", "a list", "zeros", "other bytes"],
)
def test_a_damaged_config_is_named(tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        read_config(tmp_path)


@pytest.mark.parametrize("word", ["models:/chicane-carracing@champion", "mlflow:0123"])
def test_a_command_that_does_not_look_into_mlflow_says_so(outputs, word):
    with pytest.raises(ConfigError, match="does not look into MLflow; name a run's folder"):
        find_policy_folder(word, outputs)
