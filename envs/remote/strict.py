"""The original CarRacing socket server, its defects included: what clients meet that were written for it.

It differs from its model in one thing: there, a reset from the client's thread can meet a step of the same game in the
other, and the process dies. Here each game has a lock.

Source: socket_server_gymnasium.py of vedant-jumle/reinforcement-learning-101, commit 7ebc5ca.
"""

import base64
import json
import logging
import threading
import time
from typing import Any

import gymnasium as gym
import numpy as np

from envs.ports import listen_at

_STEP_S = 0.020
_PIECE = 1 << 16

log = logging.getLogger(__name__)


class StrictServer:
    """Listen at once; `serve` accepts one client, and returns when it has gone.

    Args:
        host: where to listen.
        port: 0: any that is free.
        num_games: CarRacings, Gymnasium's own.
        render: `human`, `rgb_array` or `none`; more than one game are not shown.
        max_steps: after which an episode begins anew, unseen by the client.
        seed: game i is reset once with `seed + i`, unseen.

    Raises:
        ConfigError: the address cannot be listened at.
    """

    def __init__(self, *, host: str, port: int, num_games: int, render: str, max_steps: int, seed: int | None) -> None:
        render_mode = None if render == "none" or num_games > 1 else render
        self._games = [
            _Game(render_mode, max_steps, None if seed is None else seed + index) for index in range(num_games)
        ]
        self._listener = listen_at(host, port, "The original's stand-in")
        self.host, self.port = self._listener.getsockname()[:2]
        self._is_running = True

    def serve(self) -> None:
        """Serve one client until it closes, leaves, or sends what the original did not survive."""
        connection, peer = self._listener.accept()
        log.info("%s:%d is connected.", *peer[:2])
        stepping = threading.Thread(target=self._step_games, daemon=True)
        stepping.start()
        try:
            connection.sendall(_line({"type": "HANDSHAKE", "num_games": len(self._games)}))
            buffer = b""
            while self._is_running and (piece := connection.recv(_PIECE)):
                buffer += piece
                while self._is_running and b"\n" in buffer:
                    line, buffer = buffer.split(b"\n", 1)
                    answer = self._answer(line.decode())
                    if answer is not None:
                        connection.sendall(answer)
        except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("Ends, as the original did: %s: %s", type(error).__name__, error)
        finally:
            self._is_running = False
            connection.close()
            self._listener.close()
            stepping.join(5.0)
            for game in self._games:
                game.close()

    def _answer(self, text: str) -> bytes | None:
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            return None
        kind, number = message.get("type"), message.get("game_id", 0)
        if kind == "SET_ACTION":
            action = message["action"]
            self._games[number].action = [action.get(name, 0.0) for name in ("steer", "gas", "brake")]
        elif kind in ("GET_STATE", "RESET"):
            game = self._games[number]
            if kind == "RESET" or game.state is None:
                game.reset()
            return game.told(number)
        elif kind == "CLOSE":
            self._is_running = False
        return None

    def _step_games(self) -> None:
        """Step all games in order, every 20 ms if they can; an action that is no number ends this thread alone."""
        while self._is_running:
            began = time.monotonic()
            for game in self._games:
                try:
                    game.step()
                except (TypeError, ValueError) as error:
                    log.warning("The games stand still, as the original's did: %s", error)
                    return
            time.sleep(max(0.0, _STEP_S - (time.monotonic() - began)))


class _Game:
    def __init__(self, render_mode: str | None, max_steps: int, seed: int | None) -> None:
        self._env = gym.make("CarRacing-v3", render_mode=render_mode, continuous=True, domain_randomize=False)
        self._max_steps = max_steps
        self._lock = threading.Lock()
        self._steps, self._total_reward = 0, 0.0
        self.action: list[Any] = [0.0, 0.0, 0.0]
        self.state: tuple[Any, float, bool, dict[str, Any]] | None = None
        if seed is not None:
            self._env.reset(seed=seed)

    def reset(self) -> None:
        with self._lock:
            self._reset()

    def step(self) -> None:
        if self.state is None:
            return
        action = np.array(self.action, np.float32)
        with self._lock:
            observation, reward, terminated, truncated, info = self._env.step(action)
            self._steps += 1
            self._total_reward += float(reward)
            self.state = observation, float(reward), terminated or truncated, info
            if terminated or truncated or self._steps >= self._max_steps:
                self._reset()  # only while it lasts can a client see `done`; never, if max_steps was the reason

    def told(self, number: int) -> bytes:
        assert self.state is not None
        frame, reward, done, info = self.state
        return _line(
            {
                "type": "STATE",
                "game_id": number,
                "frame": base64.b64encode(frame.tobytes()).decode(),
                "frame_shape": list(frame.shape),
                "telemetry": {"steps": self._steps, "total_reward": self._total_reward},
                "reward": reward,
                "done": done,
                "info": info,
            }
        )

    def close(self) -> None:
        with self._lock:
            self._env.close()

    def _reset(self) -> None:
        observation, info = self._env.reset()
        self._steps, self._total_reward = 0, 0.0
        self.state = observation, 0.0, False, info


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
