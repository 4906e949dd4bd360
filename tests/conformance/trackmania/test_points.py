"""The checklist of the specification: which points have tests here."""

LATER = {34, 35, 36, 37, 38, 39, 40, 42, 43}  # learning, scores by the League's rule, weights and export


def test_each_point_that_needs_no_learning_has_a_test(marked_points):
    assert marked_points("trackmania") == set(range(1, 47)) - LATER
