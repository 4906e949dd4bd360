"""Reports, pictures and words of comparisons with little or strange to show."""

import numpy as np
import pytest

from envs.errors import ConfigError
from experiments.comparison.comparison import compare
from experiments.comparison.drawings.gallery import LOOKS, Picture, draw_all
from experiments.comparison.drawings.labels import spread
from experiments.comparison.drawings.parallel import _round_marks, make_scale
from experiments.comparison.report import render
from experiments.comparison.selection import Selection
from experiments.comparison.settings import check_words
from experiments.comparison.words import number

LR = "algo.training.lr"


def test_axes_of_parallel_coordinates():
    scale = make_scale(["0.001", "0.1", "0.01"])
    assert {text: round(place, 6) for text, place in scale.places.items()} == {"0.001": 0, "0.01": 0.5, "0.1": 1}
    scale = make_scale(["vit", None, "cnn"])
    assert scale.places == {"cnn": 0, "vit": 0.5, None: 1}
    assert make_scale(["3", "3"]).places == {"3": 0.5}
    scale = make_scale(["5", None, "1", "3"])  # of a conditional space: the numbers keep their distances
    assert scale.places == pytest.approx({"1": 0, "3": 0.425, "5": 0.85, None: 1})
    assert [word for _, word in scale.ticks] == ["1", "3", "5", "\N{EN DASH}"]


def test_labels_stay_apart_and_inside():
    assert spread([1.0, 5.0], 1, 0, 10) == [1.0, 5.0]
    assert spread([9.9, 9.8, 0.0], 2, 0, 10) == pytest.approx([10, 8, 0])
    assert spread([5, 5, 5], 20, 0, 10) == pytest.approx([0, 5, 10])
    assert spread([], 1, 0, 1) == []


@pytest.mark.parametrize(
    ("curves", "scores", "drawn"),
    [
        ([(), ()], [None, None], {"parallel"}),
        ([(1, 2), ()], [None, None], {"curves", "curves_time", "parallel"}),
        ([(5,), (5,)], [[3.0], None], {"scores", "curves", "curves_time", "profiles", "parallel"}),
        ([(1, 2), (3, 4)], [[3.0, 3.0], [3.0, 3.0]], {"scores", "curves", "curves_time", "profiles", "parallel"}),
    ],
    ids=["nothing", "one curve", "one point, one score", "all the same"],
)
def test_a_report_of_little(make_trial, tmp_path, curves, scores, drawn):
    trials = [
        make_trial({LR: lr}, curve=curve, scores=score, state="failed: crash" if score is None else "finished")
        for lr, curve, score in zip((1e-4, 1e-3), curves, scores, strict=True)
    ]
    comparison = compare(Selection("little", trials, tmp_path, None, 1))
    pictures = draw_all(comparison)
    assert {picture.name for picture in pictures if picture.pngs} == drawn
    page = render(comparison, pictures)
    assert "lr=0.0001" in page
    assert "lr=0.001" in page
    assert all(trial.state in page for trial in trials)


def test_names_in_a_report_are_no_markup(make_trial, tmp_path):
    trials = [make_trial({"model": f"<b>{k}</b>"}, curve=[1, 2]) for k in range(2)]
    page = render(compare(Selection("<script>", trials, tmp_path, None, 1)), [])
    assert "<script>" not in page
    assert "model=&lt;b&gt;1&lt;/b&gt;" in page


@pytest.mark.parametrize(("value", "said"), [(825.4, "825"), (-12.34, "-12.3"), (1.234, "1.23")])
def test_numbers_are_as_long_as_they_are_known(value, said):
    assert number(value) == said


def test_words_that_choose_runs():
    nothing = {"sweep": None, "name": None, "runs": None, "group_by": None}
    assert check_words(nothing)["sweep"] == "latest"
    with pytest.raises(ConfigError, match="sweep=latest and name=x: expected one of"):
        check_words(nothing | {"sweep": "latest", "name": "x"})
    with pytest.raises(ConfigError, match="threshold=inf: expected a finite"):
        check_words(nothing | {"threshold": float("inf")})
    with pytest.raises(ConfigError, match=r"group_by=\[\] chooses nothing"):
        check_words(nothing | {"group_by": []})


def test_equal_returns_have_marks_of_their_size():
    low, *_, high = _round_marks(np.array([900.0, 900.0]))
    assert 800 < low < 900 < high < 1000
    low, *_, high = _round_marks(np.array([0.0, np.nan]))
    assert -2 <= low < 0 < high <= 2


def test_tables_are_read_aloud(make_trial, tmp_path):
    trials = [make_trial({LR: k}, curve=[1], scores=[k] * 3) for k in (1, 2)]
    trials.append(make_trial({LR: 2}, scores=[9, 9], first_seed=20_000))
    picture = Picture("a", "A", "what it is", "", dict.fromkeys(LOOKS, b""))
    page = render(compare(Selection("x", trials, tmp_path, None, 1)), [picture])
    assert 'alt="what it is"' in page
    assert page.count('<th scope="row"') == 2 + 3
    assert page.count('role="region" aria-labelledby=') == 2
    assert "<th>" not in page
    assert "<td>on other tracks</td>" in page
