"""Archives of stable-baselines3: read when trusted, and what is said of those that hold something else."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from greenband.agents import learners
from greenband.agents.archive import ArchivedController
from greenband.envs.spaces import action_space, observation_space
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.observation import OBSERVATION_SIZE

NETWORK = {"hidden": 16, "wait_limit_s": 70.0}


class Still(gymnasium.Env[Any, Any]):
    """Nothing happens."""

    def __init__(self) -> None:
        self.observation_space, self.action_space = observation_space(), action_space()


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_a_trusted_archive_decides_as_the_learner_does(name: str, tmp_path: Path) -> None:
    env, file = DummyVecEnv([Still]), tmp_path / "saved.zip"
    more = {"temperature": 0.5, "n_steps": 8, "batch_size": 8} if name == "ppo" else {"buffer_size": 10}
    learner = getattr(learners, name)(env, 0, lambda: 0.0, tmp_path, learning_rate=1e-3, **NETWORK, **more)
    learner.save(file)
    subject = resolve(str(file), trust=True)
    controller: Any = subject.make()
    assert (subject.name, type(controller)) == ("saved", ArchivedController)
    assert controller.network.wait_limit_s == 70.0
    rows = np.random.default_rng(0).random((50, OBSERVATION_SIZE)).astype(np.float32)
    with torch.no_grad():
        expected = learner.policy.scorers()[0](torch.from_numpy(rows)).numpy()
    assert (controller.scores(rows) == expected).all()


def test_archives_of_something_else_are_refused(tmp_path: Path) -> None:
    other, empty, text = tmp_path / "other.zip", tmp_path / "empty.zip", tmp_path / "text.zip"
    PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu").save(other)
    zipfile.ZipFile(empty, "w").close()
    text.write_text("no archive", encoding="utf-8")
    for file in (other, empty, text, tmp_path / "missing.zip"):
        with pytest.raises(BadInput, match="not an archive of one of this package's learners"):
            ArchivedController(file)
