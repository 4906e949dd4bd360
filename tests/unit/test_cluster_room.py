"""What a run learns of a cluster while it goes on: nodes that join, and that it shall stop."""

from types import SimpleNamespace

import pytest

from experiments import cluster
from experiments.cluster import ClusterRoom
from experiments.cluster_stop import StopDesk, stop_watch
from experiments.machine import NodeRoom
from tune.records import TrialRecords
from tune.source import TrialSource


@pytest.fixture
def nodes(monkeypatch):
    """The nodes of a cluster of two cores each, as Ray would list them; and a clock that stands still."""
    alive = [NodeRoom("10.0.0.1", {"CPU": 2})]
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(cluster, "living_nodes", lambda: list(alive))
    monkeypatch.setattr(cluster, "time", clock)
    return alive, clock


def test_room_grows_with_nodes_that_join_and_ray_is_not_asked_every_time(nodes, tiny_plan):
    alive, clock = nodes
    room = ClusterRoom(tiny_plan(process_cpus=1.0))  # one core for the learner, one for its runner
    assert room() == 1
    alive += [NodeRoom("10.0.0.2", {"CPU": 5}), NodeRoom("10.0.0.3", {"CPU": 1})]
    assert room() == 1
    clock.now = 60.0
    assert room() == 4  # the fourth over the two cores that stay over
    del alive[1:]
    clock.now = 120.0
    assert room() == 1


def test_trials_are_handed_out_as_room_grows_and_never_fewer_than_planned(tmp_path, monkeypatch):
    monkeypatch.setattr("tune.source._create_trial_from_spec", lambda spec, parser, **words: words["trial_id"])
    records, room = TrialRecords(tmp_path), [0]
    for _ in range(4):
        records.add({})
    trials = SimpleNamespace(is_exhausted=True, config=lambda record: {})
    source = TrialSource(
        waiting=list(records),
        trials=trials,
        say=print,
        num_concurrent=1,
        stop_request=tmp_path / "stop",
        room=lambda: room[0],
    )
    source.add_configurations([SimpleNamespace(spec={})])
    assert [source.next_trial(), source.next_trial()] == ["trial_00000", None]
    room[0] = 3
    assert [source.next_trial(), source.next_trial(), source.next_trial()] == ["trial_00001", "trial_00002", None]


def test_the_desk_and_a_trial_on_the_drivers_machine_look_for_the_file(tmp_path):
    request = tmp_path / "stop_requested"
    desk, watch = StopDesk(str(request)), stop_watch({"address": None}, request)
    assert (desk.is_requested(), watch()) == (False, False)
    request.touch()
    assert (desk.is_requested(), watch()) == (True, True)
