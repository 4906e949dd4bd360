"""`experiments.compare` on a made-up sweep in a real store: what it writes, stores and refuses."""

import base64
import io
import re

import pytest
from PIL import Image

from envs.errors import ConfigError
from experiments import folders

LR = "algo.training.lr"


def test_the_report_shows_everything_and_needs_nothing(run, outputs, ids, history):
    printed = run()
    folder = folders.follow(outputs / folders.LATEST) / "comparison"
    page = (folder / "report.html").read_text()
    assert "No gain beyond noise" in page
    assert "12 trials in 4 groups; 9 scored, 2 stopped early, 1 failed." in page
    assert "Where n is above 1 (here 3)" not in page  # 1 of 3 and 2 of 3 are left of two groups
    assert all(text in page for text in ("lr=0.0003, clip=0.1", "lr=0.001, clip=0.2", "the loss is not finite"))
    assert page.count("not scored</td>") == 3  # the trials that were not, by name
    assert "the config says where nothing is swept" in page
    assert 'name="viewport"' in page
    assert not re.findall(r"(?:src|href|srcset)=\"(?!data:)", page)
    assert "http" not in page
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    widths = {Image.open(io.BytesIO(base64.b64decode(picture))).size[0] for picture in pictures}
    assert len(pictures) == 6 * 4  # six, each for light, dark, wide and narrow pages
    assert widths == {760, 1350}
    names = {artifact.path for artifact in history.client.list_artifacts(ids["run"], "comparison")}
    assert names == {f"comparison/{path.name}" for path in folder.iterdir()}
    assert {"comparison/groups.csv", "comparison/curves_dark.png", "comparison/report.html"} <= names
    assert str(folder / "report.html") in printed


def test_the_tables_hold_the_numbers(run, outputs, without_pictures, read_csv, states):
    run("sweep=latest")
    folder = folders.follow(outputs / folders.LATEST) / "comparison"
    groups = read_csv(folder / "groups.csv")
    assert [row["group"] for row in groups][2:] == ["lr=0.001, clip=0.2", "lr=0.001, clip=0.1"]
    best = groups[0]
    assert (best["scored"], best["tracks"], best["interval_over"]) == ("3", "40", "seeds and tracks")
    assert float(best["mean_low"]) < float(best["mean"]) < float(best["mean_high"])
    assert float(best["mean"]) == pytest.approx(64, abs=1.5)  # seeds bring 60, 64 and 68
    assert float(best["wall_s"]) == 24.0
    # 90 % of the last return of 64 is passed by the report of 64, at 8,000 frames.
    assert (best["frames_to_threshold"], best["reached_threshold"]) == ("8000.0", "3")
    trials = read_csv(folder / "trials.csv")
    assert [row["state"] for row in trials] == [states.get(k, "finished") for k in range(12)]
    assert [row["score_mean"] == "" for row in trials] == [k in states for k in range(12)]
    assert [float(row[LR]) for row in trials] == [3e-4] * 6 + [1e-3] * 6


def test_an_experiment_and_single_runs_may_be_compared(run, outputs, ids, tmp_path, without_pictures, read_csv):
    printed = run("name=night", "group_by=[lr]", f"output={tmp_path / 'a'}")
    assert "lr=0.0003" in printed
    assert len(read_csv(tmp_path / "a" / "groups.csv")) == 2
    trials = [ids["trials"]["00000"], str(folders.follow(outputs / folders.LATEST) / "trials" / "00006")]
    printed = run(f"runs=[{','.join(trials)}]", "baseline=0.001", "threshold=20", f"output={tmp_path / 'b'}")
    rows = read_csv(tmp_path / "b" / "groups.csv")
    assert [(row["group"], row["is_baseline"], row["verdict"]) for row in rows] == [
        ("lr=0.0003", "False", "gain"),
        ("lr=0.001", "True", ""),
    ]
    assert {row["frames_to_threshold"] for row in rows} == {"3000.0"}
    assert {row["gain_interval_over"] for row in rows} == {"tracks", ""}
    assert "single seed" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["name=day"], "no such experiment; it has .*night"),
        (["sweep=nowhere"], "nowhere is no run"),
        ([f"sweep={'0' * 32}"], "has no run 0000"),
        (["group_by=[colour]"], "group_by=colour: no trial has"),
        (["baseline=7"], "baseline=7 means no group"),
        (["save_best=Best"], "save_best=Best: expected small letters"),
        (["save_best=carracing_ppo"], r"carracing_ppo\.yaml exists"),
    ],
)
def test_wrong_words_are_refused(run, words, message):
    with pytest.raises(ConfigError, match=message):
        run(*words)


def test_some_trials_of_a_sweep_do_not_replace_its_report(run, outputs, ids, history, without_pictures):
    run("sweep=latest")
    whole = folders.follow(outputs / folders.LATEST) / "comparison" / "report.html"
    before = whole.read_text()
    printed = run(f"runs=[{ids['trials']['00000']},{ids['trials']['00006']}]")
    assert whole.read_text() == before
    (page,) = (outputs / "comparisons").glob("*/report.html")
    assert "2 trials in 2 groups" in page.read_text()
    assert str(page) in printed
    assert "not the trials of one run" in printed


def test_only_its_own_files_go_to_mlflow(run, ids, history, tmp_path, without_pictures):
    (tmp_path / "private.txt").write_text("a file that was there before")
    run("sweep=latest", f"output={tmp_path}")
    names = {artifact.path for artifact in history.client.list_artifacts(ids["run"], "comparison")}
    assert "comparison/report.html" in names
    assert "comparison/private.txt" not in names
