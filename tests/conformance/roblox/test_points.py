"""The checklist of the specification: each point has a test here."""


def test_each_point_has_a_test(marked_points):
    assert marked_points("roblox") == set(range(1, 38))
