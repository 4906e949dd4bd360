"""Why a link to the game does not deliver, each with its own sentence and cure; and why a game is the wrong one."""

from envs.errors import ConfigError, SimulatorUnavailable

REFUSED, NO_REPLY, NOT_IDENTIFIED, NO_STATES = "refused", "no_reply", "not_identified", "no_states"
LINK_LOST, SERVER_DIED, RESTARTED, NO_RESET = "link_lost", "server_disconnect", "plugin_restarted", "no_reset"
CAUSES = (REFUSED, NO_REPLY, NOT_IDENTIFIED, NO_STATES, LINK_LOST, SERVER_DIED, RESTARTED, NO_RESET)

CURES = {
    REFUSED: (
        "Start Assetto Corsa, enable the app sensors_par (Options, General, UI modules) and begin a session; it "
        "listens only while a car is on track. For a game on another machine, name it in env.hosts and open its "
        "firewall for UDP 2345 and TCP 2347."
    ),
    NO_REPLY: (
        "An open connection blocks all others of this service: end other programs that talk to it. It answers only "
        "while the session is running, so leave menus and pause."
    ),
    NOT_IDENTIFIED: (
        "If the management port answers, the plugin's ego server has died of a datagram that it does not know, or UDP "
        "does not get through: start the session again, and look at firewalls and env.hosts."
    ),
    NO_STATES: "The plugin sends states only while a car is on track: leave the menu, the pause and the replay.",
    LINK_LOST: (
        "Was the game paused or closed, or has another client connected? The plugin serves one, the newest. The next "
        "reset connects again."
    ),
    SERVER_DIED: "The plugin's ego server has ended and comes back only with the session: start it again.",
    RESTARTED: "The next reset begins anew.",
    NO_RESET: (
        "Install the Custom Shaders Patch (0.2.1 is known to work) and let it extend Python apps: without it the "
        "plugin cannot put the car back."
    ),
}


class LinkFault(SimulatorUnavailable):
    """The game does not deliver what its protocol promises.

    Args:
        cause: one of `CAUSES`.
        where: the game's address.
        seen: what happened, as the end of a sentence.

    Attributes:
        cause: as above.
    """

    def __init__(self, cause: str, where: str, seen: str) -> None:
        super().__init__(f"Assetto Corsa at {where} {seen} {CURES[cause]}")
        self.cause = cause


CAR, TRACK, RATE, MODE, IMAGE, GEARS = "car", "track", "rate", "mode", "image", "gears"
MISMATCHES = (CAR, TRACK, RATE, MODE, IMAGE, GEARS)


class GameMismatchError(ConfigError):
    """The game is set up otherwise than the env.

    Args:
        kind: one of `MISMATCHES`.
        message: what was expected, what came, what to do.

    Attributes:
        kind: as above.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
