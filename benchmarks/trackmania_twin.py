"""`python -m benchmarks.trackmania_twin`: lock-step steps a second of the fake TrackMania, on one core.

A step is 50 ms of the game, five frames of 100 a second. Of the game alone: press, advance, read the record, and take
the screenshot if there is one. Of the env (`twin=lockstep obs=edges`): all that a training pays for a step, rewards and
observations included, and resets between laps. The controls are those of a lap that the centre-line driver drove. One
thread, medians over rounds, after compilation; by the wall clock, and by process time for machines that others
share. A step over sockets is a datagram for the pad, `STEP` over the frame channel, and five records read from the
telemetry; its process time is that of both ends.
"""

import argparse
import socket
import struct
from typing import cast

import numpy as np

from benchmarks.setting import table
from benchmarks.step_rates import Run, step_rates
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.lockstep import LockstepTwin
from envs.trackmania.twin.driver import CentreLineDriver
from envs.trackmania.twin.frame_channel import FrameClient
from envs.trackmania.twin.game import TwinGame
from envs.trackmania.twin.pad import B, datagram
from envs.trackmania.twin.server import TwinServer

STEP_S, RECORD = 0.05, 44
WARM_UP = 50
PICTURES = {
    "the game alone, no picture": None,
    "the game alone, lidar, 958 x 488": "lidar",
    "the game alone, full, 256 x 128": "full",
}


Actions = list[tuple[float, float, float]]


def lap(seed: int) -> Actions:
    """Return the controls of a lap, one for each step."""
    game, actions = TwinGame(seed), []
    driver = CentreLineDriver(game.road)
    while not game.finishes and game.time_s < 120.0:
        actions.append(driver.action(game.frame))
        game.press(*actions[-1])
        game.advance(STEP_S)
    return actions


def in_process(seed: int, actions: Actions, kind: str | None) -> Run:
    """Return what drives so many steps of a game in this process."""
    game = TwinGame(seed)

    def run(steps: int) -> None:
        for step in range(steps):
            if step % len(actions) == 0:
                game.restart()
            game.press(*actions[step % len(actions)])
            game.advance(STEP_S)
            game.record()
            if kind:
                game.screenshot(kind)

    run(WARM_UP)
    return run


def whole_env(seed: int) -> Run:
    """Return what drives so many steps of the env, without pictures, lap after lap as the driver drove the first."""
    env = TrackmaniaEnv(twin="lockstep", obs="edges", actions="game", twin_game={"seed": seed})
    env.reset()
    game = cast("TwinGame", cast("LockstepTwin", env.game.time).game)
    driver, actions, has_ended = CentreLineDriver(game.road), [], False
    while not has_ended:
        actions.append(np.array(driver.action(game.frame), np.float32))
        _, _, *ends, info = env.step(actions[-1])
        has_ended = any(ends)
    assert info["end_cause"] == "finish", info
    env.reset()
    place = 0

    def run(steps: int) -> None:
        nonlocal place
        for _ in range(steps):
            _, _, *ends, info = env.step(actions[place % len(actions)])
            place += 1
            if any(ends):
                assert info["end_cause"] == "finish", info
                place = 0
                env.reset()

    return run


def over_sockets(actions: Actions, server: TwinServer) -> Run:
    """Return what drives so many steps of a game behind its sockets."""
    hands = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel, client = FrameClient(*server.frames), socket.create_connection(server.telemetry, 5.0)
    channel.step(0.0)  # the client is accepted

    def run(steps: int) -> None:
        for step in range(steps):
            is_new = step % len(actions) == 0
            controls = datagram(*actions[step % len(actions)], buttons=B if is_new else 0)
            hands.sendto(controls, server.pad_address)
            channel.step(STEP_S)
            data = b""
            while len(data) < 5 * RECORD:
                data += client.recv(5 * RECORD - len(data))
            struct.unpack("<11f", data[-RECORD:])

    run(WARM_UP)
    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000, help="of a round; with images a fifth")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    actions = lap(options.seed)
    server = TwinServer(port=0, speed=0.0, game={"seed": options.seed})
    kinds = {name: (in_process(options.seed, actions, kind), 5 if kind else 1) for name, kind in PICTURES.items()}
    kinds["the env, `obs=edges`, no picture"] = whole_env(options.seed), 1
    kinds["the game over its sockets, no picture"] = over_sockets(actions, server), 1
    rows = step_rates(
        {name: (run, options.steps // fewer) for name, (run, fewer) in kinds.items()}, options.rounds, STEP_S
    )
    server.close()
    print(table(["a step of 50 ms", "steps/s (lowest … highest)", "steps/s of a core", "times real time"], rows))


if __name__ == "__main__":
    main()
