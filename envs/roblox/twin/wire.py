"""The frames that a game sends: JSON of its messages, with what can go wrong on the way."""

from typing import Any

import numpy as np
import orjson

from envs.roblox import messages
from envs.roblox.twin.faults import Faults
from envs.roblox.twin.game import Message

_WORDS = ("nan", "inf", "-inf")  # bare in Roblox's JSON
_PLACE = "@number@"  # of one of them, until the text is made
_BINARY_EVERY = 10


class Wire:
    """Turn messages into frames, and count what they carry.

    Args:
        faults: what goes wrong.
        seed: of what is random.

    Attributes:
        reward_sent: the sum of all finite rewards in text frames, copies included.
        ends_sent: entries with a flag in text frames, copies included.
        ticks: that the game made.
        ticks_dropped: that were not sent.
        ticks_doubled: that were sent twice.
        numbers_spoiled: that were no numbers in text frames, copies included.
    """

    def __init__(self, faults: Faults, seed: int = 0) -> None:
        self._faults, self._random = faults, np.random.default_rng(seed)
        self.reward_sent, self.ends_sent = 0.0, 0
        self.ticks = self.ticks_dropped = self.ticks_doubled = self.numbers_spoiled = 0

    def frames(self, message: Message, connected_s: float) -> list[str | bytes]:
        """Return the frames of one message: none, one, or two.

        Args:
            message: of the game.
            connected_s: since the connection began, on the game's clock.
        """
        faults = self._faults
        if faults.stall_after is not None and connected_s >= faults.stall_after:
            return []
        cars = _cars(message)
        if cars is None:
            return [_text(message)]
        self.ticks += 1
        if faults.drop_ticks and self._random.random() < faults.drop_ticks:
            self.ticks_dropped += 1
            return []
        if faults.width is not None:
            _set_width(cars, faults.width)
        word = self._spoil(cars) if faults.nan and self._random.random() < faults.nan else ""
        text = _text(message).replace(f'"{_PLACE}"', word)
        if faults.binary_frame and self.ticks % _BINARY_EVERY == 0:
            return [text.encode()]
        copies = 2 if faults.dup_ticks and self._random.random() < faults.dup_ticks else 1
        self.ticks_doubled += copies - 1
        self.numbers_spoiled += copies * bool(word and cars)
        for entry in cars:
            reward = entry[messages.REWARD]
            self.reward_sent += copies * reward if reward != _PLACE else 0.0
            self.ends_sent += copies * (entry[messages.TERMINATED] or entry[messages.TRUNCATED])
        return [text] * copies

    def _spoil(self, cars: list[dict[str, Any]]) -> str:
        """Put the placeholder into one car's reward or observation; return the word that it stands for."""
        if cars:
            entry = cars[int(self._random.integers(len(cars)))]
            index = int(self._random.integers(len(entry[messages.OBS]) + 1))
            if index == len(entry[messages.OBS]):
                entry[messages.REWARD] = _PLACE
            else:
                entry[messages.OBS][index] = _PLACE
        return _WORDS[int(self._random.integers(len(_WORDS)))]


def _cars(message: Message) -> list[dict[str, Any]] | None:
    """Return the entries of a tick; None if the message is none, but an answer."""
    if isinstance(message, list):
        return []
    cars = [entry for key, entry in message.items() if not key.startswith(messages.CONTROL)]
    return cars if cars or messages.TICK_NUMBER in message else None


def _set_width(cars: list[dict[str, Any]], width: int) -> None:
    for entry in cars:
        for key in (messages.OBS, messages.LAST_OBSERVATION):
            if key in entry:
                entry[key] = (entry[key] + [0.0] * width)[:width]


def _text(message: Message) -> str:
    return orjson.dumps(message).decode()
