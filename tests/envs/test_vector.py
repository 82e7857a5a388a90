"""The VecEnv face: slots, seeds, ends of episodes, and what happens when a SUMO process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from stable_baselines3 import PPO

from greenband.envs import CorridorVecEnv, EpisodeConfig
from greenband.envs.session import Session
from greenband.envs.worker import REPLACEMENTS, Worker
from greenband.errors import SimulationError, UnknownName
from greenband.observation import MAX_STAGES, OBSERVATION_SIZE, action_mask
from greenband.scenario import Scenario

Shorten = Callable[..., Scenario]
Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def short(shixin_short: Scenario, shorten: Shorten) -> Scenario:
    """Episodes of 12 decisions at four signals."""
    return shorten(shixin_short, duration_s=40, warmup_s=20)


@pytest.fixture(scope="module")
def shared(short: Scenario) -> Iterator[CorridorVecEnv]:
    """Two processes of four signals; tests give their own seed."""
    env = CorridorVecEnv(short, processes=2)
    yield env
    env.close()


def stages(env: CorridorVecEnv, value: int = 0) -> npt.NDArray[np.int64]:
    return np.full(env.num_envs, value)


def go_on(env: CorridorVecEnv, steps: int) -> None:
    for _ in range(steps):
        env.step(stages(env))


def roll(env: CorridorVecEnv, seed: int, steps: int = 24) -> Floats:
    """Observations over more than one episode, shape ``[steps, slots, size]``."""
    env.seed(seed)
    seen = [env.reset()]
    for k in range(steps):
        seen.append(env.step(stages(env, k // 4 % 3))[0])
    return np.stack(seen)


def test_slots_are_processes_by_signals(shared: CorridorVecEnv) -> None:
    assert shared.num_envs == 2 * 4
    assert shared.signals == list(shared.scenario.network.signals)
    observations = shared.reset()
    assert (observations.shape, observations.dtype) == ((8, OBSERVATION_SIZE), np.float32)
    assert all(shared.observation_space.contains(row) for row in observations)
    assert shared.get_attr("scenario", [0, 5]) == [shared.scenario] * 2
    assert shared.env_is_wrapped(object) == [False] * 8


def test_a_slot_is_what_its_signal_sees_and_does(short: Scenario, shared: CorridorVecEnv) -> None:
    session = Session(short, EpisodeConfig())
    shared.seed(5)
    observations = shared.reset()
    try:
        seed = int(np.random.default_rng([5, 1]).integers(10_000, 2**31))
        assert (session.reset(seed) == observations[4:]).all()
        for k in range(8):
            actions = (np.arange(8) + k) % 4
            observations, rewards, dones, infos = shared.step(actions)
            step = session.step(actions[4:])
            assert (step.observations == observations[4:]).all()
            assert (step.rewards == rewards[4:]).all()
            assert [info["executed"] for info in infos[4:]] == step.executed.tolist()
            assert not dones.any()
    finally:
        session.close()


def test_a_seed_fixes_the_stream_and_processes_differ(shared: CorridorVecEnv) -> None:
    first = roll(shared, 3)
    assert (roll(shared, 3) == first).all()
    assert not (roll(shared, 4) == first).all()
    assert not (first[:, :4] == first[:, 4:]).all()
    assert not (first[6:12] == first[18:24]).all()  # the same actions in the next episode, but other traffic


def test_masks_and_infos(shared: CorridorVecEnv) -> None:
    shared.seed(1)
    observations = shared.reset()
    for _ in range(6):
        assert shared.action_masks().shape == (8, MAX_STAGES)
        assert (shared.action_masks() == action_mask(observations)).all()
        assert (np.stack(shared.env_method("action_masks")) == shared.action_masks()).all()
        actions = np.array([np.flatnonzero(mask)[-1] for mask in shared.action_masks()])
        observations, rewards, _, infos = shared.step(actions)
        assert [info["executed"] for info in infos] == actions.tolist()
        sums = [sum(info["reward_terms"].values()) for info in infos]
        assert sums == pytest.approx(rewards.tolist(), abs=1e-5)


def test_episodes_end_by_truncation_and_go_on(shared: CorridorVecEnv) -> None:
    shared.seed(1)
    shared.reset()
    for count in range(1, 26):
        observations, _, dones, infos = shared.step(stages(shared))
        assert dones.tolist() == [count % 12 == 0] * 8
        for row, done, info in zip(observations, dones, infos, strict=True):
            assert info.get("TimeLimit.truncated", False) == done
            assert ("terminal_observation" in info) == done
            if done:
                assert info["terminal_observation"].shape == row.shape
                assert not (info["terminal_observation"] == row).all()


def test_stable_baselines3_learns_on_it(shared: CorridorVecEnv) -> None:
    learner = PPO("MlpPolicy", shared, n_steps=4, batch_size=16, n_epochs=1, device="cpu")
    learner.learn(32)
    assert learner.num_timesteps == 32


def test_only_chosen_signals_have_slots(short: Scenario) -> None:
    names = list(short.network.signals)
    env = CorridorVecEnv(short, EpisodeConfig(signals=(names[2], names[0])))
    try:
        assert env.signals == [names[0], names[2]]
        assert env.reset().shape == (2, OBSERVATION_SIZE)
        assert env.step(stages(env))[1].shape == (2,)
    finally:
        env.close()


@pytest.mark.parametrize("after", [0, 5, 14])
def test_a_killed_process_is_replaced_and_nothing_changes(
    after: int, short: Scenario, shared: CorridorVecEnv, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed at the start, within an episode of 12 decisions, and within the next one."""
    undisturbed = roll(shared, 7)
    env = CorridorVecEnv(short, processes=2)
    try:
        env.seed(7)
        seen = [env.reset()]
        for k in range(24):
            if k == after:
                os.kill(env._workers[1].link.process.pid, signal.SIGKILL)
            seen.append(env.step(stages(env, k // 4 % 3))[0])
    finally:
        env.close()
    env.close()  # twice does no harm
    assert (np.stack(seen) == undisturbed).all()
    (line,) = caplog.messages
    assert line.startswith("a SUMO process ended unexpectedly: replaced, its episode repeated")


def test_episodes_go_on_in_another_environment(short: Scenario, shared: CorridorVecEnv) -> None:
    """From within the first episode, at its very end, and from within the next; also if a process dies on the way."""
    for steps in (5, 12, 15):
        before = roll(shared, 7, steps)[-1]
        state = shared.state()
        other = CorridorVecEnv(short, processes=2)
        try:
            os.kill(other._workers[0].link.process.pid, signal.SIGKILL)
            assert (other.restore(state) == before).all()
            for _ in range(12):
                assert (other.step(stages(other, 1))[0] == shared.step(stages(shared, 1))[0]).all()
        finally:
            other.close()


def test_episodes_of_another_number_of_processes_do_not_go_on(short: Scenario, shared: CorridorVecEnv) -> None:
    roll(shared, 7, 1)
    other = CorridorVecEnv(short, processes=1)
    try:
        with pytest.raises(ValueError, match="its episodes are those of processes=2, not 1"):
            other.restore(shared.state())
    finally:
        other.close()


def test_processes_that_die_again_and_again_are_an_error_not_a_hang(
    short: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, processes = Worker._start, []

    def doomed(worker: Worker) -> None:
        start(worker)
        worker.link.process.kill()
        processes.append(worker.link.process)

    monkeypatch.setattr(Worker, "_start", doomed)
    worker = Worker(short, EpisodeConfig())
    worker.send("reset", 10_000)
    with pytest.raises(SimulationError, match="a SUMO process ended unexpectedly"):
        worker.receive()
    worker.stop()
    worker.stop()  # twice does no harm
    assert len(processes) == 1 + REPLACEMENTS
    assert not any(process.is_alive() for process in processes)


def test_an_interrupt_at_the_keyboard_is_the_parents_affair(short: Scenario) -> None:
    env = CorridorVecEnv(short, EpisodeConfig())
    try:
        env.reset()
        os.kill(env._workers[0].link.process.pid, signal.SIGINT)  # as a terminal sends it to the whole group
        env.step(stages(env))
        assert env.step(stages(env))[0].shape == (4, OBSERVATION_SIZE)
    finally:
        env.close()


def test_an_error_in_a_process_comes_through(short: Scenario) -> None:
    env = CorridorVecEnv(short, EpisodeConfig(periods=("XM",)))
    try:
        with pytest.raises(UnknownName, match="unknown period of shixin_short 'XM': choose from AM"):
            env.reset()
    finally:
        env.close()


def test_a_sumo_process_stays_clear_of_torch() -> None:
    code = "import sys, greenband.envs.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SCRIPT = """
import torch
from pathlib import Path
from greenband.envs import CorridorVecEnv
from greenband.scenario import Scenario

env = CorridorVecEnv(Scenario.load({folder!r}), processes=1)
assert env.reset().shape[0] == env.num_envs
maps = Path(f"/proc/{{env._workers[0].link.process.pid}}/maps")
assert not maps.exists() or "libtorch" not in maps.read_text()
env.close()
"""


def test_a_script_needs_no_main_guard_and_its_imports_stay_out_of_the_sumo_processes(
    jincheng: Scenario, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(folder=str(jincheng.folder)), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
