"""A sweep that cannot start a trial says what it waits for."""

from types import SimpleNamespace

import pytest

from tune import waiting


@pytest.fixture
def watch(monkeypatch, tiny_plan):
    """A watch over a cluster whose free cores, and whose time, a test sets."""
    said, clock, free = [], SimpleNamespace(now_s=0.0), {"CPU": 4.0, "memory": 16e9}
    monkeypatch.setattr(waiting.ray, "available_resources", lambda: free)
    monkeypatch.setattr(waiting.ray, "cluster_resources", lambda: {"CPU": 4.0, "memory": 16e9})
    plan = tiny_plan(process_cpus=1.0, learner_cpus=1.0, main_bytes=10**9, runner_bytes=10**9)
    watch = waiting.WaitWatch(plan, said.append, lambda: clock.now_s)

    def look(now_s, *statuses):
        clock.now_s = now_s
        watch.on_step_begin(0, [SimpleNamespace(status=status) for status in statuses])
        return len(said)

    return SimpleNamespace(look=look, free=free, said=said)


def test_what_others_hold_is_named_once_a_minute(watch):
    watch.free["CPU"] = 1.0
    assert [watch.look(now_s, "PENDING") for now_s in (0, 59, 60, 61, 119, 120)] == [0, 0, 1, 1, 1, 2]
    assert "a trial waits for 2 CPU of which 1 CPU of 4 CPU are free" in watch.said[0]


def test_a_node_that_is_gone_took_its_memory(watch):
    watch.free["memory"] = 5e8
    watch.look(60, "PENDING")
    assert "2 GB memory of which 0.5 GB memory of 16 GB memory are free" in watch.said[0]


def test_nothing_is_said_while_one_trains_or_there_is_room(watch):
    assert watch.look(100, "PENDING") == 0  # there is room: it is starting
    watch.free["CPU"] = 0.0
    assert watch.look(200, "RUNNING", "PENDING") == 0
    assert watch.look(259, "PENDING") == 0
    assert watch.look(260, "PENDING") == 1
