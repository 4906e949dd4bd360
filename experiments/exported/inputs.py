"""What goes into one decision of an exported policy and what comes out, by name; here is no torch."""

import gymnasium as gym

from envs.errors import ConfigError
from envs.stacking import frame_stack
from experiments.policy_description import PolicyDescription
from experiments.spaces import module_space

ACTIONS, STATE, IS_FIRST, NEXT_STATE = "actions", "state", "is_first", "next_state"


def graph_space(description: PolicyDescription) -> gym.spaces.Dict:
    """Return the space of a policy's stacked observations, by name in alphabetical order: the order of inputs.

    Raises:
        ConfigError: A part has a name that exported files give to something else.
    """
    parts = module_space(description.observation_space, frame_stack(description.env)).spaces
    taken = {ACTIONS, STATE, IS_FIRST, NEXT_STATE} & set(parts)
    if taken:
        raise ConfigError(
            f"The observation has a part named {min(taken)!r}, which exported policies call something of their own. "
            "Let the env name it otherwise and train anew."
        )
    return gym.spaces.Dict({name: parts[name] for name in sorted(parts)})
