"""The error classes of the suite, in its lowest layer so that every other may raise them."""


class ConfigError(ValueError):
    """A request that cannot be carried out as written: unknown option, key, value, combination or run.

    The message says what was expected, what came and what to do. Commands exit with 2.
    """
