"""What trials are given: every point of a grid, or settings drawn at random; and what is no task for either."""

import pytest

from envs.errors import ConfigError
from tune.proposers import MOST_DRAWS, Grid, Random, Search, Single
from tune.space.space import SearchSpace

BASE = {"algo": {"training": {"lr": 1e-3, "gamma": 0.99}}, "seed": 0, "choices": {"model": "cnn"}}
LR = {"algo.training.lr": {"loguniform": [1e-5, 1e-3]}}
SEEDS = {"seed": {"grid": [0, 1, 2]}}


def search(space, *, num_trials=1, seed=0, modes=("max",), is_allowed=lambda assigned: True):
    return Search(SearchSpace.parse(space, [], BASE), num_trials, seed, list(modes), is_allowed)


def refusal(proposer, *arguments, **options):
    with pytest.raises(ConfigError) as refused:
        proposer(search=search(*arguments, **options)).planned()
    return str(refused.value)


def test_a_single_run_is_the_config_as_it_is():
    single = Single(search=search({}))
    assert (single.planned(), single.num_total, single.is_exhausted) == ([{}], 1, True)
    assert "Choose who searches it" in refusal(Single, SEEDS)
    assert "tuner=grid" in refusal(Single, {}, num_trials=3)
    assert "do not allow the config as it is" in refusal(Single, {}, is_allowed=lambda assigned: False)


def test_a_grid_is_tried_as_a_whole_as_often_as_asked():
    grid = Grid(search=search(SEEDS | {"model": {"grid": ["cnn", "vit"]}}, num_trials=2))
    once = [{"seed": seed, "model": model} for seed in (0, 1, 2) for model in ("cnn", "vit")]
    assert grid.planned() == once * 2
    assert grid.num_total == 12
    assert grid.is_exhausted


def test_points_that_the_constraints_forbid_are_left_out():
    space = {"seed": {"grid": [0, 1]}, "model": {"grid": ["cnn", "vit"]}}
    grid = Grid(search=search(space, is_allowed=lambda one: one != {"seed": 1, "model": "vit"}))
    assert grid.planned() == [
        {"seed": 0, "model": "cnn"},
        {"seed": 0, "model": "vit"},
        {"seed": 1, "model": "cnn"},
    ]
    assert "none of the 4 points" in refusal(Grid, space, is_allowed=lambda one: False)


def test_a_grid_of_what_has_no_grid_is_refused():
    assert "algo.training.lr has none" in refusal(Grid, SEEDS | LR)
    assert "tuner=random" in refusal(Grid, SEEDS | LR)
    assert "needs to know what to search" in refusal(Grid, {})


def test_a_setting_is_drawn_once_and_run_at_every_point_of_the_grid():
    random = Random(search=search(SEEDS | LR, num_trials=4))
    planned = random.planned()
    assert random.num_total == len(planned) == 12
    assert [one["seed"] for one in planned] == [0, 1, 2] * 4
    rates = [one["algo.training.lr"] for one in planned]
    assert all(len(set(rates[3 * setting : 3 * setting + 3])) == 1 for setting in range(4))
    assert len(set(rates)) == 4
    assert all(1e-5 <= rate <= 1e-3 for rate in rates)


def test_draws_are_those_of_the_seed_and_a_longer_sweep_begins_as_a_shorter_one():
    def drawn(**options):
        return Random(search=search(LR, **options)).planned()

    assert drawn(num_trials=5, seed=3) == drawn(num_trials=5, seed=3)
    assert drawn(num_trials=8, seed=3)[:5] == drawn(num_trials=5, seed=3)
    assert not set(map(str, drawn(num_trials=5, seed=3))) & set(map(str, drawn(num_trials=5, seed=4)))


def test_draws_on_a_log_scale_are_spread_over_its_decades():
    rates = [one["algo.training.lr"] for one in Random(search=search(LR, num_trials=400)).planned()]
    share = sum(rate < 1e-4 for rate in rates) / len(rates)
    assert share == pytest.approx(0.5, abs=0.1)  # half of the logarithms; 4 standard deviations


def test_a_setting_satisfies_the_constraints_at_every_point_of_the_grid():
    def is_allowed(one):
        return one["algo.training.gamma"] > 0.5 + 0.1 * one["seed"]

    space = SEEDS | {"algo.training.gamma": {"uniform": [0, 1]}}
    planned = Random(search=search(space, num_trials=20, is_allowed=is_allowed)).planned()
    assert len(planned) == 60
    assert all(one["algo.training.gamma"] > 0.7 for one in planned)  # also those at seed 0


def test_constraints_that_allow_nothing_are_noticed():
    asked = []
    message = refusal(Random, LR, is_allowed=lambda one: asked.append(one))
    assert f"refused {MOST_DRAWS} settings in a row" in message
    assert len({one["algo.training.lr"] for one in asked}) > MOST_DRAWS / 2  # not the same one again and again


def test_nothing_to_draw_is_refused():
    assert "Try all points with tuner=grid" in refusal(Random, SEEDS)
    assert "needs to know what to search" in refusal(Random, {})


@pytest.mark.parametrize(("proposer", "space"), [(Single, {}), (Grid, SEEDS), (Random, LR)])
def test_what_no_proposer_can_do(proposer, space):
    assert "num_trials=0" in refusal(proposer, space, num_trials=0)
    assert "num_trials=None" in refusal(proposer, space, num_trials=None)
    assert "only tuner=optuna" in refusal(proposer, space, modes=("max", "max"))
