"""The checklist of the specification: which points have tests here."""

LATER = {28}  # a training: docs/results/roblox.md


def test_each_point_has_a_test(marked_points):
    assert marked_points("roblox") == set(range(1, 38)) - LATER
