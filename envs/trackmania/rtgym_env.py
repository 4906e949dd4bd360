"""Interfaces that others have written for rtgym, named in a config, on the suite's clock and as the suite's dicts."""

import pkgutil
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs import contract
from envs.arguments import build_section, check_types
from envs.errors import ConfigError
from envs.factory import TARGET
from envs.trackmania.real_time import GameTime, RealTime
from envs.trackmania.real_time_env import RealTimeEnv
from envs.trackmania.real_time_settings import RealTimeSettings
from envs.trackmania.stepping import RealTimeInterface

_CHANNELS = (1, 3, 4)
_METHODS = [name for name in vars(RealTimeInterface) if not name.startswith("_")]


class RtgymEnv(gym.Env[Any, Any]):
    """Drive an rtgym interface: `env=rtgym env.interface._target_=my.Interface`.

    The order of events is rtgym's. Observations are dicts: element i of the interface's tuple is `part_i`, floats
    flattened to a vector; pictures `(H, W, C)` as they are, histories `(N, H, W)` of grey ones as `(H, W, N)`, newest
    last. The last actions are `actions`. `compat` is the env with tuples.

    Args:
        interface: `_target_`, and arguments of that class.
        rtgym: rtgym's configuration, see `RealTimeSettings`.
        training: changes nothing here.
        render_mode: None.

    Raises:
        ConfigError: the interface does not import, lacks a method, or takes other arguments.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        interface: Mapping[str, Any],
        rtgym: Mapping[str, Any] | None = None,
        training: bool = False,
        render_mode: str | None = None,
        time: GameTime | None = None,
    ) -> None:
        check_types(type(self), {"interface": interface, "rtgym": rtgym})
        self.render_mode = render_mode
        settings: RealTimeSettings = build_section(RealTimeSettings, rtgym)
        self.compat = RealTimeEnv(_built(interface), settings, time or RealTime())
        self.action_space = self.compat.action_space
        whole, actions = self.compat.observation_space, self.action_space
        assert isinstance(whole, spaces.Tuple)
        if not isinstance(actions, spaces.Box):
            raise ConfigError(f"Expected an interface whose actions are a Box, got {actions}.")
        elements = whole.spaces
        self._num_actions = settings.act_buf_len if settings.act_in_obs else 0
        parts = elements[: len(elements) - self._num_actions]
        space: dict[str, spaces.Space[Any]] = {f"part_{index}": _box(part, index) for index, part in enumerate(parts)}
        if self._num_actions:
            lows, highs = (np.tile(np.ravel(bound), self._num_actions) for bound in (actions.low, actions.high))
            space["actions"] = spaces.Box(lows, highs, dtype=np.float32)
        self.observation_space = spaces.Dict(space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        observation, info = self.compat.reset(seed=seed, options=options)
        return self._parts(observation), _with_contract(info, 0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return what the running step captures, and start the next one. Raises as `RealTimeEnv.step`."""
        observation, reward, terminated, truncated, info = self.compat.step(action)
        return self._parts(observation), reward, terminated, truncated, _with_contract(info, 1)

    def close(self) -> None:
        """End the running step; a second call does nothing."""
        if hasattr(self, "compat"):
            self.compat.close()

    def _parts(self, observation: tuple[npt.NDArray[Any], ...]) -> dict[str, npt.NDArray[Any]]:
        count = len(observation) - self._num_actions
        parts = {f"part_{index}": _part(element) for index, element in enumerate(observation[:count])}
        if self._num_actions:
            parts["actions"] = np.concatenate([np.ravel(action) for action in observation[count:]]).astype(np.float32)
        return parts


def _built(section: Mapping[str, Any]) -> RealTimeInterface:
    arguments = dict(section)
    target = arguments.pop(TARGET, None)
    try:
        interface_class = pkgutil.resolve_name(target) if isinstance(target, str) else None
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"env.interface.{TARGET} is {target!r}, which does not import: {error}.") from error
    missing = [name for name in _METHODS if not hasattr(interface_class, name)]
    if not isinstance(interface_class, type) or missing:
        raise ConfigError(
            f"Expected env.interface.{TARGET} to name an rtgym interface, got {target!r}"
            f"{', which lacks ' + ', '.join(missing) if isinstance(interface_class, type) else ''}."
        )
    built: RealTimeInterface = build_section(interface_class, arguments)
    return built


def _part(element: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(element)
    if array.dtype == np.uint8 and array.ndim == 3:
        return array if array.shape[2] in _CHANNELS else np.moveaxis(array, 0, 2)
    return np.ravel(array).astype(np.float32)


def _box(space: spaces.Space[Any], index: int) -> spaces.Box:
    if not isinstance(space, spaces.Box):
        raise ConfigError(f"Expected element {index} of the interface's observations to be a Box, got {space}.")
    low = _part(space.low)
    return spaces.Box(low, _part(space.high), dtype=low.dtype.type)


def _with_contract(info: dict[str, Any], frames: int) -> dict[str, Any]:
    """Add the names that every env of the suite has; an interface that knows them says them itself."""
    unknown = {contract.SPEED_MPS: 0.0, contract.PROGRESS: 0.0, contract.LAP: 0, contract.OFF_TRACK: False}
    return {**unknown, contract.FRAMES: frames, **info}
