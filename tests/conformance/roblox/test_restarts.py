"""A reset from here: ticks of the episode before that were under way do not become the new one's."""

from collections import deque

import numpy as np
import pytest

OLD, NEW, CRASH = 0.3, 0.6, 0.9


class FarGame:
    """A game of one car whose every word takes `delay` ticks, and which crashes while a reset is on its way."""

    def __init__(self, world, dialect, entry, delay):
        self.world, self.dialect, self.entry, self.delay = world, dialect, entry, delay
        self.car = world.games[0].cars[0].id
        self.coming, self.going = deque(), deque([None] * delay)
        self.value, self.is_frozen, self.has_reset_sent = OLD, False, False
        self.heard = 0
        world.idle = [self.tick]

    def tick(self, game):
        for _, _, command in self.world.sent[self.heard :]:
            self.coming.append((self.world.now() + self.delay / 15.0, command))
            self.has_reset_sent |= command["command"].startswith("RESET")
        self.heard = len(self.world.sent)
        says = []
        while self.coming and self.coming[0][0] <= self.world.now() + 1e-6:
            says += self.answer(self.coming.popleft()[1])
        self.going.append([*says, self.now()])
        for message in self.going.popleft() or []:
            game.heard(message, self.world.now())

    def answer(self, command):
        name, data = command["command"], command["data"]
        if name == "FREEZE":
            self.is_frozen = data["status"]
        if name.startswith("RESET"):
            self.value = NEW
        return [{"__pong": data}] if name == "PING" and self.dialect == "v2" else []

    def now(self):
        width = 22 if self.dialect == "v2" else 19
        if self.is_frozen:
            return []
        if self.has_reset_sent and self.value == OLD and self.dialect != "v0":  # the crash that nobody is to hear of
            last = {"last_observation": [OLD] * width} if self.dialect == "v2" else {}
            return {self.car: self.entry(OLD, -40.0, width=width, terminated=True, **last)}
        return {self.car: self.entry(self.value, 1.0, width=width)}


@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
@pytest.mark.parametrize("delay", [0, 1, 4])
def test_no_tick_of_the_old_episode_becomes_the_new_ones(driven, forwards, entry, dialect, delay):
    world, env = driven(dialect=dialect, options={"episode_steps": 6})
    FarGame(world, dialect, entry, delay)
    for _ in range(3):
        env.step(forwards())
    if dialect == "v1":  # it shows how long it takes by when it stands
        env.freeze()
        world.sleep(1.0)
    if dialect == "v0":
        car = world.games[0].cars[0]
        car._answers.add(2 * delay / 15.0)  # as after a crash
    while not (ended := env.step(forwards()))[3][0]:
        assert ended[0][0, 0] == pytest.approx(0.5 if ended[0][0, 0] == 0.5 else OLD)
    seen, rewards, terminated, truncated, _ = env.step(forwards())
    while truncated[0]:
        seen, rewards, terminated, truncated, _ = env.step(forwards())
    assert (seen[0, 0], rewards[0], terminated[0]) == (pytest.approx(NEW), 0.0, False)
    for _ in range(5):
        seen, rewards, terminated, truncated, _ = env.step(forwards())
        assert (seen[0, 0], terminated[0]) == (pytest.approx(NEW), False)
        assert rewards[0] >= 0.0
    account = env.account()
    total = account["delivered"] + account["dropped"] + account["pre_action"] + account["waiting"]
    assert account["sent"] == pytest.approx(total)


def test_a_v0_game_shows_how_long_it_takes_by_when_its_flags_fall(driven, forwards, entry):
    world, env = driven(dialect="v0")
    car = world.games[0].cars[0]
    env.step(forwards())
    crash = {car.id: entry(CRASH, -10.0, width=19, terminated=True)}
    world.queues[0] += [crash] * 5 + [{car.id: entry(NEW, width=19)}] * 20
    env.step(forwards())
    while env.step(forwards())[3][0]:
        pass
    assert car._answers.longest_s == pytest.approx(5 / 15)  # RESET leaves with the first


def test_a_v2_game_that_answers_no_ping_is_believed_after_a_second(driven, forwards, entry):
    world, env = driven(options={"episode_steps": 2})
    for _ in range(2):
        env.step(forwards())
    began_s = world.now()
    while env.step(forwards())[3][0]:
        pass
    assert world.now() - began_s == pytest.approx(1.0, abs=0.1)
    assert not np.any(env.step(forwards())[3])
