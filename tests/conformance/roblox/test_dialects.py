"""What differs between games: which dialect one speaks, and where each has the end of an episode."""

import numpy as np
import pytest

from envs.roblox.widths import width_of


class Speaker:
    """A game that answers as its dialect does; it is asked for what it says at each tick."""

    def __init__(self, dialect):
        self.dialect, self.is_frozen, self.spawned, self.heard = dialect, False, [], []

    def hear(self, command):
        self.heard.append(command)
        name, data = command["command"], command["data"]
        if name in ("SPAWN_AGENTS", "RESET_AGENTS", "RESET"):
            self.spawned += [car for car in data["agents"] if car not in self.spawned]
        if name == "FREEZE" and self.dialect != "v0":
            self.is_frozen = data["status"]
        return {"__pong": data} if name == "PING" and self.dialect == "v2" else None

    def tick(self, entry):
        width = 22 if self.dialect == "v2" else 19
        return [] if self.is_frozen or not self.spawned else {car: entry(width=width) for car in self.spawned}


def talk(world, speaker, entry, seconds):
    """Let a game and the suite talk for a while; the game hears at once what is sent."""
    heard = 0
    world.idle = [lambda game: speaker.tick(entry)]
    for _ in range(int(seconds * 15)):
        world.tick()
        for _, _, command in world.sent[heard:]:
            answer = speaker.hear(command)
            if answer is not None:
                world.games[0].heard(answer, world.now())
        heard = len(world.sent)


@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_a_dialect_is_found_within_3_s_and_all_cars_are_asked_for_once(scripted, entry, dialect):
    world = scripted([2, 1], dialect="auto")
    speaker = Speaker(dialect)
    talk(world, speaker, entry, 3.0)
    game = world.games[0]
    assert game.dialect == dialect
    assert [command["data"]["agents"] for command in world.commands("SPAWN_AGENTS")] == [
        [car.id for car in env] for env in game.roster.envs
    ]
    assert not speaker.is_frozen or dialect != "v0"
    assert all(car.is_known for car in game.cars)


@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize("late", [5, 12, 20])
def test_a_v1_game_whose_ticks_are_late_is_let_go_and_found_to_be_v1(scripted, entry, late):
    """So many ticks were under way, and come at once, when FREEZE was to be sent; v1 freezes when it hears of it."""
    world = scripted(1, dialect="auto", auto_freeze_s=3600.0)
    speaker, game = Speaker("v1"), world.games[0]
    while not speaker.spawned:
        talk(world, speaker, entry, 0.07)
    for _ in range(late):  # nothing is sent in between: the loop is busy hearing
        game.heard(speaker.tick(entry), world.now())
    talk(world, speaker, entry, 2.0)
    assert game.dialect == "v1"
    assert not speaker.is_frozen
    assert len(world.commands("UPDATE_COLLISIONS")) == 1


@pytest.mark.point("roblox", 3)
def test_a_v1_game_that_hears_of_the_freeze_after_a_second_is_let_go_and_found_to_be_v1(scripted, entry):
    world = scripted(1, dialect="auto", auto_freeze_s=3600.0)
    speaker, waiting = Speaker("v1"), []
    hear, answered = speaker.hear, []

    def hear_late(command):
        waiting.append((world.now() + 1.0, command))
        while waiting and waiting[0][0] <= world.now():
            answered.append(hear(waiting.pop(0)[1]))

    speaker.hear = hear_late
    tick = speaker.tick
    speaker.tick = lambda entry: (hear_late({"command": "NOTHING", "data": {}}), tick(entry))[1]
    talk(world, speaker, entry, 8.0)
    assert world.games[0].dialect == "v1"
    assert not speaker.is_frozen


@pytest.mark.point("roblox", 4)
def test_a_chosen_dialect_is_not_found_out_and_a_hello_wins_over_probing(scripted, entry):
    world = scripted(1, dialect="v0")
    world.games[0].heard({"__hello": {"protocol": 2}}, world.now())
    talk(world, Speaker("v2"), entry, 1.0)
    assert world.games[0].dialect == "v0"
    world = scripted(1, dialect="auto")
    world.games[0].heard({"__hello": {"protocol": 1, "obs_dim": 19}}, world.now())
    assert world.games[0].dialect == "v1"
    talk(world, Speaker("v2"), entry, 2.0)  # which would answer pings
    assert world.games[0].dialect == "v1"
    assert world.games[0].hello == {"protocol": 1, "obs_dim": 19}


@pytest.mark.parametrize("hello", [{}, [], {"protocol": True}, {"protocol": "2"}, {"protocol": 7}, 3])
def test_a_hello_that_tells_no_dialect_is_no_answer(scripted, hello):
    world = scripted(1, dialect="auto")
    world.games[0].heard({"__hello": hello}, world.now())
    assert world.games[0].dialect is None


def test_a_late_answer_makes_it_v2(scripted, entry):
    world = scripted(1, dialect="auto")
    talk(world, Speaker("v1"), entry, 3.0)
    assert world.games[0].dialect == "v1"
    world.games[0].heard({"__pong": {"t": world.now()}}, world.now())
    assert world.games[0].dialect == "v2"
    world = scripted(1, dialect="auto")
    talk(world, Speaker("v1"), entry, 3.0)
    car = world.games[0].cars[0].id
    world.games[0].heard({car: entry(last_observation=[0.0] * 22, terminated=True)}, world.now())
    assert world.games[0].dialect == "v2"


@pytest.mark.point("roblox", 17)
@pytest.mark.parametrize(
    ("preset", "dialect", "width"),
    [("car16", "v0", 19), ("car16", "v1", 19), ("car16", "v2", 22), ("cart5", "v0", 13), ("cart5", "v2", 16)],
)
def test_widths(lockstep, preset, dialect, width):
    assert width_of(preset, dialect) == width
    env = lockstep(1, dialect=dialect, obs_preset=preset)
    assert env.single_observation_space.shape == (width,)
    seen, _ = env.reset(seed=0)
    assert seen.shape == (1, width)
    assert env.counters()["wrong_widths"] == 0


@pytest.mark.point("roblox", 17)
def test_auto_takes_the_width_of_the_first_observation(scripted, entry):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted(1, obs_preset="auto")
    world.idle = [lambda game: {car.id: entry(width=16) for car in game.cars}]
    env = RobloxVectorEnv(1, world=world, obs_preset="auto")
    assert env.single_observation_space.shape == (16,)
    assert env.reset()[0].shape == (1, 16)
    assert env.counters()["wrong_widths"] == 0


def test_with_dialect_auto_a_v1_game_gets_the_action_that_v2_would_have_repeated(scripted, entry, forwards):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted(1, dialect="auto")
    talk(world, Speaker("v1"), entry, 3.0)
    env = RobloxVectorEnv(1, world=world, actions="game")
    first, _ = env.reset()
    assert env.single_observation_space.shape == (22,)
    assert first[0].tolist() == [0.5] * 19 + [0.0] * 3
    speaker = Speaker("v1")
    speaker.spawned = [world.games[0].cars[0].id]
    world.idle = [lambda game: speaker.tick(entry)]
    seen, *_ = env.step(forwards())
    assert seen[0].tolist() == [0.5] * 19 + [1.0, 0.0, -1.0]


@pytest.mark.point("roblox", 18)
def test_another_width_is_padded_or_cut_and_said_once(driven, forwards, entry, caplog):
    world, env = driven()
    car = world.games[0].cars[0].id
    world.queues[0] += [{car: entry(width=19)}, {car: entry(width=30)}]
    padded, *_ = env.step(forwards())
    cut, *_ = env.step(forwards())
    assert padded[0].tolist() == [0.5] * 19 + [0.0] * 3
    assert cut.shape == (1, 22)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "19 numbers" in warnings[0]
    assert "22" in warnings[0]


@pytest.mark.point("roblox", 18)
def test_another_width_is_an_error_where_that_is_wanted(driven, forwards, entry):
    world, env = driven(strict_width=True)
    world.queues[0].append({world.games[0].cars[0].id: entry(width=13)})
    with pytest.raises(ValueError, match=r"13 numbers.*car16.*22"):
        env.step(forwards())


def test_values_are_clipped_to_the_space(driven, forwards, entry):
    world, env = driven()
    world.queues[0].append({world.games[0].cars[0].id: entry(-7.0)})
    seen, *_ = env.step(forwards())
    assert seen[0].tolist() == [-1.5] * 22


@pytest.mark.point("roblox", 11)
@pytest.mark.parametrize(
    ("dialect", "final", "kind"), [("v0", 0.9, "obs"), ("v1", 0.5, "previous"), ("v2", 0.7, "last_observation")]
)
def test_an_end_is_told_once_with_its_true_final_observation(driven, forwards, entry, dialect, final, kind):
    world, env = driven(dialect=dialect)
    car = world.games[0].cars[0].id
    width = width_of("car16", dialect)
    env.step(forwards())
    end = entry(0.9, -20.0, width=width, terminated=True)
    world.queues[0].append({car: end | ({"last_observation": [0.7] * width} if dialect == "v2" else {})})
    if dialect == "v0":
        world.queues[0] += [{car: end}, {car: end}]
        world.queues[0] += [{car: entry(0.1, width=width)}] * 3
    else:
        world.queues[0].append({car: entry(0.1, width=width)})
    seen, rewards, terminated, truncated, infos = env.step(forwards())
    assert seen[0, 0] == pytest.approx(final)
    assert (rewards[0], terminated[0], truncated[0]) == (-20.0, True, False)
    assert infos["final_kind"][0] == kind
    begun, rewards, terminated, truncated, _ = env.step(forwards())
    while truncated[0]:  # v0's reset is under way
        begun, rewards, terminated, truncated, _ = env.step(forwards())
    assert begun[0, 0] != pytest.approx(final)
    assert (rewards[0], terminated[0], truncated[0]) == (0.0, False, False)
    ends = [env.step(forwards())[2:4] for _ in range(5)]
    assert not np.any(ends)


@pytest.mark.point("roblox", 6)
@pytest.mark.parametrize(("dialect", "name"), [("v0", "RESET"), ("v1", "RESET_AGENTS"), ("v2", "RESET_AGENTS")])
def test_resets_are_those_that_the_dialect_knows(driven, forwards, dialect, name):
    world, env = driven(2, dialect=dialect)
    env.step(forwards(2))
    env.reset()
    resets = [command for _, _, command in world.sent if "agents" in command["data"]]
    assert {command["command"] for command in resets} == {name}
    assert resets[0]["data"]["agents"] == [car.id for car in world.games[0].cars]


@pytest.mark.point("roblox", 6)
def test_v0_is_never_asked_to_spawn_a_car_again(scripted, entry):
    world = scripted(2, dialect="v0")
    world.idle = [None]
    speaker = Speaker("v0")
    world.queues[0] += [[]] * 700
    world.sleep(45.0)  # cars that do not come are asked for again
    for _, _, command in world.sent:
        speaker.hear(command)
    spawns = [car for command in world.commands("SPAWN_AGENTS") for car in command["data"]["agents"]]
    assert sorted(spawns) == sorted(car.id for car in world.games[0].cars)
    assert len(world.commands("RESET")) >= 3


@pytest.mark.point("roblox", 12)
def test_v0_repeats_its_end_which_counts_once_and_is_reset_again_after_a_second(driven, forwards, entry):
    world, env = driven(dialect="v0")
    car = world.games[0].cars[0].id
    crashed = {car: entry(0.9, -10.0, width=19, terminated=True)}
    env.step(forwards())
    world.sent.clear()
    world.queues[0] += [crashed] * 20  # 1.33 s
    _, rewards, terminated, *_ = env.step(forwards())
    assert (rewards[0], terminated[0]) == (-10.0, True)
    rewards = [env.step(forwards())[1][0] for _ in range(3)]
    assert rewards == [0.0, 0.0, 0.0]
    world.sleep(1.2)
    assert len(world.commands("RESET")) == 2
    assert env.counters()["repeated"] == 19
    account = env.account()
    assert account["delivered"] == -10.0
    assert account["dropped"] == -190.0


@pytest.mark.point("roblox", 18)
def test_games_of_two_widths_have_that_of_the_first_and_say_both(scripted, entry, forwards, caplog):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted(1, games=2, obs_preset="auto")
    wide, narrow = (
        {car.id: entry(width=width) for car in game.cars} for width, game in zip((22, 16), world.games, strict=True)
    )
    world.idle = [lambda game: wide, lambda game: narrow]
    env = RobloxVectorEnv(2, world=world, obs_preset="auto", actions="game")
    assert env.single_observation_space.shape == (22,)
    seen, _ = env.reset()
    assert seen.tolist() == [[0.5] * 22, [0.5] * 16 + [0.0] * 6]
    seen, *_ = env.step(forwards(2))
    assert seen.shape == (2, 22)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "16 numbers" in warnings[0]
    assert "had 22" in warnings[0]
    strict = scripted(1, games=2, obs_preset="auto", strict_width=True)
    strict.idle = world.idle
    with pytest.raises(ValueError, match=r"16 numbers.*had 22"):
        RobloxVectorEnv(2, world=strict, obs_preset="auto", strict_width=True)


@pytest.mark.point("roblox", 18)
def test_a_hello_of_another_width_is_said_before_any_observation(scripted, caplog):
    world = scripted(1, dialect="auto")
    world.games[0].heard({"__hello": {"protocol": 2, "obs_dim": 16}}, world.now())
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "16 numbers" in warning
    assert "22" in warning
    world = scripted(1, dialect="auto", strict_width=True)
    world.games[0].heard({"__hello": {"protocol": 1, "obs_dim": 19}}, world.now())  # the action is added here
    assert world.games[0].fitting.error is None
