"""The doctor against the twin's fault switches over sockets: the right cause, a cure for each, and no false alarm."""

import pytest

from envs.findings import OK, PROBLEM, WARNING
from envs.trackmania.doctor import diagnose

pytestmark = [pytest.mark.slow, pytest.mark.point("trackmania", 44)]
HARMLESS = ({}, {"one_byte_writes": True}, {"burst_frames": 3}, {"copies": 2}, {"stale_finish_frames": 5})
CAUSES = (
    ({"refuse": True}, 1, "refused"),
    ({"silent": True}, 2, "nothing"),
    ({"close_after_frames": 0}, 2, "closed"),
    ({"half_after_frames": 40}, 2, "closed"),
    ({"wrong_layout": "IQN33"}, 3, "another layout"),
    ({"stall_after_frames": 60, "stall_s": 20.0}, 4, "stalled"),
    ({"freeze_after_frames": 60, "freeze_s": 20.0}, 4, "stalled"),
    ({"nan_after_frames": 60}, 3, "not finite"),
    ({"frame_rate_fps": 5.0}, 4, "too little"),
    ({"frame_rate_fps": 15.0}, 4, "frames/s"),
    ({"ignore_pad": True}, 7, "told as 0.00"),
    ({"ignore_restart": True}, 8, "m away to"),
    ({"finish_stuck": True}, 8, "finish sign up"),
)


def look(server, line, tmp_path):
    hosts = f"{server.telemetry[0]}:{server.telemetry[1]}"
    arguments = {"hosts": hosts, "obs": "edges", "controls": "loopback", "trajectory": line, "countdown_s": 0.0}
    findings = diagnose(arguments, 1.0, tmrl_data=tmp_path)
    assert all(one.cure for one in findings if one.verdict in (PROBLEM, WARNING))
    return {int(one.check.split()[0]): one for one in findings}


@pytest.mark.parametrize("faults", HARMLESS, ids=str)
def test_a_healthy_twin_has_no_problem(faults, game, line, tmp_path):
    findings = look(game(**faults), line, tmp_path)
    assert [one for one in findings.values() if one.verdict == PROBLEM] == []
    assert {number for number, one in findings.items() if one.verdict == OK} >= {1, 2, 3, 4, 7, 8, 9, 14, 15}


@pytest.mark.parametrize(("faults", "number", "words"), CAUSES, ids=str)
def test_each_fault_has_its_cause(faults, number, words, game, line, tmp_path):
    findings = look(game(**faults), line, tmp_path)
    first = next(one for _, one in sorted(findings.items()) if one.verdict == PROBLEM)
    assert findings[number] is first
    assert words in first.found
