"""`python -m benchmarks.assetto_corsa_twin`: steps a second of the fake Assetto Corsa, on one core.

A step is 40 ms of the game, four ticks of physics: press, advance, and the state of 90 keys; as a dict, as the JSON
text that goes over the wire, and over the wire itself, where a step is a control datagram and the state that answers,
and its process time is that of both ends. The controls are those of the driver along the line, made before. Of many
cars, a car-state is the same 40 ms of one car with all its measured channels. One thread, medians over rounds, after
compilation; by the wall clock, and by process time for machines that others share. It says nothing of the game.
"""

import argparse
import json
import socket

import numpy as np

from benchmarks.setting import table
from benchmarks.step_rates import Run, step_rates
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track
from envs.assetto_corsa.twin.cars import TwinCars
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.server import TwinServer
from envs.assetto_corsa.twin.state import StateText

STEP_S, TICKS = 0.04, 4
WARM_UP = 50

Commands = list[tuple[float, float, float]]


def lap(seed: int) -> Commands:
    """Return the commands of a lap, one for each step."""
    game, commands = TwinGame(seed), []
    while not game.state()["LapCount"] and game.time_s < 300.0:
        commands.append(game.line_command())
        game.press(*commands[-1])
        game.advance(STEP_S)
    return commands


def in_process(seed: int, commands: Commands, *, is_text: bool) -> Run:
    """Return what drives so many steps of a game in this process."""
    game, text = TwinGame(seed), StateText(seed)

    def run(steps: int) -> None:
        for step in range(steps):
            if step % len(commands) == 0:
                game.reset()
            game.press(*commands[step % len(commands)])
            game.advance(STEP_S)
            state = game.state()
            if is_text:
                text.text(state)

    run(WARM_UP)
    return run


def over_sockets(commands: Commands, server: TwinServer) -> Run:
    """Return what drives so many steps of a game behind its sockets."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(10.0)

    def run(steps: int) -> None:
        client.sendto(b"connect", server.ego)
        client.recv(1 << 16)
        client.recv(1 << 16)
        for step in range(steps):
            if step % len(commands) == 0:
                with server.lock:
                    server.game.reset()
            steer, acc, brake = commands[step % len(commands)]
            told = {"steer": steer, "acc": acc, "brake": brake, "server_steps": step + 1}
            client.sendto(json.dumps(told).encode(), server.ego)
            client.recv(1 << 16)

    run(WARM_UP)
    return run


def together(seed: int, count: int, *, has_channels: bool) -> Run:
    """Return what drives so many car-steps of many cars at once, each along the line at its pace."""
    cars = TwinCars(count, synthetic_ac_track(seed), paces=np.linspace(0.5, 0.9, count).tolist())

    def run(steps: int) -> None:
        for _ in range(steps // count):
            cars.advance(TICKS)
            if has_channels:
                cars.channels()

    run(WARM_UP * count)
    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000, help="of a round; of many cars fifty times as many")
    parser.add_argument("--cars", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    commands = lap(options.seed)
    server = TwinServer(port=0, speed=0.0, game={"seed": options.seed})
    many = f"{options.cars} cars"
    kinds: dict[str, tuple[Run, int]] = {
        "a game, its state as a dict": (in_process(options.seed, commands, is_text=False), 1),
        "a game, its state as JSON": (in_process(options.seed, commands, is_text=True), 1),
        "a game over its sockets": (over_sockets(commands, server), 1),
        f"{many} with their channels": (together(options.seed, options.cars, has_channels=True), 50),
        f"{many}, physics alone": (together(options.seed, options.cars, has_channels=False), 50),
    }
    rows = step_rates(
        {name: (run, options.steps * times) for name, (run, times) in kinds.items()}, options.rounds, STEP_S
    )
    server.close()
    print(table(["40 ms of a car", "a second (lowest … highest)", "a second of a core", "times real time"], rows))


if __name__ == "__main__":
    main()
