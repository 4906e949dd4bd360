"""What distinguishes the three dialects of the game: commands, rewards, ends, timers."""

from dataclasses import dataclass

from envs.arguments import check_choice
from envs.roblox import messages


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One dialect. Times are seconds of the game's clock.

    Attributes:
        commands: that it knows.
        answers_ping: whether PING has an answer.
        warns_of_unknown: whether others are logged; all ignore them.
        keeps_envs: whether cars belong to envs; else all are in one world and `envid` means nothing.
        random_spawns: cars appear at random free points; else car n at point n.
        skips_malformed: one action that is none costs only itself; else also those after it.
        loss_factor: of negative rewards.
        pays_speed: whether fast driving is rewarded beside progress.
        terminated_reward: of an end by a wall.
        contact_reward: of an end by another car.
        truncated_reward: of an end by standing still; None: as if it were none.
        stuck_s: without progress; longer ends the episode.
        counts_whole_seconds: the stuck timer reads a clock of whole seconds.
        repeats_ends: an ended car is reported until it is reset; else it begins anew by itself.
        has_end_gap: a car is missing in the tick that finds its end, and reported in the next.
        ends_on_contact: cars that touch end.
        act_limit_s: an ACTION moves the engine by this at most; None: by the time since the last one, however long.
        keeps_speed: cars go on as fast as they were before a FREEZE.
        silence_s: without a message, after which the game closes; None: never.
        idle_ticks: without any car acted on, after which all cars go and ticks end; None: never.
        reconnect_s: from a closed connection to the next try; None: never.
        observes_action: the previous action is part of an observation.
        ray_height_studs: the rays begin so high, and their length is measured from the ground.
        rays_see: other cars of `all`, of the `same` env, of the `other` envs.
    """

    commands: frozenset[str]
    answers_ping: bool
    warns_of_unknown: bool
    keeps_envs: bool
    random_spawns: bool
    skips_malformed: bool
    loss_factor: float
    pays_speed: bool
    terminated_reward: float
    contact_reward: float
    truncated_reward: float | None
    stuck_s: float
    counts_whole_seconds: bool
    repeats_ends: bool
    has_end_gap: bool
    ends_on_contact: bool
    act_limit_s: float | None
    keeps_speed: bool
    silence_s: float | None
    idle_ticks: int | None
    reconnect_s: float | None
    observes_action: bool
    ray_height_studs: float
    rays_see: str


_SINCE_V1 = frozenset(
    {
        messages.SPAWN_AGENTS,
        messages.RESET_AGENTS,
        messages.REMOVE_AGENTS,
        messages.ACTION,
        messages.CREATE_ENV,
        messages.CLOSE,
        messages.CLOSE_ALL,
        messages.FREEZE,
        messages.UPDATE_COLLISIONS,
        messages.PING,
    }
)

RULES = {
    "v0": Rules(
        commands=frozenset({messages.SPAWN_AGENTS, messages.RESET, messages.ACTION, messages.CLOSE}),
        answers_ping=False,
        warns_of_unknown=False,
        keeps_envs=False,
        random_spawns=False,
        skips_malformed=False,
        loss_factor=20.0,
        pays_speed=True,
        terminated_reward=-10.0,
        contact_reward=-10.0,
        truncated_reward=None,
        stuck_s=4.0,
        counts_whole_seconds=True,
        repeats_ends=True,
        has_end_gap=False,
        ends_on_contact=False,
        act_limit_s=None,
        keeps_speed=False,
        silence_s=None,
        idle_ticks=None,
        reconnect_s=None,
        observes_action=False,
        ray_height_studs=0.0,
        rays_see="all",
    ),
    "v1": Rules(
        commands=_SINCE_V1,
        answers_ping=False,
        warns_of_unknown=True,
        keeps_envs=True,
        random_spawns=True,
        skips_malformed=False,
        loss_factor=20.0,
        pays_speed=True,
        terminated_reward=-20.0,
        contact_reward=-20.0,
        truncated_reward=-20.0,
        stuck_s=4.0,
        counts_whole_seconds=False,
        repeats_ends=False,
        has_end_gap=False,
        ends_on_contact=False,
        act_limit_s=None,
        keeps_speed=False,
        silence_s=20.0,
        idle_ticks=250,
        reconnect_s=5.0,
        observes_action=False,
        ray_height_studs=7.0,
        rays_see="other",
    ),
    "v2": Rules(
        commands=_SINCE_V1,
        answers_ping=True,
        warns_of_unknown=True,
        keeps_envs=True,
        random_spawns=True,
        skips_malformed=True,
        loss_factor=25.0,
        pays_speed=False,
        terminated_reward=-40.0,
        contact_reward=-100.0,
        truncated_reward=0.0,
        stuck_s=5.0,
        counts_whole_seconds=False,
        repeats_ends=False,
        has_end_gap=True,
        ends_on_contact=True,
        act_limit_s=4.0 / 15.0,
        keeps_speed=True,
        silence_s=20.0,
        idle_ticks=250,
        reconnect_s=5.0,
        observes_action=True,
        ray_height_studs=0.0,
        rays_see="same",
    ),
}


def rules_of(dialect: str) -> Rules:
    """Return the rules of a dialect.

    Raises:
        ConfigError: lists the dialects.
    """
    check_choice("dialect", dialect, tuple(RULES))
    return RULES[dialect]
