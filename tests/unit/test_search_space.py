"""Search spaces: what a sweep's assignments are, how many there are, and what is refused before anything starts."""

import itertools
import random
import time

import numpy as np
import pytest

from envs.errors import ConfigError
from tune.space.space import SearchSpace

BASE = {
    "env": {"obs": "image", "frame_stack": 4},
    "algo": {"training": {"lr": 1e-3, "n_step": 3}},
    "model": {"channels": [32, 64]},
    "seed": 0,
    "choices": {
        "env": "carracing",
        "model": "cnn",
        "algo": "sac",
        "experiment": None,
        "debug": None,
        "preset": "nature",
    },
}


def parse(space, *constraints):
    return SearchSpace.parse(space, list(constraints), BASE)


def refusal(space):
    with pytest.raises(ConfigError) as refused:
        parse(space)
    return str(refused.value)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_the_first_grid_key_changes_slowest_and_others_are_left_out():
    space = parse(
        {"seed": {"grid": [0, 1]}, "algo.training.lr": {"uniform": [0, 1]}, "model": {"grid": ["cnn", "vit"]}}
    )
    assert list(space.grid()) == [
        {"seed": 0, "model": "cnn"},
        {"seed": 0, "model": "vit"},
        {"seed": 1, "model": "cnn"},
        {"seed": 1, "model": "vit"},
    ]
    assert space.num_grid_points() == 4
    assert space.has_grid


@pytest.mark.parametrize("nothing", [{}, None])
def test_an_empty_space_is_one_trial_as_it_stands(nothing, rng):
    space = parse(nothing)
    assert list(space.grid()) == space.corners() == [{}]
    assert space.num_grid_points() == 1
    assert space.sample(rng) == {}
    assert not space.has_grid


def test_a_million_points_and_more_are_counted_at_once():  # one by one, it would not end
    space = parse({f"algo.a{number}": {"grid": list(range(10))} for number in range(60)})
    assert space.num_grid_points() == 10**60
    assert next(space.grid()) == {f"algo.a{number}": 0 for number in range(60)}


def test_conditional_grid_keys_are_part_of_some_points_only():
    space = parse(
        {
            "model.depth": {"grid": [2, 4], "when": {"model": "vit"}},
            "model": {"grid": ["cnn", "vit", "mlp"]},
            "seed": {"grid": [0, 1, 2]},
        }
    )
    points = list(space.grid())
    assert space.num_grid_points() == len(points) == 3 + 2 * 3 + 3  # cnn, vit with two depths, mlp; three seeds each
    assert {tuple(point.items()) for point in points if point["model"] == "vit"} == {
        (("model", "vit"), ("model.depth", depth), ("seed", seed)) for depth in (2, 4) for seed in (0, 1, 2)
    }
    assert all("model.depth" not in point for point in points if point["model"] != "vit")


def test_conditions_chain_cross_and_share_keys_and_are_counted_right():
    space = parse(
        {
            "algo": {"grid": ["ppo", "sac"]},
            "model": {"grid": ["cnn", "vit", "mlp"]},
            "model.heads": {"grid": [1, 2, 4], "when": {"model": "vit"}},
            "model.width": {"grid": [64, 128], "when": {"model.heads": [2, 4], "algo": "ppo"}},
            "model.features": {"grid": [8, 16], "when": {"model": ["cnn", "mlp"]}},
            "algo.training.n_step": {"grid": [1, 3, 5], "when": {"algo": "sac"}},
        }
    )
    # ppo: cnn and mlp with 2 features each, vit with one head, or with 2 or 4 heads and 2 widths: 4 + 1 + 4 = 9.
    # sac: cnn and mlp with 2 features each, vit with 3 heads: 7; each with 3 steps: 21.
    assert space.num_grid_points() == 9 + 21
    points = list(space.grid())
    assert len(points) == len({tuple(sorted(point.items())) for point in points}) == 30


def test_many_conditional_keys_are_counted_without_their_points():
    space = {}
    for number in range(40):
        space[f"algo.on{number}"] = {"grid": [True, False]}
        space[f"algo.size{number}"] = {"grid": [1, 2], "when": {f"algo.on{number}": True}}
    assert (
        parse(space).num_grid_points() == 3**40
    )  # each pair: on with either size, or off; one by one, it would not end


@pytest.mark.parametrize("seed", range(60))
def test_the_number_of_points_is_that_of_all_combinations_with_inactive_keys_dropped(seed):
    draw = random.Random(seed)
    space = {f"algo.k{key}": {"grid": draw.sample(range(5), draw.randint(1, 4))} for key in range(5)}
    for key in range(1, 5):  # on earlier keys alone, so never in a circle
        named = draw.sample(range(key), draw.randint(0, min(2, key)))
        when = {f"algo.k{one}": draw.sample(space[f"algo.k{one}"]["grid"], 1) for one in named}
        space[f"algo.k{key}"] |= {"when": when} if when else {}
    distinct = set()
    for values in itertools.product(*(section["grid"] for section in space.values())):
        point = {}
        for (key, section), value in zip(space.items(), values, strict=True):
            if all(point.get(other) in allowed for other, allowed in section.get("when", {}).items()):
                point[key] = value
        distinct.add(tuple(sorted(point.items())))
    if {key for point in distinct for key, _ in point} != set(space):
        assert "contradict" in refusal(space)
        return
    parsed = parse(space)
    assert parsed.num_grid_points() == len(distinct)
    assert {tuple(sorted(point.items())) for point in parsed.grid()} == distinct


def test_a_draw_has_the_keys_whose_conditions_hold(rng):
    space = parse(
        {
            "model.depth": {"choice": [2, 4], "when": {"model": "vit"}},
            "model": {"choice": ["cnn", "vit"]},
            "algo.training.lr": {"loguniform": [1e-5, 1e-3], "when": {"seed": [0, 2]}},
            "seed": {"grid": [0, 1, 2]},
        }
    )
    draws = [space.sample(rng, {"seed": seed}) for _ in range(40) for seed in (0, 1, 2)]
    for draw, seed in zip(draws, itertools.cycle((0, 1, 2))):
        assert ("model.depth" in draw) == (draw["model"] == "vit")
        assert ("algo.training.lr" in draw) == (seed != 1)
        assert "seed" not in draw
    assert {draw.get("model.depth") for draw in draws} == {None, 2, 4}


def test_the_same_generator_draws_the_same():
    space = parse({"algo.training.lr": {"loguniform": [1e-5, 1e-3]}, "model": {"choice": ["cnn", "vit"]}})
    first, again = (
        [space.sample(np.random.default_rng(seed)) for seed in range(10)],
        [space.sample(np.random.default_rng(seed)) for seed in range(10)],
    )
    assert first == again
    assert len({draw["algo.training.lr"] for draw in first}) == 10


def test_what_is_given_is_not_drawn_again(rng):
    space = parse({"model": {"choice": ["cnn", "vit"]}, "model.depth": {"choice": [2, 4], "when": {"model": "vit"}}})
    assert space.sample(rng, {"model": "cnn"}) == {}
    assert space.sample(rng, {"model": "vit"}).keys() == {"model.depth"}


def test_what_is_given_changes_nothing_of_what_else_is_drawn():
    space = parse(
        {
            "model": {"grid": ["cnn", "vit"]},
            "model.depth": {"choice": [2, 4, 6], "when": {"model": "vit"}},
            "algo.training.lr": {"uniform": [0, 1]},
        }
    )
    cnn, vit = (space.sample(np.random.default_rng(5), {"model": model}) for model in ("cnn", "vit"))
    assert vit.keys() - cnn.keys() == {"model.depth"}
    assert cnn["algo.training.lr"] == vit["algo.training.lr"]  # else the models were compared at two learning rates


def test_a_grid_key_is_never_drawn(rng):
    space = parse({"seed": {"grid": [0, 1]}, "env.x": {"choice": [1, 2], "when": {"seed": 1}}})
    assert space.sample(rng) == space.sample(rng, {"seed": 0}) == {}


def test_a_search_is_asked_for_active_keys_alone():
    optuna = pytest.importorskip("optuna")
    space = parse(
        {
            "model": {"choice": ["cnn", "vit"]},
            "model.depth": {"randint": [2, 4], "when": {"model": "vit"}},
            "algo.training.lr": {"loguniform": [1e-5, 1e-3]},
            "seed": {"grid": [0, 1]},
        }
    )
    fixed = {"model": "vit", "model.depth": 3, "algo.training.lr": 2e-4}
    assert space.suggest(optuna.trial.FixedTrial(fixed), {"seed": 1}) == fixed
    assert space.suggest(optuna.trial.FixedTrial(fixed | {"model": "cnn"}), {"seed": 1}) == {
        "model": "cnn",
        "algo.training.lr": 2e-4,
    }


def test_conditions_on_the_base_config_decide_before_the_sweep():
    space = parse(
        {
            "algo.training.n_step": {"choice": [1, 3], "when": {"algo": "sac"}},
            "algo.training.gae_lambda": {"choice": [0.9, 0.95], "when": {"algo": ["ppo", "a2c"]}},
            "env.frame_stack": {"choice": [1, 4], "when": {"env.obs": "image", "model.preset": "nature"}},
            "model.x": {"choice": [1], "when": {"algo.training.gae_lambda": 0.9}},
        }
    )
    assert list(space.domains) == ["algo.training.n_step", "env.frame_stack"]
    assert space.left_out == ("algo.training.gae_lambda", "model.x")


def test_corners_meet_every_value_and_both_ends_within_few_assignments():
    space = parse(
        {
            "model": {"choice": ["cnn", "vit", "mlp"]},
            "model.depth": {"choice": [2, 4, 6], "when": {"model": "vit"}},
            "model.width": {"randint": [8, 64], "when": {"model.depth": 4}},
            "algo.training.lr": {"loguniform": [1e-5, 1e-3]},
            "seed": {"grid": [0, 1, 2, 3, 4]},
        }
    )
    corners = space.corners()
    seen = {key: {corner[key] for corner in corners if key in corner} for key in space.domains}
    assert seen == {
        "model": {"cnn", "vit", "mlp"},
        "model.depth": {2, 4, 6},
        "model.width": {8, 64},
        "algo.training.lr": {1e-5, 1e-3},
        "seed": {0, 1, 2, 3, 4},
    }
    assert len(corners) < 10  # the product has 110
    for corner in corners:
        assert ("model.depth" in corner) == (corner["model"] == "vit")
        assert ("model.width" in corner) == (corner.get("model.depth") == 4)


@pytest.mark.timing
def test_a_long_grid_is_read_and_covered_at_once():
    started = time.perf_counter()
    space = parse({"seed": {"grid": list(range(20_000))}, "model": {"choice": ["cnn", "vit"]}})
    assert [corner["seed"] for corner in space.corners()] == list(range(20_000))
    assert time.perf_counter() - started < 5  # each value compared with each other takes a minute


def test_the_first_broken_constraint_is_named():
    space = parse({"seed": {"grid": [0]}}, "seed < 5", "algo.training.n_step < 2", "seed > 7")
    assert space.broken_constraint(BASE).text == "algo.training.n_step < 2"
    assert parse({}, "seed == 0").broken_constraint(BASE) is None


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (3, ["expected keys with domains"]),
        (
            {
                "algo.x": {"choice": [1], "when": {"algo": "ppo"}},
                "algo.y": {"choice": [1], "when": {"algo.x": 1}},
            },
            ["no key is part of a trial", "`when` of algo.x, algo.y"],
        ),
        ({"seed": {"choice": [1], "when": {"env.n": 9}}, "env.n": {"randint": [1, 4]}}, ["never 9", "1 to 4"]),
        ({"algo training": {"choice": [1]}}, ["dotted key"]),
        ({1: {"choice": [1]}}, ["dotted key"]),
        ({"model": {"choice": ["cnn", 3]}}, ["model", "words"]),
        ({"model": {"uniform": [0, 1]}}, ["model", "words", "got {'uniform': [0, 1]}"]),
        ({"seed": {"choice": [1], "when": "vit"}}, ["seed", "when", "vit"]),
        ({"seed": {"choice": [1], "when": {}}}, ["seed", "when"]),
        ({"seed": {"choice": [1], "when": {"seed": 1}}}, ["seed", "another key"]),
        ({"seed": {"choice": [1], "when": {"env.obss": 1}}}, ["env.obss", "frame_stack, obs"]),
        ({"seed": {"choice": [1], "when": {"model": "vti"}}, "model": {"choice": ["vit", "cnn"]}}, ["vti", "vit"]),
        ({"seed": {"choice": [1], "when": {"algo.x": 0.5}}, "algo.x": {"uniform": [0, 1]}}, ["algo.x", "range"]),
        (
            {"seed": {"choice": [1], "when": {"env.obs": "image"}}, "env": {"choice": ["dummy"]}},
            ["env.obs", "name env"],
        ),
        (
            {"seed": {"choice": [1], "when": {"model.channels": 1}}, "model.preset": {"choice": ["a"]}},
            ["name model.preset"],
        ),
        (
            {"a.x": {"choice": [1], "when": {"a.y": 1}}, "a.y": {"choice": [1], "when": {"a.x": 1}}},
            ["circle", "a.x needs a.y needs a.x"],
        ),
        ({"seed": {"grid": [1], "when": {"model": "vit"}}, "model": {"choice": ["vit"]}}, ["seed", "model", "a grid"]),
        (
            {
                "model": {"choice": ["cnn", "vit"]},
                "a.x": {"choice": [1], "when": {"model": "vit"}},
                "a.y": {"choice": [1], "when": {"a.x": 1, "model": "cnn"}},
            },
            ["a.y", "never", "contradict"],
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(space, words):
    message = refusal(space)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    "key",
    [
        *(
            "tuner.num_trials",
            "tuner",
            "ray",
            "ray.num_cpus",
            "ray.address",
            "resume",
            "name",
            "paths.outputs",
            "paths",
        ),
        *("tracking.uri", "tracking", "debug", "experiment", "hydra.run.dir", "choices.env"),
        # They are read once for all trials: different ones would change nothing.
        *("ray.cpus_per_trial", "ray.start_timeout_s", "evaluation.final_episodes", "evaluation.final_first_seed"),
        *("evaluation.videos", "evaluation.register"),
    ],
)
def test_keys_of_the_sweep_itself_differ_between_no_trials(key):
    message = refusal({key: {"choice": ["a", "b"]}})
    assert message.startswith(f"tuner.space: {key} cannot differ between trials: ")
    assert len(message) > len(f"tuner.space: {key} cannot differ between trials: ") + 20  # the reason


@pytest.mark.parametrize("key", ["ray.envs_per_runner", "ray.num_env_runners", "names", "stop.frames", "seed", "env"])
def test_other_keys_may_be_swept(key):
    assert list(parse({key: {"choice": ["a", "b"]}}).domains) == [key]
