"""What a profile says: the functions that burnt the time, a page that needs nothing else, a split that adds up."""

import json

import pytest
import torch

from experiments import metrics
from experiments.profiling.calls import CallProfile, HotFunction, ProcessProfile
from experiments.profiling.operators import OperatorProfile
from experiments.profiling.text import describe_functions, describe_operators, describe_split


def burn(number):
    total = 0
    for value in range(number):
        total += value * value
    return total


def burn_most():
    total = 0
    for value in range(3_000_000):
        total += value * value
    return total


def sort_much():
    return sorted(range(600_000), key=abs)  # abs is not written in Python either


@pytest.fixture(scope="module")
def profile():
    """Of a process that burns, in turns and with a pause in which something else happens."""
    calls = CallProfile("worker")
    for _ in range(4):
        calls.start()
        burn(600_000)
        burn_most()
        calls.stop()
        sort_much()
    return calls.result(15)


def test_the_function_that_burns_most_is_hottest(profile):
    assert profile.functions[0].name == "burn_most"
    assert profile.functions[1].name == "burn"
    assert profile.functions[0].place == f"tests/unit/test_profiling.py:{burn_most.__code__.co_firstlineno}"


def test_own_times_add_up_to_what_was_profiled(profile):
    assert 0.5 * profile.seconds < sum(function.seconds for function in profile.functions) <= profile.seconds


def test_what_happens_between_stop_and_start_is_not_counted(profile):
    assert not [function for function in profile.functions if "sort" in function.name + function.place]


def test_a_built_in_function_is_named_with_its_caller():
    calls = CallProfile("worker")
    calls.start()
    sort_much()
    calls.stop()
    hottest = calls.result(1).functions
    assert [(function.name, function.place.split(",")[:2]) for function in hottest] == [
        ("sorted", ["built-in", " in sort_much"])
    ]


def test_the_page_holds_a_flame_graph_of_merged_calls(profile):
    tree = json.JSONDecoder().raw_decode(profile.page.split("const sessionData = ", 1)[1])[0]["frame_tree"]
    names = [child["identifier"].partition("\0")[0] for child in tree["children"]]
    assert names.count("burn") == names.count("burn_most") == 1  # of four calls each
    assert names.index("burn_most") < names.index("burn")  # widest first


def test_the_page_needs_nothing_from_elsewhere_and_opens_on_the_graph(profile):
    assert "<script src" not in profile.page
    assert "<link" not in profile.page
    key, view = '"pyinstrument:viewOptions"', 'viewMode: "timeline"'
    chosen, app = profile.page.split('<div id="app">', 1)
    assert key in chosen
    assert view in chosen
    assert key in app  # the page's own code still reads what we chose there


def test_a_profile_that_never_ran_says_so():
    with pytest.raises(RuntimeError, match="learner was never started"):
        CallProfile("learner").result(15)


def test_operators_are_those_of_so_many_updates():
    network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def update():
        optimizer.zero_grad()
        network(torch.ones(4, 8)).mean().backward()
        optimizer.step()

    update()
    operators = OperatorProfile(optimizer, max_updates=3)
    with operators:
        for _ in range(7):
            update()
    assert operators.updates == 3
    calls = {operator.name: operator.calls for operator in operators.hottest(1000)}
    assert calls["aten::addmm"] == 3 * 2  # one a layer, forward
    assert calls["aten::relu"] == calls["aten::_fused_adam_"] == 3
    update()
    assert operators.updates == 3


SECONDS = {metrics.SAMPLE_S: 2.0, metrics.LEARN_S: 6.0, metrics.OVERHEAD_S: 2.0}


def test_the_split_adds_up():
    text = describe_split(SECONDS, wall_s=12.5, frames=5000, updates=300)
    first, *rows = text.splitlines()
    assert first == "Training for 10.0 s after the warm-up: 5,000 frames, 300 updates"
    assert [row.split()[:4] for row in rows[:3]] == [
        ["sample", "2.00", "s", "20.0%"],
        ["learn", "6.00", "s", "60.0%"],
        ["overhead", "2.00", "s", "20.0%"],
    ]
    assert rows[3].split()[:3] == ["(between)", "2.50", "s"]
    assert rows[4].strip() == "500 frames/s, 30.0 updates/s, 20.00 ms of learning an update"


def test_a_split_without_updates_divides_by_nothing():
    assert describe_split(SECONDS, wall_s=10.0, frames=0, updates=0).endswith("0 frames/s, 0.0 updates/s, no update")


def test_functions_are_shown_with_their_share():
    found = ProcessProfile("runner_1", 8.0, 2000, [HotFunction("step", "envs/dummy.py:7", 6.0)], page="")
    first, row = describe_functions(found).splitlines()
    assert "2,000 samples in 8.0 s" in first
    assert row.split() == ["6.00", "s", "75.0%", "step", "(envs/dummy.py:7)"]


def test_operators_that_nobody_saw_are_no_table():
    assert describe_operators([], updates=0) == "Operators: no optimiser step was seen."
