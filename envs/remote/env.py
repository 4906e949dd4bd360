"""`env=remote`: drive a game that another process serves, on this machine or any other."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from envs.arguments import check_choice, check_types
from envs.capacity import Capacity
from envs.errors import ConfigError
from envs.findings import Finding
from envs.remote.diagnosis import diagnose
from envs.remote.driving import Driving, hosts_gate
from envs.remote.gates import HostsGate
from envs.remote.messages import LOCKSTEP


class RemoteEnv(gym.Env[Any, Any]):
    """Drive one game of a server (`python -m envs.serve`): its observations, actions and rewards are the served env's.

    In lock-step the game waits for actions, and an episode is the same as in the served env itself. Freely, it runs in
    real time: an action holds until the next one, a step lasts `action_repeat` ticks, and what was too late to be seen
    is summed and counted in `info` (`link_skipped`).

    A game that is lost ends the episode as truncated, `info["fault"]` says why; the next reset gets a game again.

    Args:
        hosts: `HOST:PORT` of servers; games are taken from all of them.
        listen: `HOST:PORT` to wait at instead, for servers that dial out.
        mode: `lockstep` or `free`.
        action_repeat: ticks of a decision; None: as the served env is configured.
        codec: of images on the way: `raw`, `png`, or `jpeg`, which loses details.
        quality: of JPEG, 1 … 100.
        connect_timeout_s: to get a game, at the start and after a loss.
        read_timeout_s: for an answer.
        max_faults: that may follow each other without an episode's end between them.
        token: that servers ask for; None: the environment variable CHICANE_TOKEN.
        tls_authority: certificate of the servers; None: plain TCP.
        tls_certificate: of this machine, with `listen`.
        tls_key: of that certificate.
        training: whether the served env's rules of training apply.
        render_mode: None or `rgb_array`.

    Raises:
        ConfigError: an argument has the wrong type or value.
        SimulatorUnavailable: no server has a game.
    """

    vector_env = "envs.remote.vector.RemoteVectorEnv"
    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        hosts: list[str] | str = (),  # type: ignore[assignment]
        listen: str | None = None,
        mode: str = LOCKSTEP,
        action_repeat: int | None = None,
        codec: str = "raw",
        quality: int = 80,
        connect_timeout_s: float = 60.0,
        read_timeout_s: float = 10.0,
        max_faults: int = 10,
        token: str | None = None,
        tls_authority: str | None = None,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        self._driving: Driving | None = None
        given["hosts"] = [hosts] if isinstance(hosts, str) else list(hosts)
        check_types(type(self), given)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = given.pop("render_mode")
        self._driving = driving = Driving(1, **given)
        assert driving.seats.leases.observation_space is not None
        assert driving.seats.leases.action_space is not None
        self.observation_space, self.action_space = (
            driving.seats.leases.observation_space,
            driving.seats.leases.action_space,
        )
        self.metadata = {**type(self).metadata, "render_fps": driving.seats.leases.fps}
        self._is_running = False

    @property
    def action_repeat(self) -> int:
        """Ticks of a decision."""
        return self._open().ticks

    @action_repeat.setter
    def action_repeat(self, ticks: int) -> None:
        self._open().ticks = ticks

    @classmethod
    def capacity(cls, arguments: Mapping[str, Any]) -> Capacity:
        """Ask the hosts how many games they serve. With `listen`, one env at a time can wait for games.

        Raises:
            ConfigError: an argument is wrong, or a host does not answer.
        """
        if arguments.get("listen") is not None:
            return Capacity(None, 1)
        gate = _gate_to_hosts(arguments)
        total = free = 0
        for place in gate.places:
            try:
                session = gate.open(place, 10.0)
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigError(f"env.hosts: {error}") from error
            total += session.num_games
            free += int(session.handshake.get("free", session.num_games))
            session.close()
        return Capacity(total, free)

    @classmethod
    def diagnose(cls, arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
        """Look at all hosts.

        Raises:
            ConfigError: an argument is wrong, or there are no hosts.
        """
        if arguments.get("listen") is not None:
            raise ConfigError("Servers that dial out come to runners: look at them from their side, or with env.hosts.")
        gate = _gate_to_hosts(arguments)
        return [finding for place in gate.places for finding in diagnose(gate, place, seconds)]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, on the served env's track of `seed`.

        Raises:
            SimulatorUnavailable: the game is lost, and none comes back.
        """
        super().reset(seed=seed)
        driving = self._open()
        state = driving.reset({0: seed}, options)[0]
        self._is_running = True
        return driving.sights[0].begin(state)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drive one decision.

        Args:
            action: of the served env.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, or is not finite.
            SimulatorUnavailable: games were lost too often.
        """
        if not self._is_running:
            raise ResetNeeded("RemoteEnv has no running episode: call reset() before the first step and after ends.")
        driving = self._open()
        heard = driving.seats.advance({0: plain_action(action, self.action_space)}, driving.ticks, {})[0]
        driving.count(heard)
        step = driving.sights[0].step(heard)
        self._is_running = not (step[2] or step[3])
        return step

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return the game's picture, `(H, W, 3)` uint8, with `render_mode="rgb_array"`, else None."""
        return None if self.render_mode is None or self._driving is None else self._driving.seats.picture(0)

    def close(self) -> None:
        """Give the game back; a second call does nothing."""
        self._is_running = False
        if self._driving is not None:
            self._driving.close()
            self._driving = None

    def _open(self) -> Driving:
        if self._driving is None:
            raise ResetNeeded("RemoteEnv is closed.")
        return self._driving


def _gate_to_hosts(arguments: Mapping[str, Any]) -> HostsGate:
    return hosts_gate(
        arguments.get("hosts", ()),
        token=arguments.get("token"),
        tls_authority=arguments.get("tls_authority"),
        read_timeout_s=float(arguments.get("read_timeout_s", 10.0)),
    )


def plain_action(action: Any, space: gym.Space[Any]) -> Any:
    """Return an action of `space` as JSON has it.

    Raises:
        ValueError: it has another shape, or is not finite.
    """
    array = np.asarray(action)
    if array.shape != (space.shape or ()):
        raise ValueError(f"Expected an action of shape {space.shape}, got {array.shape}: {action}.")
    if not np.isfinite(array).all():
        raise ValueError(f"Expected a finite action, got {action}. Has the policy diverged?")
    return array.tolist()
