"""`python -m envs.twin env=trackmania`: a game's loopback twin by itself, for those who take it for the game.

A twin listens at ports of its own, or calls a server (`ports_per_game` of its class is 0, and it has a `url`).
"""

import logging
import pkgutil
import signal
import time
from typing import Any

from envs.app import OK, plain, run_app
from envs.arguments import build_section, check_range, check_types
from envs.errors import ConfigError
from envs.heap import use_one_heap
from envs.ports import ports_of

_MOST = 32  # twins of one command
_TARGET = "_target_"


def main(config: Any) -> int:
    """Start the twins, say where they are, and run until ctrl-C."""
    use_one_heap()
    section = plain(config)
    logging.getLogger("envs").setLevel(logging.INFO)
    num_games, seconds = section["num_games"], section["seconds"]
    check_range("num_games", num_games, 1, _MOST)
    if seconds is not None:
        check_range("seconds", seconds, 0.0)
    arguments = dict(section["twin"])
    twin_class = _twin_class(arguments.pop(_TARGET))
    width = twin_class.ports_per_game
    port = twin_class.default_port if width and section["port"] is None else section["port"]
    twins: list[Any] = []
    try:
        for number in range(num_games):
            chosen = arguments | {"number": number}
            if width:  # it listens
                first = _first_port(port, width, number, num_games)
                chosen |= {"host": section["host"], "port": first}
            check_types(twin_class, chosen)
            twins.append(build_section(twin_class, chosen))
            print(f"Twin {number}: {twins[-1].describe()}.", flush=True)
        print("Ctrl-C ends it.", flush=True)
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            time.sleep(0.5 if until is None else min(max(until - time.monotonic(), 0.0), 0.5))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is closing already
        for twin in twins:
            twin.close()
    return OK


def _first_port(base_port: int, width: int, number: int, num_games: int) -> int:
    if not base_port:
        return 0
    return ports_of(base_port, runner=0, games_per_runner=num_games, game=number, ports_per_game=width)[0]


def _twin_class(target: Any) -> Any:
    try:
        return pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"twin.{_TARGET} is {target!r}, which does not import: {error}.") from error


if __name__ == "__main__":
    run_app(main, config_name="twin")
