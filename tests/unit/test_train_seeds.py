"""Streams of training tracks: each env's own, none of evaluation's."""

import itertools

import pytest

from envs.errors import ConfigError
from envs.seeds import episode_seeds, training_range


def first_of(seeds, count, **place):
    return list(itertools.islice(episode_seeds(seeds, **place), count))


def test_streams_of_different_envs_share_no_track():
    """Whatever the start: a runner that is restarted drives other tracks of its own, none of another's."""
    tracks = [
        {
            track
            for start in (0, 1)
            for track in first_of(range(100, 200), 200, seed=0, stream=i, num_streams=8, start=start)
        }
        for i in range(8)
    ]
    assert set.union(*tracks) == set(range(100, 200))
    assert sum(map(len, tracks)) == 100


def test_streams_of_different_seeds_and_starts_differ():
    keys = itertools.product([0, 1], [0, 1])
    streams = [first_of(training_range(), 100, seed=seed, stream=1, num_streams=4, start=start) for seed, start in keys]
    everything = list(itertools.chain.from_iterable(streams))
    assert len(set(everything)) == len(everything) == 400
    assert min(everything) >= 2**20  # far from the evaluation's 10000 … 10099 and 20000 … 20099
    assert max(everything) < 2**31


def test_a_stream_is_repeatable():
    place = {"seed": 3, "stream": 1, "num_streams": 2, "start": 0}
    assert first_of(range(50, 90), 10, **place) == first_of(range(50, 90), 10, **place)


def test_too_few_tracks_are_refused_at_once():
    assert first_of(range(3), 5, seed=0, stream=2, num_streams=3, start=0) == [2] * 5
    with pytest.raises(ConfigError, match="3 tracks for 4 envs"):
        episode_seeds(range(3), seed=0, stream=3, num_streams=4, start=0)


@pytest.mark.parametrize(("first", "last"), [(0, 9_999), (10_100, 19_999), (20_100, 2**31 - 1), (5, 5)])
def test_ranges_beside_the_evaluations_are_for_training(first, last):
    seeds = training_range(first=first, last=last)
    assert (seeds[0], seeds[-1]) == (first, last)


@pytest.mark.parametrize(("first", "last"), [(0, 10_000), (10_099, 10_099), (20_000, 20_000), (15_000, 2**31 - 1)])
def test_ranges_over_the_evaluations_are_refused(first, last):
    with pytest.raises(ConfigError, match="overlaps the evaluation's"):
        training_range(first=first, last=last)
