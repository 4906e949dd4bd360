"""The checklist of the specification: which points have tests here."""

LATER = {50, 51, 52, 53}  # offline data and learning


def test_each_point_that_needs_no_learning_has_a_test(marked_points):
    assert marked_points("assetto_corsa") == set(range(1, 56)) - LATER
