"""The error classes of the suite, in its lowest layer so that every other may raise them."""


class ConfigError(ValueError):
    """A request that cannot be carried out as written: unknown option, key, value, combination or run.

    The message says what was expected, what came and what to do. Commands exit with 2.
    """


class SimulatorUnavailable(ConnectionError):  # noqa: N818 (it is what is the case)
    """A game in another process did not answer, or went away, and did not come back in time.

    The message says which game, at which address, what was waited for and for how long.
    """


class ProtocolError(ValueError):
    """Another process said something that its protocol does not allow."""
