"""How many trials run at once on a machine, and what each of them gets; expected values by hand."""

import pytest

from envs.errors import ConfigError
from experiments.machine import Machine
from tune.slots import Slots, fit_memory, make_slots

SETTINGS = {"cpus_per_trial": None, "num_gpus": 0}
GB = 10**9


def machine(cpus, *, gpus=0, memory_gb=64):
    return Machine(num_cpus=cpus, node_cpus=cpus, num_gpus=gpus, memory_bytes=memory_gb * GB)


def slots(cpus, num_trials, *, num_concurrent=None, side_by_side=False, gpus=0, **settings):
    return make_slots(
        SETTINGS | settings,
        machine=machine(cpus, gpus=gpus),
        num_trials=num_trials,
        num_concurrent=num_concurrent,
        side_by_side=side_by_side,
    )


@pytest.mark.parametrize(
    ("cpus", "num_trials", "options", "num_concurrent", "share"),
    [
        (8, 12, {}, 4, 2.0),  # two cores each
        (8, 3, {}, 3, 8 / 3),  # fewer trials than slots: more for each
        (8, 1, {}, 1, 8.0),  # a run by itself has the machine
        (2, 12, {}, 1, 2.0),
        (1, 12, {}, 1, 1.0),
        (3, 12, {}, 1, 3.0),  # the core that is left belongs to somebody
        (8, 12, {"cpus_per_trial": 1}, 8, 1.0),
        (8, 12, {"cpus_per_trial": 3}, 2, 3.0),
        (8, 1, {"cpus_per_trial": 3}, 1, 3.0),
        (2, 12, {"num_concurrent": 4}, 4, 0.5),
        (2, 3, {"num_concurrent": 8}, 3, 2 / 3),
        (2, 6, {"side_by_side": True}, 6, 1 / 3),  # a population trains at the same time, even here
        (16, 4, {"side_by_side": True}, 4, 4.0),
        (16, 4, {"side_by_side": True, "num_concurrent": 2}, 2, 8.0),
        (8, 12, {"gpus": 1, "num_gpus": 0.5}, 2, 4.0),
        (8, 12, {"gpus": 4, "num_gpus": 1}, 4, 2.0),
        (8, 12, {"gpus": 4, "num_gpus": 2}, 2, 4.0),
        (8, 2, {"gpus": 4, "num_gpus": 1}, 2, 4.0),
    ],
)
def test_the_machine_is_shared_out(cpus, num_trials, options, num_concurrent, share):
    shared = slots(cpus, num_trials, **options)
    assert (shared.num_concurrent, shared.share) == (num_concurrent, pytest.approx(share))
    assert shared.num_concurrent * shared.share <= cpus + 1e-9


def test_a_gpu_is_shared_by_whole_trials():
    """Ray places a fraction on one GPU: of two, each holds one trial that takes 0.6, and 0.4 stay free on both."""
    assert slots(8, 12, gpus=2, num_gpus=0.6).num_concurrent == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cpus_per_trial": 9}, r"ray\.cpus_per_trial=9: .*8 cores.*Choose 1 to 8"),
        ({"cpus_per_trial": 0}, r"ray\.cpus_per_trial=0"),
        ({"num_concurrent": 0}, r"tuner\.num_concurrent=0: expected at least 1"),
    ],
)
def test_more_than_there_is_or_less_than_one_is_refused(options, expected):
    with pytest.raises(ConfigError, match=expected):
        slots(8, 12, **options)


@pytest.fixture
def plan(tiny_plan):
    """A trial that takes 3 GB."""
    return tiny_plan(main_bytes=2 * GB, runner_bytes=1 * GB)


@pytest.mark.parametrize(("memory_gb", "fitting"), [(64, 4), (14, 4), (11, 3), (5, 1), (2, 1)])
def test_no_more_trials_at_once_than_memory_holds(plan, memory_gb, fitting):
    fitted = fit_memory(Slots(8, 0, 4, 2.0), plan, machine(8, memory_gb=memory_gb), is_asked=False)
    assert fitted.num_concurrent == fitting  # a GB stays for the system, and one trial is always tried


def test_more_than_memory_holds_is_refused_where_it_was_asked_for(plan):
    with pytest.raises(ConfigError, match=r"num_concurrent=4: .*about 3\.0 GB.*10\.0 GB are free: at most 3 at once"):
        fit_memory(Slots(8, 0, 4, 2.0), plan, machine(8, memory_gb=11), is_asked=True)


def test_it_is_said_in_a_few_words():
    assert str(Slots(8, 0, 4, 2.0)) == "4 at once, 2 cores each"
    assert str(Slots(1, 0, 1, 1.0)) == "1 at once, 1 core each"
    assert str(Slots(2, 0, 6, 1 / 3)) == "6 at once, 0.33 cores each"
