"""`HOST:PORT`, as people write it."""

from envs.errors import ConfigError


def parse_address(text: str, key: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; an IPv6 address stands in brackets.

    Args:
        text: such as `pc1:5555`, `192.168.0.5:5555` or `[::1]:5555`.
        key: of the config, for the message.

    Raises:
        ConfigError: it is no address.
    """
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"Expected {key} as HOST:PORT, such as pc1:5555, got {text!r}.")
    return host.removeprefix("[").removesuffix("]"), int(port)
