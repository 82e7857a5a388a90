"""Builds stable-baselines3 learners with one policy shared by all signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from greenband.agents.parallel import ParallelPPO
from greenband.agents.policies import CycleActorCritic, MaskedDQN, StageActorCritic, StageQPolicy
from greenband.errors import BadInput
from greenband.processes import cores

__all__ = ["cycle_ppo", "dqn", "ppo"]

Fraction = Callable[[], float]


def ppo(
    env: VecEnv,
    seed: int,
    progress: Fraction,
    log_dir: Path,
    *,
    hidden: int,
    wait_limit_s: float,
    temperature: float,
    learning_rate: float,
    prior: str = "hold",
    parts: int = 1,
    **settings: Any,
) -> ParallelPPO:
    """A PPO learner; ``progress`` tells the share of the run that is over, ``settings`` go to stable-baselines3.

    ``prior`` is the untrained policy, see ``greenband.agents.networks.StageScorer``. The network has several ``parts``
    if it begins as a policy that has.

    Raises:
        BadInput: a setting is no number, or out of the range of the network.
    """
    _check_mode(env, spaces.Discrete)
    _check_numbers({"hidden": hidden, "wait_limit_s": wait_limit_s, "temperature": temperature})
    network = {
        "hidden": hidden,
        "prior": prior,
        "wait_limit_s": wait_limit_s,
        "temperature": temperature,
        "parts": parts,
    }
    return _ppo(StageActorCritic, network, env, seed, progress, log_dir, learning_rate, settings)


def cycle_ppo(
    env: VecEnv,
    seed: int,
    progress: Fraction,
    log_dir: Path,
    *,
    hidden: int,
    spread: float,
    learning_rate: float,
    **settings: Any,
) -> ParallelPPO:
    """A PPO learner in the mode ``cycle``; arguments as for ``ppo``, ``spread`` is how far adjustments are tried."""
    _check_mode(env, spaces.Box)
    _check_numbers({"hidden": hidden, "spread": spread})
    network = {"hidden": hidden, "spread": spread}
    return _ppo(CycleActorCritic, network, env, seed, progress, log_dir, learning_rate, settings)


def _ppo(
    policy: type[StageActorCritic | CycleActorCritic],
    network: Mapping[str, Any],
    env: VecEnv,
    seed: int,
    progress: Fraction,
    log_dir: Path,
    learning_rate: float,
    settings: dict[str, Any],
) -> ParallelPPO:
    _check_numbers({"learning_rate": learning_rate, **settings})
    settings["batch_size"] = min(settings["batch_size"], settings["n_steps"] * env.num_envs)
    learner = ParallelPPO(
        policy,
        env,
        learning_rate=_annealed(learning_rate, progress),
        policy_kwargs=dict(network),
        seed=seed,
        tensorboard_log=str(log_dir),
        device="cpu",
        **settings,
    )
    learner.threads = min(cores(), getattr(env, "processes", 1))
    return learner


def dqn(
    env: VecEnv,
    seed: int,
    progress: Fraction,
    log_dir: Path,
    *,
    hidden: int,
    wait_limit_s: float,
    learning_rate: float,
    prior: str | None = None,
    parts: int = 1,
    **settings: Any,
) -> MaskedDQN:
    """A DQN learner; arguments as for ``ppo``. Its scores are added to the ``prior``'s, see ``StageQPolicy``.

    Raises:
        BadInput: as for ``ppo``; a number of steps or a share that is none.
        UnknownName: there is no such prior.
    """
    _check_mode(env, spaces.Discrete)
    _check_numbers({"hidden": hidden, "wait_limit_s": wait_limit_s, "learning_rate": learning_rate, **settings})
    if not 0 < settings.get("tau", 1.0) <= 1:
        raise BadInput(f"agent.tau={settings['tau']}: must be above 0 and at most 1")
    if settings.get("n_steps", 1) < 1:
        raise BadInput(f"agent.n_steps={settings['n_steps']}: must be at least 1")
    network = {"hidden": hidden, "prior": prior, "wait_limit_s": wait_limit_s, "parts": parts}
    if (interval := settings.get("target_update_interval")) is not None:
        settings["target_update_interval"] = max(interval, env.num_envs)
    learner = MaskedDQN(
        StageQPolicy,
        env,
        learning_rate=_annealed(learning_rate, progress),
        policy_kwargs=network,
        seed=seed,
        tensorboard_log=str(log_dir),
        device="cpu",
        **settings,
    )
    learner.run_progress = progress
    return learner


def _check_mode(env: VecEnv, actions: type[spaces.Space[Any]]) -> None:
    if not isinstance(env.action_space, actions):
        raise BadInput("configuration: env=stage is for agent=ppo and agent=dqn, env=cycle for agent=cycle_ppo")


def _check_numbers(settings: Mapping[str, Any]) -> None:
    """The learner itself would only stumble over text in the middle of a run."""
    for name, value in settings.items():
        if isinstance(value, str | Mapping):
            raise BadInput(f"agent.{name}={value!r}: must be a number")


def _annealed(start: float, progress: Fraction) -> Callable[[float], float]:
    """Linear fall to a tenth over the run."""
    return lambda _remaining: start * (1 - 0.9 * min(1.0, progress()))
