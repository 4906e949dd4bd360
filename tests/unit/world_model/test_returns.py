"""λ-returns by hand and by recursion, and the range of returns."""

import numpy as np
import pytest
import torch

from models.world_model.returns import ReturnRange, lambda_returns


def returns(rewards, discounts, continues, values, lambda_):
    columns = (torch.tensor(column, dtype=torch.float32)[:, None] for column in (rewards, discounts, continues, values))
    return lambda_returns(*columns, lambda_)[:, 0].tolist()


def test_two_steps_by_hand():
    # R_1 = 3 + 0.9 * 20 = 21; R_0 = 2 + 0.9 * (0.5 * 10 + 0.5 * 21) = 15.95
    assert returns([99, 2, 3], [99, 0.9, 0.9], [1, 1, 1], [99, 10, 20], 0.5) == pytest.approx([15.95, 21.0])


def test_an_ended_task_has_no_later_value():
    # R_1 = 3 + 0.9 * 20; the task ends with step 1, so R_0 = 2
    assert returns([0, 2, 3], [0.9, 0.0, 0.9], [1, 0, 1], [0, 10, 20], 0.5) == pytest.approx([2.0, 21.0])


def test_a_cut_episode_takes_the_value_where_it_was_cut():
    # step 1 is the last that was seen: R_0 = 2 + 0.9 * 10, whatever comes after it
    assert returns([0, 2, 3], [0.9, 0.9, 0.9], [1, 0, 1], [0, 10, 20], 0.5) == pytest.approx([11.0, 21.0])


def test_lambda_one_is_the_discounted_sum_and_lambda_zero_one_step():
    random = np.random.default_rng(0)
    rewards, values = random.normal(size=12), random.normal(size=12)
    ones, gammas = np.ones(12), np.full(12, 0.9)
    sums = [sum(0.9**k * rewards[t + 1 + k] for k in range(11 - t)) + 0.9 ** (11 - t) * values[11] for t in range(11)]
    assert returns(rewards, gammas, ones, values, 1.0) == pytest.approx(sums, rel=1e-4)
    assert returns(rewards, gammas, ones, values, 0.0) == pytest.approx(rewards[1:] + 0.9 * values[1:], rel=1e-4)


def test_the_range_is_an_average_of_percentiles_and_at_least_one():
    scale = ReturnRange(rate=0.25)
    batch = torch.linspace(-40.0, 60.0, 101)  # 5th percentile -35, 95th 55
    assert float(scale.update(batch)) == pytest.approx(0.25 * 90)
    assert float(scale.update(batch)) == pytest.approx((0.25 + 0.75 * 0.25) * 90)
    assert float(ReturnRange(rate=1.0).update(0.001 * batch)) == 1.0


def test_the_range_is_saved():
    one, other = ReturnRange(), ReturnRange()
    one.update(torch.linspace(0, 1e4, 50))
    other.load_state_dict(one.state_dict())
    assert float(other.update(torch.zeros(1))) == float(one.update(torch.zeros(1)))
