"""What fits on nodes, by hand."""

import math

import pytest

from envs.errors import ConfigError
from experiments.cluster import cluster_machine
from experiments.machine import Machine, NodeRoom
from experiments.placement import check_fits, count_trials
from experiments.plan import Plan, make_plan


def plan(runners, learner_cpus=1.0, process_cpus=1.0, **more):
    return Plan(
        num_cpus=4,
        num_gpus=more.pop("num_gpus", 0),
        num_env_runners=runners,
        envs_per_runner=4,
        learner_threads=1,
        has_own_cores=True,
        process_cpus=process_cpus,
        learner_cpus=learner_cpus,
        precision="float32",
        **more,
    )


def cluster(*resources):
    nodes = tuple(NodeRoom(f"10.0.0.{number}", room) for number, room in enumerate(resources, start=1))
    cores = [int(room.get("CPU", 0)) for room in resources]
    return Machine(num_cpus=sum(cores), node_cpus=max(cores), num_gpus=9, memory_bytes=10**12, nodes=nodes)


GAME = {"trackmania": 1.0}


@pytest.mark.parametrize(
    ("asked", "nodes"),
    [
        (plan(3), [{"CPU": 4}]),
        (plan(3), [{"CPU": 2}, {}, {"CPU": 2}]),
        (plan(2, learner_cpus=3), [{"CPU": 2}, {"CPU": 3}]),  # the larger process on the larger node
        (plan(2, process_cpus=2 / 3, learner_cpus=2 / 3), [{"CPU": 2}]),  # Ray rounds down: they fit, tried with 2.60
        (plan(1, runner_resources=GAME), [{"CPU": 1}, {"CPU": 1, "trackmania": 1}]),
        (plan(1, num_gpus=0.5), [{"CPU": 1}, {"CPU": 1, "GPU": 1}]),
        (plan(1, main_bytes=2 * 10**9, runner_bytes=10**9), [{"CPU": 9, "memory": 1e9}, {"CPU": 1, "memory": 2e9}]),
        (plan(2, num_learners=2, learner_cpus=2), [{"CPU": 3}, {"CPU": 3}]),
        (plan(1, num_learners=3, num_gpus=1), [{"CPU": 4, "GPU": 2}, {"CPU": 1, "GPU": 1}, {"CPU": 1}]),
        # Only one of the two homes leaves enough: the learner must not take the game's core.
        (plan(1, runner_resources=GAME), [{"CPU": 1, "trackmania": 1}, {"CPU": 1}]),
    ],
)
def test_what_fits(asked, nodes):
    check_fits(cluster(*nodes), asked)
    assert count_trials(cluster(*nodes).nodes, asked) <= 1


@pytest.mark.parametrize(
    ("asked", "nodes", "words"),
    [
        (plan(4), [{"CPU": 4}], "1 of 4 env runners"),
        (plan(3, process_cpus=1.5), [{"CPU": 2}, {"CPU": 2}, {"CPU": 2}], "1 of 3 env runners"),
        (
            plan(1, learner_cpus=3),
            [{"CPU": 2}, {"CPU": 2}],
            r"the learner of a trial; each takes CPU 3\..*too little CPU",
        ),
        (plan(2, process_cpus=0.6667, learner_cpus=0.6667), [{"CPU": 2}], "1 of 2 env runners"),
        (
            plan(2, runner_resources=GAME),
            [{"CPU": 8}, {"trackmania": 1, "CPU": 8}],
            r"1 of 2 env runners .* CPU 1, trackmania 1\..*10\.0\.0\.1: CPU 8 \(no trackmania\)"
            r"\s+10\.0\.0\.2: CPU 8, trackmania 1\n.*ray\.num_env_runners",
        ),
        (plan(1, num_gpus=1), [{"CPU": 8}], r"the learner .*no GPU.*ray\.num_gpus"),
        (plan(2, num_learners=2, learner_cpus=2), [{"CPU": 3}, {"CPU": 2}], "1 of 2 env runners"),
        (plan(2, num_learners=2, num_gpus=1), [{"CPU": 8, "GPU": 1}, {"CPU": 8}], "2 learners .*no GPU"),
        (plan(1, main_bytes=3 * 10**9), [{"CPU": 8, "memory": 2e9}], r"memory 3\.0 GB\..*too little memory"),
    ],
)
def test_what_does_not_fit_is_named_with_what_each_node_lacks(asked, nodes, words):
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        check_fits(cluster(*nodes), asked)
    assert count_trials(cluster(*nodes).nodes, asked) == 0


def test_one_machine_is_not_asked():
    here = Machine(num_cpus=1, node_cpus=1, num_gpus=0, memory_bytes=10**9)
    check_fits(here, plan(100))


@pytest.mark.parametrize(
    ("asked", "nodes", "count"),
    [
        (plan(1), [{"CPU": 4}, {"CPU": 5}], 4),  # the fifth's core stays over
        (plan(1), [{"CPU": 3}, {"CPU": 3}], 3),  # the third over both
        (plan(0), [{"CPU": 2}], 2),
        (plan(1, runner_resources=GAME), [{"CPU": 8}, {"CPU": 2, "trackmania": 2}], 2),
        (plan(1), [], 0),
        # A fraction is of one GPU: four tenths of each stay over.
        (plan(1, num_gpus=0.6), [{"CPU": 64, "GPU": 3}], 3),
        (plan(1, num_gpus=1 / 3), [{"CPU": 64, "GPU": 2}], 6),
        (plan(1, num_gpus=1), [{"CPU": 64, "GPU": 2}], 2),
    ],
)
def test_trials_that_fit_at_once(asked, nodes, count):
    rooms = [NodeRoom(f"10.0.0.{number}", room) for number, room in enumerate(nodes)]
    assert count_trials(rooms, asked) == count


@pytest.mark.parametrize(("overlaps", "learners"), [(False, 1), (True, 1), (False, 2)])
@pytest.mark.parametrize("cores", [[2, 2, 2], [2, 2], [16, 4, 4], [2, 1, 1], [64], [4] * 20, [3, 2]])
def test_what_is_derived_fits(overlaps, learners, cores):
    """A trial alone on a cluster takes what there is, cut into whole nodes: it must not be refused."""
    settings = {
        "num_cpus": None,
        "num_gpus": 0,
        "num_env_runners": None,
        "envs_per_runner": 8,
        "num_learners": learners,
    }
    machine = cluster_machine(settings, [NodeRoom(f"node{k}", {"CPU": float(cpus)}) for k, cpus in enumerate(cores)])
    found = make_plan(settings | {"learner_threads": None, "precision": None}, overlaps, machine)
    check_fits(machine, found)
    assert found.num_env_runners >= 1


ONE_RUNNER = {
    "num_cpus": None,
    "num_gpus": 0,
    "num_env_runners": 1,
    "envs_per_runner": 8,
    "precision": None,
    "learner_threads": None,
}


@pytest.mark.parametrize(
    "asked",
    ["trackmania", {"trackmania": 0}, {"trackmania": "one"}, {"trackmania": math.inf}, [1], {"CPU": 2}, {"GPU": 1}],
)
def test_resources_are_names_of_custom_ones_and_numbers(asked):
    nodes = cluster({"CPU": 4, "trackmania": 1})
    assert make_plan(ONE_RUNNER | {"runner_resources": {"trackmania": 1}}, True, nodes).runner_resources == GAME
    with pytest.raises(ConfigError, match=r"ray\.runner_resources=.*such as \{trackmania: 1\}"):
        make_plan(ONE_RUNNER | {"runner_resources": asked}, True, nodes)


def test_one_machine_has_no_custom_resources_to_wait_for():
    assert make_plan(ONE_RUNNER | {"runner_resources": {}}, True).runner_resources == {}
    with pytest.raises(ConfigError, match=r"ray\.runner_resources=.*this machine has no custom.*ray=cluster"):
        make_plan(ONE_RUNNER | {"runner_resources": {"trackmania": 1}}, True)
