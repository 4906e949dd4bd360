"""Laps and progress: the last tick of an episode counts too, and nothing is made up where rewards do not tell."""

import pytest


def test_a_lap_that_is_completed_in_the_tick_of_an_end_is_told(driven, forwards, entry):
    """The companion sample tells laps in the tick in which the episode ends."""
    world, env = driven()
    car = world.games[0].cars[0].id
    world.queues[0].append({car: entry(0.5, 2.0, info={"lap": 0, "progress": 0.999})})
    env.step(forwards())
    over = {"info": {"lap": 1, "progress": 0.001, "lap_time": 33.5}, "last_observation": [0.4] * 22}
    world.queues[0].append({car: entry(0.1, -40.0, terminated=True, reason="wall", **over)})
    _, _, terminated, _, infos = env.step(forwards())
    assert terminated[0]
    assert infos["lap_time_s"][0] == 33.5
    assert (infos["lap"][0], infos["progress"][0]) == (1, 0.001)


def test_v0_pays_the_last_tick_of_a_truncated_episode_as_any_other(driven, forwards, entry):
    world, env = driven(dialect="v0")
    car = world.games[0].cars[0].id
    still = {"width": 19}
    obs = [0.0] * 19  # at rest: no bonus for speed
    world.queues[0] += [{car: entry(0.0, 999.0, **still)}, {car: entry(0.0, 3.0, truncated=True, **still)}]
    _, _, _, truncated, infos = env.step(forwards())
    assert infos["progress"][0] == pytest.approx(0.999, abs=1e-4)  # the tick of the reset paid no bonus
    assert not truncated[0]
    seen, _, _, truncated, infos = env.step(forwards())
    assert truncated[0]
    assert seen[0].tolist() == obs
    assert infos["lap"][0] == 1
    assert infos["lap_time_s"][0] == pytest.approx(
        (2 + 1 / 3) / 15, abs=0.005
    )  # crossed after a third of the third tick


def test_where_places_are_paid_no_laps_are_made_up(lockstep, forwards, caplog):
    env = lockstep(3, games=1, cars=3, dialect="v2", twin_game={"terminate_all": True})
    env.reset(seed=2)
    for _ in range(60):
        *_, infos = env.step(forwards(3) * 0.5)
    assert infos["progress"].tolist() == [0.0] * 3
    assert infos["lap"].tolist() == [0] * 3
    assert env.counters()["foreign_rewards"] > 0
    assert len([record for record in caplog.records if "places in a race" in record.getMessage()]) == 1


@pytest.mark.parametrize(
    ("dialect", "game"), [("v1", {}), ("v2", {}), ("v2", {"terminate_all": True, "companion": True})]
)
def test_other_games_have_laps(lockstep, forwards, dialect, game):
    env = lockstep(2, games=1, cars=2, dialect=dialect, twin_game=game | {"autopilot": True})
    env.reset(seed=2)
    progress = 0.0
    for _ in range(120):
        *_, infos = env.step(forwards(2))
        progress = max(progress, infos["progress"].max())
    assert progress > 0.02
    assert env.counters()["foreign_rewards"] == 0
