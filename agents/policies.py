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
from torch.nn import functional

from greenband.agents.networks import CycleActor, StageScorer, StageValue, linear_scores, stage_features
from greenband.errors import BadInput
from greenband.observation import MAX_STAGES, action_mask
from greenband.plan.adaptive import ADJUSTMENTS

__all__ = ["CycleActorCritic", "MaskedDQN", "StageActorCritic", "StageQPolicy"]

PRIOR_VALUE = 0.2  # share of a rule's scores that is about what its choices are worth in reward


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

    def scorers(self) -> list[Any]:
        """The network that decides."""
        return [self.mlp_extractor.actor]


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

    def evaluate_actions(self, obs: Any, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Values ``[batch, 1]``, logarithms of probability ``[batch]`` and entropies ``[batch]`` of decisions.

        Where a signal has no choice, as most of the time, the latter two are 0 and the actor has nothing to learn.
        """
        allowed: Any = action_mask(obs)
        free = allowed.sum(1) > 1
        free[0] |= ~free.any()  # there are no distributions of nothing
        distribution = self.get_distribution(obs[free])
        none = torch.zeros(len(obs))
        log_probs = none.masked_scatter(free, distribution.log_prob(actions.flatten()[free]))
        entropies: Any = distribution.entropy()
        return self.predict_values(obs), log_probs, none.masked_scatter(free, entropies)


class CycleActorCritic(_ActorCritic):
    """Adjustments of a plan, drawn from normal distributions about the actor's, and a value."""

    def __init__(self, *args: Any, hidden: int = 64, spread: float = 0.3, **kwargs: Any) -> None:
        if not spread > 0:
            raise BadInput(f"agent.spread={spread}: must be above 0")
        self._hidden = hidden
        super().__init__(*args, **{**kwargs, "ortho_init": False, "log_std_init": math.log(spread)})

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor: Any = _ActorAndCritic(CycleActor(self._hidden), ADJUSTMENTS, self._hidden)


class _StageValues(nn.Module):
    """What is worth how much at a signal: a value of its state, and the scores of its stages about their mean.

    A dueling network (Wang et al., ICML 2016): what all stages have in common is not for the scores to follow. The
    scorer decides by these and a rule's on top, the ``prior``, which are no part of the values: it starts from sensible
    traffic, and what is worth next to nothing, and lost in noise, does not sway it.
    """

    def __init__(self, hidden: int, prior: str | None, wait_limit_s: float, parts: int) -> None:
        super().__init__()
        self.scorer = StageScorer(hidden, wait_limit_s=wait_limit_s, parts=parts)
        self.state = nn.Sequential(StageValue(hidden), nn.Linear(hidden, 1))
        with torch.no_grad():
            self.scorer.score.weight.mul_(0.1)
        if prior is not None:
            self.scorer.add_rule(PRIOR_VALUE, prior)
        self.register_buffer("prior", self.scorer.linear.weight.detach().clone())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """What decides, ``[batch, MAX_STAGES]``: scores with mask and wait limit."""
        scores: torch.Tensor = self.scorer(observations)
        return scores

    def values(self, observations: torch.Tensor, stages: torch.Tensor) -> torch.Tensor:
        """Discounted reward after choosing ``stages``, shape ``[batch, 1]`` as the result."""
        scores = self.scorer.learned(observations) - linear_scores(stage_features(observations), self.prior)
        allowed: Any = action_mask(observations)  # type: ignore[arg-type]
        mean = (scores * allowed).sum(1, keepdim=True) / allowed.sum(1, keepdim=True).clamp(min=1)
        value: torch.Tensor = self.state(observations) + scores.gather(1, stages) - mean
        return value


class StageQPolicy(DQNPolicy):
    """DQN policy over the stage scorer, whose untrained choice is the ``prior``'s."""

    def __init__(
        self,
        *args: Any,
        hidden: int = 64,
        prior: str | None = None,
        wait_limit_s: float = 0.0,
        parts: int = 1,
        **kwargs: Any,
    ) -> None:
        self._network = hidden, prior, wait_limit_s, parts
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> QNetwork:
        """SB3's Q network with the stage scorer inside."""
        network: Any = super().make_q_net()
        network.q_net = _StageValues(*self._network)
        q_network: QNetwork = network.to(self.device)
        return q_network

    def scorers(self) -> list[StageScorer]:
        """The network that decides, SB3's target, which is the mean of how the second was of late; that explores."""
        networks: list[Any] = [self.q_net_target.q_net, self.q_net.q_net]
        return [network.scorer for network in networks]


class MaskedDQN(DQN):
    """Double DQN (van Hasselt et al., AAAI 2016) whose random exploration draws among allowed stages only.

    What follows a decision is the stage that the policy would choose then, within mask and wait limit, at the value
    that the target network gives it: what is learned are values of the policy as it acts. ``run_progress`` tells the
    share of the run that is over, by steps or by time; exploration falls with it.
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
        """Epsilon-greedy from the first decision on: the prior is worth following while nothing is learned."""
        assert self._last_obs is not None
        action, _ = self.predict(self._last_obs, deterministic=False)
        return action, action

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Follow gradients of the Huber loss of the values of replayed decisions."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        online: Any = self.q_net.q_net
        target: Any = self.q_net_target.q_net
        buffer: Any = self.replay_buffer
        losses = []
        for _ in range(gradient_steps):
            replayed = buffer.sample(batch_size)
            discounts = self.gamma if replayed.discounts is None else replayed.discounts
            with torch.no_grad():
                following = online(replayed.next_observations).argmax(1, keepdim=True)
                values = target.values(replayed.next_observations, following)
                wanted = replayed.rewards + (1 - replayed.dones) * discounts * values
            loss = functional.smooth_l1_loss(online.values(replayed.observations, replayed.actions.long()), wanted)
            self.policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
            losses.append(loss.item())
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))
