"""Which values of TMRL's `config.json` are taken over, of which types they must be, and which are left behind."""

import math
from collections.abc import Mapping
from typing import Any

from envs.errors import ConfigError
from envs.trackmania import tmrl_keys as keys

TRUTH, WHOLE, NUMBER, TEXT = "true or false", "a whole number", "a number", "a text"
ALGORITHM = "ALGORITHM"
ALGORITHMS = ("SAC", "REDQSAC")
PICTURES = ("IMG_WIDTH", "IMG_HEIGHT", "IMG_GRAYSCALE")  # taken over where pictures are observed
RUN, ALG, ENV, RTGYM, REWARD = "", "ALG.", "ENV.", "ENV.RTGYM_CONFIG.", "ENV.REWARD_CONFIG."
TAKEN: Mapping[str, Mapping[str, str]] = {
    RUN: {"VIRTUAL_GAMEPAD": TRUTH, "RW_MAX_SAMPLES_PER_EPISODE": WHOLE},
    ALG: {ALGORITHM: TEXT},
    ENV: {
        **{"RTGYM_INTERFACE": TEXT, "SLEEP_TIME_AT_RESET": NUMBER, "IMG_HIST_LEN": WHOLE},
        **{"IMG_WIDTH": WHOLE, "IMG_HEIGHT": WHOLE, "IMG_GRAYSCALE": TRUTH},
    },
    RTGYM: {
        **{"time_step_duration": NUMBER, "start_obs_capture": NUMBER, "time_step_timeout_factor": NUMBER},
        **{"ep_max_length": NUMBER, "act_buf_len": WHOLE, "act_in_obs": TRUTH, "wait_on_done": TRUTH},
    },
    REWARD: {
        **{"END_OF_TRACK": NUMBER, "CONSTANT_PENALTY": NUMBER, "MAX_STRAY": NUMBER, "CHECK_FORWARD": WHOLE},
        **{"CHECK_BACKWARD": WHOLE, "FAILURE_COUNTDOWN": WHOLE, "MIN_STEPS": WHOLE},
    },
}
_ELSEWHERE = {"ALG", "ENV", "__VERSION__", "RTGYM_CONFIG", "REWARD_CONFIG", "interface_kwargs", *keys.SECRETS}
_KNOWN = {RUN: keys.RUN, ALG: keys.ALG, ENV: keys.ENV, RTGYM: keys.RTGYM, REWARD: set(keys.REWARD)}

Sections = Mapping[str, Mapping[str, Any]]  # by the prefix of their keys


def check_values(sections: Sections) -> None:
    """Refuse values of the wrong type.

    Raises:
        ConfigError: says which key, what was expected, and what came.
    """
    for prefix, section in sections.items():
        for name, kind in TAKEN[prefix].items():
            if name in section and not _is(section[name], kind):
                raise ConfigError(f"Expected {prefix}{name} of the config.json to be {kind}, got {section[name]!r}.")


def check_algorithm(alg: Mapping[str, Any]) -> list[str]:
    """Return what a person should know of the algorithm, sentences.

    Raises:
        ConfigError: TMRL has none of this name.
    """
    name = alg.get(ALGORITHM, ALGORITHMS[0])
    if name not in ALGORITHMS:
        raise ConfigError(
            f"Expected ALG.ALGORITHM of the config.json to be one of {', '.join(ALGORITHMS)}, got {name!r}: TMRL has "
            "no other. Choose one of them there, or leave the file and choose an algo of ours on the command line."
        )
    if name == ALGORITHMS[0]:
        return []
    return [
        f"ALG.ALGORITHM is {name}, which learns with an ensemble of critics and several updates a step: algo=sac is "
        "not it, but SAC with two critics."
    ]


def left_behind(sections: Sections, *, sees_pictures: bool) -> tuple[str, ...]:
    """Return the keys that TMRL knows and nothing here takes over, in the file's order, section by section."""
    left = []
    for prefix, section in sections.items():
        taken = set(TAKEN[prefix]) | _ELSEWHERE
        if prefix == ENV and not sees_pictures:
            taken -= set(PICTURES)
        dead = keys.DEAD_PREFIXES if prefix == ALG else ()
        left += [
            f"{prefix}{name}"
            for name in section
            if name in _KNOWN[prefix] and name not in taken and not name.startswith(dead)
        ]
    return tuple(left)


def _is(value: Any, kind: str) -> bool:
    if kind == TRUTH:
        return isinstance(value, bool)
    if kind == TEXT:
        return isinstance(value, str)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    return is_number and (kind == NUMBER or isinstance(value, int))
