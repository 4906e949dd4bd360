"""Infos of many envs as one: what Gymnasium's SyncVectorEnv would make of them, and no value changed on the way."""

import numpy as np

from envs.merged_infos import MergedInfos


def merge(kinds, *infos):
    merged = MergedInfos(len(infos), kinds)
    for index, info in enumerate(infos):
        merged.add(index, info)
    return merged.merged


def test_values_stand_beside_a_mask():
    merged = merge({}, {"speed": 1.5, "place": np.array([1.0, 2.0])}, {"lap": 3})
    assert merged["speed"].tolist() == [1.5, 0.0]
    assert merged["_speed"].tolist() == [True, False]
    assert merged["place"].tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert merged["lap"].dtype == np.int64
    assert merged["_lap"].tolist() == [False, True]


def test_a_value_that_does_not_fit_widens_its_array():
    kinds = {}
    merge(kinds, {"speed": 0})
    assert merge(kinds, {"speed": 3}, {"speed": 3.7})["speed"].tolist() == [3.0, 3.7]
    assert merge(kinds, {"speed": 2}, {"speed": 0.5})["speed"].tolist() == [2.0, 0.5]


def test_values_without_one_kind_are_objects():
    kinds = {}
    merged = merge(kinds, {"fault": "lost", "ray": np.zeros(2)}, {"fault": None, "ray": np.ones(3)})
    assert merged["fault"].tolist() == ["lost", None]
    assert [ray.tolist() for ray in merged["ray"]] == [[0.0, 0.0], [1.0, 1.0, 1.0]]
    assert merge(kinds, {"ray": np.ones(2)})["ray"][0].tolist() == [1.0, 1.0]
