"""Processes that die, fail or are told to stop: each costs its own task and nothing else."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenband.errors import BadInput, SimulationError
from greenband.evaluation.workers import run_each
from greenband.processes import can_copy

Outcomes = Callable[[list[str], int], list[Any]]
WORK = """
import os, signal, time
from greenband.errors import BadInput, SimulationError
from greenband.processes import can_copy

def work(task):
    kind, number = task
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "sumo":
        raise SimulationError("SUMO ended")
    if kind == "input":
        raise BadInput("cannot be used")
    if kind in ("slow", "long"):
        time.sleep(0.3 if kind == "slow" else 60)
    return number, os.getpid(), os.getppid() if can_copy() else os.getpid()
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task's number, its process and that which serves it, or an end of some kind; in a module that others find."""
    (tmp_path / "ends_of_some_kind.py").write_text(WORK, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("ends_of_some_kind").work


@pytest.fixture
def outcomes(work: Any) -> Outcomes:
    def ask(kinds: list[str], jobs: int) -> list[Any]:
        found = dict(run_each(work, list(zip(kinds, range(len(kinds)), strict=True)), jobs))
        assert sorted(found) == list(range(len(kinds)))
        return [found[k] for k in range(len(kinds))]

    return ask


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_death_costs_one_task(jobs: int, outcomes: Outcomes) -> None:
    found = outcomes(["fine", "kill", "slow", "sumo", "fine"], jobs)
    assert [str(found[1]), str(found[3])] == ["its SUMO process ended unexpectedly", "SUMO ended"]
    assert [found[k][0] for k in (0, 2, 4)] == [0, 2, 4]


def test_each_task_has_a_copy_of_a_process_that_is_replaced_after_a_failure(outcomes: Outcomes) -> None:
    found = outcomes(["fine", "fine", "sumo", "fine"], 1)
    (_, first, server), (_, second, same), error, (_, last, other) = found
    assert isinstance(error, SimulationError)
    assert server == same != other
    assert os.getpid() not in (server, other)
    assert len({server, other, first, second, last}) == (5 if can_copy() else 2)


def test_a_process_that_dies_between_tasks_costs_none(work: Any) -> None:
    found: list[Any] = []
    for _, outcome in run_each(work, [("fine", 0), ("fine", 1)], 1):
        found.append(outcome)
        if len(found) == 1:
            os.kill(found[0][2], signal.SIGKILL)
            time.sleep(1)
    assert [row[0] for row in found] == [0, 1]


def test_other_errors_end_it_all(outcomes: Outcomes) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        outcomes(["fine", "input", "fine"], 1)


def test_nothing_to_do(outcomes: Outcomes) -> None:
    assert outcomes([], 2) == []
    with pytest.raises(BadInput, match="jobs must be at least 1, not 0"):
        outcomes(["fine"], 0)


def test_leaving_early_begins_no_more(work: Any) -> None:
    """Fifty of them would take 15 s."""
    started = time.monotonic()
    for _ in run_each(work, [("slow", k) for k in range(50)], 1):
        break
    assert time.monotonic() - started < 10


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_processes_end_with_a_parent_that_is_killed(work: Any, tmp_path: Path) -> None:
    """Neither one at work nor one that waits is left behind."""
    script = tmp_path / "evaluates.py"
    script.write_text(
        "import ends_of_some_kind, time\n"
        "from greenband.evaluation.workers import run_each\n"
        "for _, (_, _, server) in run_each(ends_of_some_kind.work, [('fine', 0), ('long', 1)], 2):\n"
        "    print(server, flush=True)\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    ) as parent:
        assert parent.stdout is not None
        idle = int(parent.stdout.readline())
        servers = children_of(parent.pid)
        assert idle in servers
        ends = time.monotonic() + 20
        while not (copies := [child for server in servers for child in children_of(server)]):
            assert time.monotonic() < ends
            time.sleep(0.05)
        parent.kill()
    ends = time.monotonic() + 5
    while any(alive(child) for child in (*servers, *copies)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert [child for child in (*servers, *copies) if alive(child)] == []


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
