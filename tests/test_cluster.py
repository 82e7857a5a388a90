"""A Ray cluster of two nodes on this machine: episodes run on both, and one that dies is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from greenband import cluster
from greenband.envs import CorridorVecEnv, EpisodeConfig
from greenband.envs.remote import RayLink
from greenband.errors import BadInput, SimulationError, UnknownName
from greenband.scenario import Scenario

STEPS = 12


@pytest.fixture(scope="module")
def short(jincheng: Scenario, shorten: Callable[..., Scenario]) -> Scenario:
    """Episodes of 10 decisions at one junction."""
    return shorten(jincheng, duration_s=30, warmup_s=20)


@pytest.fixture(scope="module")
def nodes(ray_alone: None) -> Iterator[Any]:
    """Two nodes with one CPU each, to which this program is connected."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", cluster.NETWORKED: "0"}
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    made: Any = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cluster.ADDRESS, made.address)
        yield made
    ray.shutdown()
    made.shutdown()


def rolled(env: CorridorVecEnv) -> list[Any]:
    """Observations and rewards over more than one episode."""
    seen: list[Any] = [env.reset()]
    for k in range(STEPS):
        observations, rewards, *_ = env.step(np.full(env.num_envs, k // 4 % 3))
        seen += [observations, rewards]
    return seen


def test_episodes_run_on_both_nodes_and_are_those_of_processes(nodes: Any, short: Scenario) -> None:
    here = CorridorVecEnv(short, EpisodeConfig(), processes=2, seed=3)
    expected = rolled(here)
    here.close()
    env = CorridorVecEnv(short, EpisodeConfig(workers="ray"), processes=2, seed=3)
    try:
        links: list[Any] = [worker.link for worker in env._workers]
        assert all(isinstance(link, RayLink) for link in links)
        places = [link.place for link in links]
        assert len({node for node, _ in places}) == 2
        for ours, theirs in zip(rolled(env), expected, strict=True):
            assert (ours == theirs).all()
    finally:
        env.close()


def test_an_actor_that_dies_is_replaced_and_its_episode_repeated(nodes: Any, short: Scenario) -> None:
    env = CorridorVecEnv(short, EpisodeConfig(workers="ray"), processes=1, seed=3)
    try:
        whole = rolled(env)
        env.seed(3)
        seen: list[Any] = [env.reset()]
        for k in range(STEPS):
            if k == 5:
                link: Any = env._workers[0].link
                os.kill(link.place[1], signal.SIGKILL)
            observations, rewards, *_ = env.step(np.full(env.num_envs, k // 4 % 3))
            seen += [observations, rewards]
        for ours, theirs in zip(seen, whole, strict=True):
            assert (ours == theirs).all()
    finally:
        env.close()


def test_too_small_a_cluster_is_refused(nodes: Any, short: Scenario) -> None:
    with pytest.raises(BadInput, match="the Ray cluster has 2 CPUs, and 3 processes are wanted"):
        CorridorVecEnv(short, EpisodeConfig(workers="ray"), processes=3)


def square(number: int) -> int:
    if number == 3:
        raise SimulationError("three")
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise BadInput("five")
    return number * number


def awaited(path: Path) -> bool:
    """Whether the file came within a minute."""
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()


def test_tasks_come_back_by_their_place_and_failures_stay_where_they_are(nodes: Any) -> None:
    found = dict(cluster.run_each(square, [1, 3, 4, 6], 2))
    assert {place: value for place, value in found.items() if isinstance(value, int)} == {0: 1, 3: 36}
    assert [str(found[place]) for place in (1, 2)] == ["three", "its SUMO process ended unexpectedly"]


def test_only_tasks_that_are_not_done_are_cancelled(
    nodes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ray = cluster.connect()
    work = ray.remote(num_cpus=1, max_retries=0)(awaited)
    done, left = work.remote(tmp_path), work.remote(tmp_path / "later")
    ray.get(done)
    # What Ray makes of it is Ray's: it takes up to minutes on a busy machine.
    monkeypatch.setattr(ray, "cancel", cancel := mock.Mock())
    cluster.cancel([done, left])
    cluster.cancel([])
    cancel.assert_called_once_with(left, force=True)
    (tmp_path / "later").touch()
    assert ray.get(left)


def test_other_errors_come_through(nodes: Any) -> None:
    with pytest.raises(BadInput, match="five"):
        list(cluster.run_each(square, [5], 1))


def test_unknown_workers_are_refused() -> None:
    with pytest.raises(UnknownName, match="kind of workers"):
        EpisodeConfig(workers="rays")


def test_without_an_address_no_cluster_but_its_own_is_joined(nodes: Any) -> None:
    words = "import os; os.environ.pop('RAY_ADDRESS', None); from greenband.cluster import connect; r = connect()"
    tell = "print([node['NodeManagerAddress'] for node in r.nodes()], r.get_runtime_context().get_node_id())"
    done = subprocess.run(
        [sys.executable, "-c", f"{words}; {tell}"], capture_output=True, text=True, timeout=120, check=True
    )
    addresses, _, node = done.stdout.splitlines()[-1].rpartition(" ")
    assert addresses == "['127.0.0.1']"  # one, and nobody else can reach it
    assert node not in {other["NodeID"] for other in cluster.connect().nodes()}
