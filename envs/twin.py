"""`python -m envs.twin env=trackmania`: a game's loopback twin by itself, for clients that take it for the game."""

import logging
import pkgutil
import signal
import time
from typing import Any

from envs.app import OK, plain, run_app
from envs.arguments import build_section, check_range, check_types
from envs.errors import ConfigError
from envs.ports import ports_of

_MOST = 32  # twins of one command
_TARGET = "_target_"


def main(config: Any) -> int:
    """Start the twins, say where they are, and run until ctrl-C."""
    section = plain(config)
    logging.getLogger("envs").setLevel(logging.INFO)
    num_games, port, seconds = section["num_games"], section["port"], section["seconds"]
    check_range("num_games", num_games, 1, _MOST)
    if seconds is not None:
        check_range("seconds", seconds, 0.0)
    arguments = dict(section["twin"])
    twin_class = _twin_class(arguments.pop(_TARGET))
    arguments["host"] = section["host"]
    twins: list[Any] = []
    try:
        for number in range(num_games):
            width = twin_class.ports_per_game
            ports = (
                ports_of(port, runner=0, games_per_runner=num_games, game=number, ports_per_game=width) if port else ()
            )
            chosen = arguments | {"port": ports[0] if ports else 0, "number": number}
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


def _twin_class(target: Any) -> Any:
    try:
        return pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"twin.{_TARGET} is {target!r}, which does not import: {error}.") from error


if __name__ == "__main__":
    run_app(main, config_name="twin")
