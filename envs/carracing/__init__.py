"""CarRacing at the speed of its physics. Importing this registers `chicane/CarRacing-v3` with Gymnasium."""

import gymnasium as gym

ENV_ID = "chicane/CarRacing-v3"

if ENV_ID not in gym.registry:
    gym.register(
        ENV_ID,
        entry_point="envs.carracing.env:CarRacingEnv",
        vector_entry_point="envs.carracing.vector:CarRacingVectorEnv",
        reward_threshold=900,
    )
