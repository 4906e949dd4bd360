import cv2
import numpy as np
import pytest

from experiments import metrics
from experiments.drive import Episode
from experiments.pictures import _read_progress, draw_curve, draw_returns
from experiments.scores import summarise

HEADER = f"{metrics.FRAMES},{metrics.WALL_S},{metrics.RETURN_MEAN},{metrics.EVAL_RETURN_MEAN},{metrics.EVAL_RETURN_P10}"
EVALUATION_BGR = (0x2B, 0x50, 0xC8)  # the colour of what an evaluation says


def num_evaluation_pixels(path):
    picture = cv2.imread(str(path))
    assert picture.shape == (702, 1170, 3)  # 9 x 5.4 inches at 130 dots
    assert (picture[0, 0] == 255).all(), "dark on light"
    return int((picture == EVALUATION_BGR).all(axis=2).sum())


def evaluation_of(returns):
    episodes = [Episode(seed=10000 + k, episode_return=float(value), frames=9) for k, value in enumerate(returns)]
    return summarise(
        episodes, env="dummy", checkpoint="c", commit="b73ba59", first_seed=10000, deterministic=True, wall_s=1.0
    )


@pytest.mark.parametrize(
    ("text", "has_evaluation"),
    [
        ("", False),
        (f"{HEADER}\n", False),
        (f"{HEADER}\n4000,30,,,\n", False),
        (f"{HEADER}\n4000,30,-12.5,,\n", False),
        (f"{HEADER}\n4000,30,-12.5,3.5,1.5\n", True),
        (f"{HEADER}\n4000,30,,3.5,\n8000,60,,4,\n", True),
        (f"{HEADER}\n4000,30,1,,\n8000,60,2,4,3\n12000,9", True),
        (f"{metrics.FRAMES},{metrics.EVAL_RETURN_MEAN}\n4000,1\n8000,2\n", True),
    ],
    ids=["empty", "header", "nothing ended", "one row", "one evaluation", "no p10", "cut off", "few columns"],
)
def test_a_curve_of_little(tmp_path, text, has_evaluation):
    (tmp_path / "progress.csv").write_text(text)
    draw_curve(tmp_path / "progress.csv", tmp_path / "curve.png", title="dummy · ppo · cnn")
    assert (num_evaluation_pixels(tmp_path / "curve.png") > 0) == has_evaluation
    assert {path.name for path in tmp_path.iterdir()} == {"progress.csv", "curve.png"}


def test_the_later_stretch_counts_where_a_resumed_run_went_back(tmp_path):
    path = tmp_path / "progress.csv"
    path.write_text(f"{HEADER}\n10,1,1,,\n20,2,2,,\n30,3,3,,\n20,4,5,,\n40,5,6,,\n")
    columns = _read_progress(path)
    np.testing.assert_array_equal(columns[metrics.FRAMES], [10, 20, 40])
    np.testing.assert_array_equal(columns[metrics.RETURN_MEAN], [1, 5, 6])
    assert np.isnan(columns[metrics.EVAL_RETURN_MEAN]).all()


@pytest.mark.parametrize(
    "returns", [[255.4], [0.0] * 3, [-3.25, -3.24], [1e6, -1e6, 0], np.linspace(150, 930, 100)], ids=len
)
def test_returns_of_any_spread(tmp_path, returns):
    draw_returns(evaluation_of(returns), tmp_path / "returns.png")
    assert num_evaluation_pixels(tmp_path / "returns.png") > 100
