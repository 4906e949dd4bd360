"""Domains of a search space: what they draw, what a search and PBT are given, and which are impossible."""

import math
import random
import statistics

import numpy as np
import pytest

from envs.errors import ConfigError
from tune.space.domains import parse_domain

DRAWS = 2000
PLAIN = (bool, int, float, str, list, type(None))


def domain(kind, *values):
    return parse_domain("algo.training.lr", {kind: list(values)})


@pytest.fixture
def draw():
    """Return a function that draws many values of a domain."""

    def drawn(one, number=DRAWS):
        rng = np.random.default_rng(7)
        return [one.sample(rng) for _ in range(number)]

    return drawn


@pytest.mark.parametrize(
    ("kind", "values", "type_"),
    [
        ("uniform", [0, 1], float),
        ("uniform", [-2.5, -1], float),
        ("loguniform", [1e-5, 1e-3], float),
        ("quniform", [0.1, 0.7, 0.2], float),
        ("quniform", [16, 128, 16], int),
        ("randint", [-1, 3], int),
        ("lograndint", [1, 1024], int),
    ],
)
def test_draws_stay_within_the_ends_and_are_plain(draw, kind, values, type_):
    drawn = draw(domain(kind, *values))
    assert {type(value) for value in drawn} == {type_}
    assert values[0] <= min(drawn) < max(drawn) <= values[1]
    assert domain(kind, *values).corners() == pytest.approx(values[:2])
    assert domain(kind, *values).values() is None
    assert all(domain(kind, *values).contains(value) for value in drawn[:50])


@pytest.mark.parametrize(
    ("kind", "values", "row"),
    [
        ("randint", [0, 2], [0, 1, 2]),
        ("lograndint", [1, 3], [1, 2, 3]),
        ("quniform", [0.1, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]),  # not 0.30000000000000004
        ("quniform", [0.05, 0.25, 0.1], [0.05, 0.15, 0.25]),
        ("quniform", [16, 64, 16], [16, 32, 48, 64]),
    ],
)
def test_both_ends_of_a_row_are_drawn_and_nothing_between_its_steps(draw, kind, values, row):
    assert sorted(set(draw(domain(kind, *values)))) == row


def test_each_doubling_of_a_logarithmic_range_is_equally_likely(draw):
    for kind in ("loguniform", "lograndint"):
        drawn = draw(domain(kind, 1, 1024))
        below = sum(value < 32 for value in drawn) / DRAWS  # 5 of 10 doublings; 0.03 were it not logarithmic
        assert below == pytest.approx(0.5, abs=0.05)


def test_a_normal_range_has_its_mean_and_deviation(draw):
    drawn = draw(domain("normal", 3, 0.5))
    assert statistics.mean(drawn) == pytest.approx(3, abs=0.05)
    assert statistics.stdev(drawn) == pytest.approx(0.5, rel=0.05)
    assert domain("normal", 3, 0.5).corners() == [1.5, 4.5]


@pytest.mark.parametrize(
    ("kind", "values", "decimals"),
    [
        ("uniform", [0.1, 0.3], 4),  # four digits of 0.1 to 0.3
        ("uniform", [0.99991, 0.99999], 8),  # four of the width, 0.00008
        ("loguniform", [1e-5, 9e-5], 8),
        ("normal", [1000, 0.05], 5),
    ],
)
def test_draws_are_short_enough_to_read_and_as_fine_as_their_range(draw, kind, values, decimals):
    drawn = draw(domain(kind, *values))
    assert all(value == pytest.approx(round(value, decimals), abs=1e-13) for value in drawn)
    assert len(set(drawn)) > 500


def test_values_of_a_list_are_drawn_as_they_stand(draw):
    assert set(draw(domain("choice", 0.99995, 0.999975))) == {0.99995, 0.999975}


@pytest.mark.parametrize("kind", ["choice", "grid"])
def test_a_list_gives_its_own_values_and_no_one_can_change_them(draw, kind):
    values = [None, True, 3, 0.5, "vit", [8, [8]]]
    one = domain(kind, *values)
    assert one.values() == one.corners() == one.ray_domain() == values
    drawn = draw(one, 200)
    assert {str(value) for value in drawn} == {str(value) for value in values}
    assert all(isinstance(value, PLAIN) for value in drawn)
    next(value for value in drawn if isinstance(value, list)).append(1)
    assert one.values() == values
    assert one.contains([8, [8]])
    assert not one.contains(1)  # it has true, which is no number here


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("uniform", [0, 1]),
        ("loguniform", [1e-5, 1e-3]),
        ("quniform", [0.05, 0.25, 0.1]),
        ("quniform", [16, 128, 16]),
        ("randint", [0, 2]),
        ("lograndint", [1, 1000]),
        ("choice", [1, "a", None]),
        ("choice", [[1], [2, 3], "[1]"]),
    ],
)
def test_a_search_finds_values_of_the_domain(kind, values):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    one = domain(kind, *values)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    found = [one.suggest(study.ask(), "x") for _ in range(30)]
    assert all(one.contains(value) and isinstance(value, PLAIN) for value in found)
    assert len({repr(value) for value in found}) >= 3


def test_a_search_learns_which_of_true_and_one_it_chose():  # to Python, and so to Optuna, they are equal
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    remembered = set()
    for _ in range(20):
        trial = study.ask()
        chosen = domain("choice", True, 1).suggest(trial, "x")
        study.tell(trial, 0.0)
        remembered.add((repr(chosen), repr(study.trials[-1].params["x"])))
    assert len(remembered) == 2
    assert {chosen for chosen, _ in remembered} == {"True", "1"}
    assert len({known for _, known in remembered}) == 2


def test_a_search_of_a_normal_range_chooses_quantiles():
    optuna = pytest.importorskip("optuna")
    for below, expected in ((0.5, 3.0), (0.975, 3 + 1.959964 * 0.5), (0.025, 3 - 1.959964 * 0.5)):
        fixed = optuna.trial.FixedTrial({"x": below})
        assert domain("normal", 3, 0.5).suggest(fixed, "x") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "values"), [("uniform", [2, 3]), ("loguniform", [1e-5, 1e-3]), ("randint", [1, 3]), ("lograndint", [1, 9])]
)
def test_rays_domains_draw_from_the_same_range(kind, values):
    pytest.importorskip("ray.tune")
    random.seed(1)
    np.random.seed(1)  # Ray's domains draw from both of these
    drawn = [domain(kind, *values).ray_domain().sample() for _ in range(300)]
    assert values[0] <= min(drawn) <= max(drawn) <= values[1]
    if kind == "randint":
        assert max(drawn) == 3  # included, other than in ray.tune.randint(1, 3)


@pytest.mark.parametrize(
    ("kind", "values", "mutated", "expected"),
    [
        ("uniform", [0, 1], 1.2, 1.0),
        ("loguniform", [1e-5, 1e-3], 8e-6, 1e-5),
        ("randint", [1, 8], 9.6, 8),
        ("lograndint", [1, 8], 3.2, 3),
        ("quniform", [0.1, 0.5, 0.1], 0.36, 0.4),
        ("quniform", [16, 64, 16], 76.8, 64),
        ("normal", [0, 1], 7.0, 7.0),
        ("choice", ["a", "b"], "a", "a"),
    ],
)
def test_a_mutated_value_is_brought_back_into_its_range(kind, values, mutated, expected):
    assert domain(kind, *values).nearest(mutated) == expected


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ([1, 2], ["expected a domain", "choice", "loguniform"]),
        (3, ["expected a domain"]),
        ({}, ["expected one domain, got none", "lograndint"]),
        ({"when": {"model": "vit"}}, ["got none"]),
        ({"choice": [1], "grid": [2]}, ["choice and grid", "tuner.space=null"]),
        ({"log_uniform": [1, 2]}, ["log_uniform", "loguniform", "quniform", "normal"]),
        ({"choice": []}, ["at least one"]),
        ({"choice": "cnn"}, ["list"]),
        ({"grid": [0, 1, 0]}, ["0 stands there twice"]),
        ({"choice": [1, 1.0]}, ["twice"]),
        ({"choice": [[1], [1]]}, ["twice"]),
        ({"choice": [math.nan]}, ["nan"]),
        ({"choice": [{"a": 1}]}, ["numbers, words"]),
        ({"uniform": [1, 1]}, ["lower end first", "1 and 1"]),
        ({"uniform": [2, 1]}, ["lower end first", "2 and 1"]),
        ({"uniform": [0, math.nan]}, ["expected numbers"]),
        ({"uniform": [0, math.inf]}, ["expected numbers"]),
        ({"uniform": [0, "one"]}, ["expected numbers"]),
        ({"uniform": [False, True]}, ["expected numbers"]),
        ({"uniform": [0, 1, 2]}, ["[LOW, HIGH]"]),
        ({"uniform": 1}, ["[LOW, HIGH]"]),
        ({"loguniform": [0, 1]}, ["logarithm", "above 0"]),
        ({"loguniform": [-1, 1]}, ["logarithm", "above 0"]),
        ({"lograndint": [0, 8]}, ["logarithm", "above 0"]),
        ({"randint": [0, 1.5]}, ["whole numbers"]),
        ({"randint": [3, 1]}, ["lower end first"]),
        ({"quniform": [0, 1]}, ["[LOW, HIGH, STEP]"]),
        ({"quniform": [0, 1, 0]}, ["step above 0"]),
        ({"quniform": [0, 1, -0.5]}, ["step above 0"]),
        ({"quniform": [0, 1, 0.3]}, ["0.3", "do not end at 1"]),
        ({"quniform": [0, 1, 1e-20]}, ["larger step"]),  # no generator counts so far
        ({"quniform": [0, 1, 1e-320]}, ["larger step"]),
        ({"randint": [0, 2**64]}, ["expected numbers", "9e+15"]),
        ({"randint": [0, 10**400]}, ["expected numbers", "9e+15"]),  # no float
        ({"uniform": [-1e308, 1e308]}, ["expected numbers", "9e+15"]),  # their difference is infinite
        ({"normal": [1e308, 1e308]}, ["expected numbers", "9e+15"]),
        ({"normal": [0, 0]}, ["above 0"]),
        ({"normal": [0]}, ["[MEAN, SD]"]),
    ],
)
def test_impossible_domains_are_refused_in_words(section, words):
    with pytest.raises(ConfigError) as refused:
        parse_domain("algo.training.lr", section)
    message = str(refused.value)
    assert message.startswith("tuner.space: algo.training.lr: ")
    assert all(word in message for word in words), message


def test_true_and_one_are_two_values():
    assert parse_domain("x", {"choice": [True, 1]}).values() == [True, 1]
