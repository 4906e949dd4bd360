"""What `RemoteEnv` and `RemoteVectorEnv` share: their arguments, and the games that they lead to."""

from collections.abc import Sequence
from typing import Any

from envs.arguments import check_choice, check_range
from envs.errors import ConfigError, SimulatorUnavailable
from envs.ports import ports_of
from envs.remote.addresses import parse_address
from envs.remote.gates import Gate, HostsGate, ListenGate
from envs.remote.leases import SeatSettings
from envs.remote.messages import FREE, LOCKSTEP, MAX_REPEAT
from envs.remote.seats import Fault, Seats
from envs.remote.security import connecting_context, known_token, listening_context
from envs.remote.session import State
from envs.remote.sight import Sight
from envs.remote.view import JPEG, PNG, RAW

CHOICES_OF_CODEC = (RAW, PNG, JPEG)


class Driving:
    """Drive `num` remote games.

    Args:
        num: how many.
        runner: index of the runner, which listens at the port of `listen` plus it.
        arguments: of `RemoteEnv`, without `render_mode`.

    Raises:
        ConfigError: an argument has the wrong value.
        SimulatorUnavailable: there are not as many games.
    """

    def __init__(self, num: int, *, runner: int = 0, **arguments: Any) -> None:
        check_choice("mode", arguments["mode"], (LOCKSTEP, FREE))
        check_choice("codec", arguments["codec"], CHOICES_OF_CODEC)
        check_range("quality", arguments["quality"], 1, 100)
        for name in ("connect_timeout_s", "read_timeout_s"):
            check_range(name, arguments[name], 0.1, 3600.0)
        check_range("max_faults", arguments["max_faults"], 0)
        ticks = arguments["action_repeat"]
        if ticks is not None:
            check_range("action_repeat", ticks, 1, MAX_REPEAT)
        self._gate = open_gate(
            hosts=arguments["hosts"],
            listen=arguments["listen"],
            runner=runner,
            **{name: arguments[name] for name in _GATE_ARGUMENTS},
        )
        settings = SeatSettings(
            **{name: arguments[name] for name in ("mode", "training", "codec", "quality")},
            connect_timeout_s=float(arguments["connect_timeout_s"]),
            read_timeout_s=float(arguments["read_timeout_s"]),
        )
        try:
            self.seats = Seats(self._gate, num, settings)
        except BaseException:
            self._gate.close()
            raise
        self.ticks = self.seats.leases.decision if ticks is None else ticks
        assert self.seats.leases.observation_space is not None
        is_free = settings.mode == FREE
        self.sights = [
            Sight(self.seats.leases.observation_space, self.ticks, is_free=is_free, link=self._link) for _ in range(num)
        ]
        self._max_faults = int(arguments["max_faults"])
        self._faults_in_a_row = 0

    def reset(self, seeds: dict[int, int | None], options: dict[str, Any] | None) -> dict[int, State]:
        """Begin episodes, if need be again, of the games that `seeds` names.

        Raises:
            SimulatorUnavailable: a game is lost, and does not come back.
        """
        states: dict[int, State] = {}
        while len(states) < len(seeds):
            missing = {index: seed for index, seed in seeds.items() if index not in states}
            for index, heard in self.seats.reset(missing, options).items():
                if isinstance(heard, State):
                    states[index] = heard
                else:
                    self.count(heard)
        return states

    def count(self, heard: State | Fault) -> None:
        """Count faults that follow each other without an episode between them that has ended by itself.

        Raises:
            SimulatorUnavailable: they are too many.
        """
        if isinstance(heard, State):
            self._faults_in_a_row = 0 if heard.done else self._faults_in_a_row
            return
        self._faults_in_a_row += 1
        if self._faults_in_a_row > self._max_faults:
            raise SimulatorUnavailable(
                f"Games were lost {self._faults_in_a_row} times without an episode's end between them "
                f"(env.max_faults={self._max_faults}), the last time because: {heard.reason} Look at the servers "
                "with python -m envs.doctor env=remote."
            )

    def close(self) -> None:
        """Give all games back."""
        self.seats.close()
        self._gate.close()

    def _link(self) -> tuple[float, int]:
        return 0.5 * self.seats.round_trip_s, self.seats.reconnects


_GATE_ARGUMENTS = ("token", "tls_certificate", "tls_key", "tls_authority", "read_timeout_s")


def open_gate(
    *,
    hosts: Sequence[str] | str,
    listen: str | None,
    runner: int,
    token: str | None,
    tls_certificate: str | None,
    tls_key: str | None,
    tls_authority: str | None,
    read_timeout_s: float,
) -> Gate:
    """Return where games come from.

    Raises:
        ConfigError: neither hosts nor a port to listen at is named, or both; an address or a file is wrong.
    """
    hosts = [hosts] if isinstance(hosts, str) else list(hosts)
    if bool(hosts) == (listen is not None):
        raise ConfigError(
            "Expected either env.hosts=[pc1:5555,…], the servers to connect to, or env.listen=HOST:PORT, where those "
            "arrive that dial out (python -m envs.serve connect=HOST:PORT)."
        )
    unused = {"tls_authority": tls_authority} if listen else {"tls_certificate": tls_certificate, "tls_key": tls_key}
    given = [f"env.{name}" for name, value in unused.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} would be without effect here: who listens (env.listen) shows tls_certificate, who "
            "connects (env.hosts) checks it with tls_authority. Leave it out."
        )
    if listen is None:
        return hosts_gate(hosts, token=token, tls_authority=tls_authority, read_timeout_s=read_timeout_s)
    host, base_port = parse_address(listen, "env.listen")
    port = ports_of(base_port, runner=runner, games_per_runner=1, game=0, ports_per_game=1)[0]
    context = listening_context(tls_certificate, tls_key)
    return ListenGate((host, port), token=known_token(token), context=context, read_timeout_s=read_timeout_s)


def hosts_gate(
    hosts: Sequence[str] | str, *, token: str | None, tls_authority: str | None, read_timeout_s: float
) -> HostsGate:
    """Return what leads to servers that listen.

    Raises:
        ConfigError: there is none, an address is wrong, or a file is.
    """
    named = [hosts] if isinstance(hosts, str) else list(hosts)
    if not named:
        raise ConfigError("Expected env.hosts=[pc1:5555,…]: the servers to connect to.")
    context = connecting_context(tls_authority)
    return HostsGate(named, token=known_token(token), context=context, read_timeout_s=read_timeout_s)
