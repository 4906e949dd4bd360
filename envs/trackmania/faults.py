"""Why a telemetry link does not deliver: five causes, each with its own sentence and cure."""

from envs.errors import SimulatorUnavailable

REFUSED, SILENT, WRONG_LAYOUT, CLOSED, STALLED = "refused", "silent", "wrong_layout", "closed", "stalled"
CAUSES = (REFUSED, SILENT, WRONG_LAYOUT, CLOSED, STALLED)

CURES = {
    REFUSED: (
        "Start the game, load OpenPlanet and its telemetry plugin. If the game runs: the plugin may have ended because "
        "its port was taken; reload it (F3, Developer, (Re)load plugin)."
    ),
    SILENT: "Load a map and let the car appear, and end other programs that read the plugin: it serves one at a time.",
    WRONG_LAYOUT: "Set env.layout to what the plugin sends, or load the plugin that env.layout names.",
    CLOSED: "Was the game closed, or the plugin reloaded? The next reset connects again.",
    STALLED: "Is the game paused, minimised or loading? Give it the screen and at least 30 frames/s.",
}


class LinkFault(SimulatorUnavailable):
    """The telemetry link does not deliver.

    Args:
        cause: one of `CAUSES`.
        where: the plugin's address.
        seen: what happened, as the end of a sentence.

    Attributes:
        cause: as above.
    """

    def __init__(self, cause: str, where: str, seen: str) -> None:
        super().__init__(f"TrackMania's telemetry at {where} {seen} {CURES[cause]}")
        self.cause = cause
