"""SAC's RLModule: a squashed-Gaussian actor, twin critics with targets, and a learned temperature."""

import copy
import math

import torch
from torch import nn

from models.actor_module import ActorModule
from models.encoder import target_class
from models.heads import QHeads, SquashedGaussianHead


class SACModule(ActorModule):
    """Actor, critics, target critics and temperature of SAC.

    A shared encoder is trained by the critics' loss alone; the actor reads its features detached. Only the critics'
    heads have targets: both sides of the Bellman equation see the online encoder. `average_actor` follows the actor
    slowly: it is what is evaluated and saved, because a single actor's skill changes from update to update.

    `model_config` adds `critic_hidden` (widths of the critics) and `initial_alpha` (temperature).

    Source: Haarnoja et al. (2018); encoder and targets as in DrQ-v2 (Yarats et al., 2021, algorithm 1); averaging as in
    Polyak and Juditsky (1992).
    """

    def setup(self) -> None:
        """Build the networks. SAC learns through its actions, which only the squashed Gaussian lets gradients pass."""
        target_class(self.model_config["head"]["_target_"], SquashedGaussianHead)
        super().setup()

    def setup_critic(self) -> None:
        """Build critics, targets, the averaged actor and the temperature."""
        self.critic = QHeads(
            feature_dim=self.critic_encoder.feature_dim,
            action_dim=self.action_space.shape[0],
            hidden=self.model_config["critic_hidden"],
        )
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.average_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(self.model_config["initial_alpha"])))
