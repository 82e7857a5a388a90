"""PPO and DQN keep to the mask wherever they choose, and solve a tiny problem in seconds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
import torch
from stable_baselines3.common.logger import configure
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv

from greenband import registry
from greenband.agents import learners
from greenband.agents.networks import StageScorer
from greenband.agents.policies import MaskedDQN, StageActorCritic
from greenband.envs.spaces import action_space, observation_space
from greenband.errors import BadInput, UnknownName
from greenband.observation import MAX_STAGES, OBSERVATION_SIZE, STAGE_FEATURES, action_mask

F = len(STAGE_FEATURES)
STANDING, LEAVING, APPROACHING = (STAGE_FEATURES.index(n) for n in ("standing", "leaving", "approaching"))
NETWORK = {"hidden": 16, "wait_limit_s": 0}
PPO = {
    **NETWORK,
    "temperature": 1.0,
    "n_steps": 32,
    "batch_size": 128,
    "n_epochs": 6,
    "gamma": 0.5,
    "learning_rate": 1e-2,
}
DQN = {
    **NETWORK,
    "learning_starts": 200,
    "batch_size": 64,
    "gamma": 0.5,
    "learning_rate": 5e-3,
    "train_freq": 4,
    "gradient_steps": 4,
    "target_update_interval": 200,
    "buffer_size": 5000,
}


class Game(gymnasium.Env[npt.NDArray[np.float32], np.int64]):
    """One of four stages pays 1, the others 0: that with the feature ``good`` at 1. The prior would take another.

    Some stages are forbidden, never the good one; asking for one of those ends the test.
    """

    good = LEAVING  # the untrained policy shuns full exits, so that there is something to learn
    observation_space, action_space = observation_space(), action_space()

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.asked_forbidden = 0

    def _draw(self) -> npt.NDArray[np.float32]:
        table = np.zeros((MAX_STAGES, F), np.float32)
        self._best = int(self._rng.integers(4))
        table[:4, 0] = self._rng.random(4) < 0.7
        table[:4, 1] = 1
        table[0, 2] = 1
        table[:4, APPROACHING] = self._rng.random(4) * 0.5
        table[self._best, [0, self.good]] = 1
        self.mask = table[:, 0] > 0.5
        return np.concatenate([table.ravel(), np.zeros(3, np.float32)])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        self._left = 25
        return self._draw(), {}

    def step(self, action: np.int64) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.asked_forbidden += not self.mask[action]
        reward = float(action == self._best)
        self._left -= 1
        return self._draw(), reward, False, self._left == 0, {}


def games(count: int = 4) -> DummyVecEnv:
    return DummyVecEnv([lambda k=k: Game(k) for k in range(count)])  # type: ignore[misc]


def asked_forbidden(env: DummyVecEnv) -> int:
    return sum(int(value) for value in env.get_attr("asked_forbidden"))


def score(learner: Any, rounds: int = 100) -> float:
    """Mean reward of its deterministic choices in games that it did not train on."""
    env = DummyVecEnv([lambda: Game(999)])
    rows, total = env.reset(), 0.0
    for _ in range(rounds):
        rows, rewards, _, _ = env.step(learner.predict(rows, deterministic=True)[0])
        total += float(rewards[0])
    return total / rounds


def make(name: str, env: DummyVecEnv, folder: Path, progress: float = 0.0, seed: int = 0) -> Any:
    settings = {"ppo": PPO, "dqn": DQN}[name]
    return getattr(learners, name)(env, seed, lambda: progress, folder, **settings)


@pytest.mark.parametrize(("name", "steps"), [("ppo", 4000), ("dqn", 4000)])
def test_it_learns_and_never_asks_for_a_forbidden_stage(name: str, steps: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    env = games()
    learner = make(name, env, tmp_path, seed=1)
    before = score(learner)
    learner.learn(steps)
    assert asked_forbidden(env) == 0
    assert before < 0.7
    assert score(learner) > 0.95


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_choices_stay_within_the_mask(name: str, deterministic: bool, tmp_path: Path) -> None:
    env = games(64)
    learner = make(name, env, tmp_path)
    learner.exploration_rate = 1.0
    rows = env.reset()
    chosen = set()
    for _ in range(30):
        actions, _ = learner.predict(rows, deterministic=deterministic)
        assert action_mask(np.asarray(rows))[np.arange(64), actions].all()
        chosen |= set(actions.tolist())
        rows = env.step(actions)[0]
    assert chosen == {0, 1, 2, 3}
    one, _ = learner.predict(np.asarray(rows)[0], deterministic=deterministic)
    assert np.shape(one) == ()
    assert action_mask(np.asarray(rows)[0])[int(one)]


def test_dqn_explores_from_the_first_decision_on_over_all_allowed_stages(tmp_path: Path) -> None:
    env = games(64)
    learner: MaskedDQN = make("dqn", env, tmp_path)
    learner._last_obs = env.reset()
    masks = action_mask(np.asarray(learner._last_obs))
    for learning_starts in (10, 0):  # before and after the first update, with epsilon 1
        learner.exploration_rate = 1.0
        drawn = np.stack([learner._sample_action(learning_starts, None, 64)[0] for _ in range(150)])
        for slot, mask in enumerate(masks):
            assert set(drawn[:, slot].tolist()) == set(np.flatnonzero(mask).tolist())
    learner.exploration_rate = 0.0
    greedy, _ = learner.predict(learner._last_obs, deterministic=True)
    assert (learner.predict(learner._last_obs)[0] == greedy).all()


def test_the_rule_that_dqn_begins_with_is_no_part_of_its_values(tmp_path: Path) -> None:
    rows = torch.as_tensor(np.asarray(games(64).reset()))
    stages = torch.as_tensor(action_mask(rows.numpy())).int().argmax(1, keepdim=True)
    plain, ruled = (
        learners.dqn(games(), 3, lambda: 0.0, tmp_path, **{**DQN, "prior": prior}) for prior in (None, "hold")
    )
    with torch.no_grad():
        values = [learner.q_net.q_net.values(rows, stages) for learner in (plain, ruled)]
        chosen = [learner.predict(rows.numpy(), deterministic=True)[0] for learner in (plain, ruled)]
    assert torch.allclose(values[0], values[1], atol=1e-5)
    assert (chosen[0] != chosen[1]).any()
    by_rule = StageScorer(16)
    torch.nn.init.zeros_(by_rule.score.weight)
    by_rule.add_rule(1.0)
    assert (chosen[1] == by_rule(rows).argmax(1).numpy()).mean() > 0.9


def test_values_of_dqn_are_those_of_the_policy_as_it_acts(tmp_path: Path) -> None:
    """Where the wait limit takes a decision from the network, what follows is worth what that decision is."""
    learner: Any = learners.dqn(games(), 3, lambda: 0.0, tmp_path, **{**DQN, "wait_limit_s": 30, "gradient_steps": 1})
    rows = np.asarray(games().reset())
    late = rows.copy()
    table = late[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)
    table[:, :4, 0] = 1
    table[:, 3, [STAGE_FEATURES.index("red"), STANDING]] = 10.0, 0.1  # 1200 s of red
    for _ in range(60):
        learner.replay_buffer.add(rows, late, np.zeros((4, 1), int), np.zeros(4), np.zeros(4, bool), [{}] * 4)
    asked: list[torch.Tensor] = []
    network = learner.q_net_target.q_net
    values = network.values

    def watched(seen: torch.Tensor, stages: torch.Tensor) -> Any:
        asked.append(stages)
        return values(seen, stages)

    network.values = watched
    learner.set_logger(configure(str(tmp_path), []))
    learner.train(1, 32)
    assert (asked[0] == 3).all()


def test_ppo_gives_forbidden_stages_no_probability(tmp_path: Path) -> None:
    env = games(64)
    learner = make("ppo", env, tmp_path)
    rows = torch.as_tensor(np.asarray(env.reset()))
    distribution = learner.policy.get_distribution(rows).distribution
    assert (distribution.probs[~action_mask(rows.numpy())] == 0).all()
    _, log_prob, entropy = learner.policy.evaluate_actions(rows, distribution.sample())
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(entropy).all()
    assert (entropy <= np.log(4) + 1e-5).all()


def test_every_weight_of_ppo_is_trained(tmp_path: Path) -> None:
    env = games()
    learner = make("ppo", env, tmp_path)
    held = {id(p) for group in learner.policy.optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in learner.policy.parameters()} == held
    before = {name: value.clone() for name, value in learner.policy.scorers()[0].state_dict().items()}
    learner.learn(128)
    after = learner.policy.scorers()[0].state_dict()
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


def test_the_learning_rate_falls_to_a_tenth(tmp_path: Path) -> None:
    for name, rate in (("ppo", 1e-2), ("dqn", 5e-3)):
        assert make(name, games(), tmp_path, 0.0).lr_schedule(1.0) == pytest.approx(rate)
        assert make(name, games(), tmp_path, 1.0).lr_schedule(1.0) == pytest.approx(rate / 10)


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_the_shipped_settings_make_a_learner(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*truncated mini-batch")  # four slots are fewer than in training
        learner = registry.make("agent", name, env=games(), seed=0, progress=lambda: 0.0, log_dir=tmp_path)
    assert learner.policy.scorers()[0].hidden == 64


class Levers(gymnasium.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """Adjustments pay the more the nearer they are to 0.5."""

    observation_space, action_space = observation_space(), action_space("cycle")

    def _draw(self) -> npt.NDArray[np.float32]:
        table = np.zeros((MAX_STAGES, F), np.float32)
        table[:4, 1] = table[0, 2] = 1
        return np.concatenate([table.ravel(), np.zeros(3, np.float32)])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        self._left = 25
        return self._draw(), {}

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._left -= 1
        return self._draw(), -float(np.square(action[[0, 1, 2, 3, 8, 9]] - 0.5).sum()), False, self._left == 0, {}


def test_ppo_of_adjustments_learns(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    env: DummyVecEnv = DummyVecEnv([Levers] * 4)
    settings = {**PPO, "spread": 0.3}
    del settings["temperature"], settings["wait_limit_s"]
    learner = learners.cycle_ppo(env, 0, lambda: 0.0, tmp_path, **settings)
    before = learner.predict(env.reset(), deterministic=True)[0]
    assert np.abs(before).max() < 0.1  # the plan as it is
    learner.learn(4000)
    after = learner.predict(env.reset(), deterministic=True)[0][:, [0, 1, 2, 3, 8, 9]]
    assert np.abs(after - 0.5).max() < 0.2


def test_agents_of_the_other_mode_are_refused(tmp_path: Path) -> None:
    levers: DummyVecEnv = DummyVecEnv([Levers])
    for name, env in (("ppo", levers), ("dqn", levers), ("cycle_ppo", games())):
        with pytest.raises(BadInput, match="env=cycle for agent=cycle_ppo"):
            registry.make("agent", name, env=env, seed=0, progress=lambda: 0.0, log_dir=tmp_path)


def test_a_setting_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="gama"):
        registry.make("agent", "ppo", gama=0.9, env=games(), seed=0, progress=lambda: 0.0, log_dir=tmp_path)


def test_temperature_divides_scores_and_changes_no_greedy_choice(tmp_path: Path) -> None:
    rows = games().reset()
    cold, warm = (
        learners.ppo(games(), 0, lambda: 0.0, tmp_path, **{**PPO, "temperature": value}) for value in (0.1, 1.0)
    )
    assert (cold.predict(rows, deterministic=True)[0] == warm.predict(rows, deterministic=True)[0]).all()
    observations = torch.as_tensor(rows)
    sure, unsure = (
        learner.policy.get_distribution(observations).distribution.probs.max(1).values for learner in (cold, warm)
    )
    assert (sure > unsure).all()


def test_a_temperature_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"agent\.temperature=0: must be above 0"):
        learners.ppo(games(), 0, lambda: 0.0, tmp_path, **{**PPO, "temperature": 0})


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("tau", 2, r"agent\.tau=2: must be above 0 and at most 1"),
        ("tau", 0.0, r"agent\.tau=0\.0: must be above 0"),
        ("n_steps", 0, r"agent\.n_steps=0: must be at least 1"),
        ("prior", "wide", "unknown prior 'wide': choose from hold, wave"),
    ],
)
def test_settings_of_dqn_out_of_range_are_named(setting: str, value: object, message: str, tmp_path: Path) -> None:
    with pytest.raises((BadInput, UnknownName), match=message):
        registry.make("agent", "dqn", env=games(), seed=0, progress=lambda: 0.0, log_dir=tmp_path, **{setting: value})


@pytest.mark.parametrize("choices", [1.0, 0.4, 0.0])
def test_decisions_are_judged_as_stable_baselines3_does(choices: float) -> None:
    """Some signals have a choice, or all, or none: values, probabilities, entropies and gradients are the same."""
    torch.manual_seed(1)
    policy = StageActorCritic(observation_space(), action_space(), lambda _: 1e-3, hidden=8, prior="hold")
    observations = torch.rand(60, OBSERVATION_SIZE)
    stages = observations[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)
    stages[:, :, 1] = torch.arange(MAX_STAGES) < 4
    stages[:, :, 0] = stages[:, :, 1] * (torch.rand(60, 1) < choices)
    stages[:, 2, 0] = 1
    actions = policy.get_distribution(observations).get_actions()
    found = []
    judges: list[Any] = [StageActorCritic.evaluate_actions, ActorCriticPolicy.evaluate_actions]
    for judge in judges:
        policy.zero_grad()
        values, log_probs, entropies = judge(policy, observations, actions)
        (values.sum() + (log_probs * torch.linspace(-1, 1, 60)).sum() + entropies.sum()).backward()
        found.append([values, log_probs, entropies, *(p.grad for p in policy.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
