"""What the arguments of `RobloxEnv` ask for: its options, checked, and the spaces of one car."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.roblox import actions as action_choices
from envs.roblox.env import RobloxEnv
from envs.roblox.fitting import LIMIT
from envs.roblox.options import Options


def options_of(arguments: Mapping[str, Any]) -> Options:
    """Return the options that arguments of `RobloxEnv` mean, checked.

    Raises:
        ConfigError: names the key.
    """
    given = {name: value for name, value in {**_DEFAULTS, **arguments}.items() if name not in _GIVEN}
    given["twin_game"] = given["twin_game"] or {}
    options = Options(**given)
    options.check()
    return options


def spaces_of(options: Options, width: int | None = None) -> tuple[spaces.Box, spaces.Box] | None:
    """Return the observation and action space of one car; None: only the game knows how wide observations are.

    Args:
        options: of the env.
        width: as the game has shown it, where the options do not tell.
    """
    width = options.width or width
    if width is None:
        return None
    return spaces.Box(-LIMIT, LIMIT, (width,), np.float32), action_choices.action_space(options.actions)


_GIVEN = ("training", "render_mode")
_DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(RobloxEnv).parameters.items()}
