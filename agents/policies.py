"""stable-baselines3 policies over the networks, and a DQN that explores within the mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from greenband.agents.networks import CycleActor, StageScorer, StageValue
from greenband.errors import BadInput
from greenband.observation import MAX_STAGES, action_mask
from greenband.plan.adaptive import ADJUSTMENTS

__all__ = ["CycleActorCritic", "MaskedDQN", "StageActorCritic", "StageQPolicy"]


class _ActorAndCritic(nn.Module):
    """The pair that SB3 calls an mlp_extractor; the actor's latent are the parameters of the actions themselves."""

    def __init__(self, actor: nn.Module, size: int, hidden: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.actor, self.critic, self.temperature = actor, StageValue(hidden), temperature
        self.latent_dim_pi, self.latent_dim_vf = size, hidden

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.forward_actor(observations), self.forward_critic(observations)

    def forward_actor(self, observations: torch.Tensor) -> torch.Tensor:
        wanted: torch.Tensor = self.actor(observations) / self.temperature
        return wanted

    def forward_critic(self, observations: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.critic(observations)
        return features


class _ActorCritic(ActorCriticPolicy):
    """PPO policy whose actor's output is what the distribution of actions takes."""

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net: Any = nn.Identity()
        make_optimizer: Any = self.optimizer_class
        self.optimizer = make_optimizer(self.parameters(), lr=lr_schedule(1), fused=True, **self.optimizer_kwargs)

    def scorer(self) -> Any:
        """The network that decides."""
        return self.mlp_extractor.actor


class StageActorCritic(_ActorCritic):
    """Masked stage scores, over ``temperature`` the logits, and a value."""

    def __init__(
        self,
        *args: Any,
        hidden: int = 64,
        prior: str = "hold",
        wait_limit_s: float = 0.0,
        temperature: float = 1.0,
        parts: int = 1,
        **kwargs: Any,
    ) -> None:
        if not temperature > 0:
            raise BadInput(f"agent.temperature={temperature}: must be above 0")
        self._network = hidden, prior, wait_limit_s, temperature, parts
        super().__init__(*args, **{**kwargs, "ortho_init": False})

    def _build_mlp_extractor(self) -> None:
        hidden, prior, wait_limit_s, temperature, parts = self._network
        actor = StageScorer(hidden, prior, wait_limit_s, parts)
        self.mlp_extractor: Any = _ActorAndCritic(actor, MAX_STAGES, hidden, temperature)


class CycleActorCritic(_ActorCritic):
    """Adjustments of a plan, drawn from normal distributions about the actor's, and a value."""

    def __init__(self, *args: Any, hidden: int = 64, spread: float = 0.3, **kwargs: Any) -> None:
        if not spread > 0:
            raise BadInput(f"agent.spread={spread}: must be above 0")
        self._hidden = hidden
        super().__init__(*args, **{**kwargs, "ortho_init": False, "log_std_init": math.log(spread)})

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor: Any = _ActorAndCritic(CycleActor(self._hidden), ADJUSTMENTS, self._hidden)


class StageQPolicy(DQNPolicy):
    """DQN policy: one Q value per stage, forbidden ones far below all others."""

    def __init__(self, *args: Any, hidden: int = 64, wait_limit_s: float = 0.0, parts: int = 1, **kwargs: Any) -> None:
        self._network: dict[str, Any] = {"hidden": hidden, "wait_limit_s": wait_limit_s, "parts": parts}
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """SB3's Q network with the stage scorer inside."""
        network: Any = super().make_q_net()
        network.q_net = StageScorer(**self._network)
        q_network: QNetwork = network.to(self.device)
        return q_network

    def scorer(self) -> StageScorer:
        """The network that decides."""
        network: Any = self.q_net.q_net
        scorer: StageScorer = network
        return scorer


class MaskedDQN(DQN):
    """DQN whose random exploration draws among allowed stages only.

    ``run_progress`` tells the share of the run that is over, by steps or by time; exploration falls with it.
    """

    run_progress: Callable[[], float] | None = None

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        if self.run_progress is not None:
            self._current_progress_remaining = 1.0 - self.run_progress()

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray[Any, Any], Any]:
        """Epsilon-greedy within the mask of each observation."""
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        if deterministic:
            return actions, state
        masks = np.atleast_2d(action_mask(np.asarray(observation)))
        random = [np.random.choice(np.flatnonzero(mask)) for mask in masks]
        explore = np.random.rand(len(masks)) < self.exploration_rate
        return np.where(explore, random, np.atleast_1d(actions)).reshape(np.shape(actions)), state

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> Any:
        assert self._last_obs is not None
        if self.num_timesteps < learning_starts:
            masks = action_mask(np.asarray(self._last_obs))
            action = np.array([np.random.choice(np.flatnonzero(mask)) for mask in masks])
        else:
            action, _ = self.predict(self._last_obs, deterministic=False)
        return action, action
