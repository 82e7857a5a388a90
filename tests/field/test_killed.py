"""The program is killed at any moment of a batch: what it left is resumed or given up, and nothing is written twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from greenband.cli import main
from greenband.field.backups import Records
from greenband.field.desk import Desk
from greenband.field.inventory import load
from greenband.formats import json, ntcip
from greenband.plan.model import PlanSet

City = Callable[..., PlanSet]
Fleet = Callable[..., Any]

CONTROLLERS, MOMENTS, AT_ONCE = 6, 50, 3
GIVEN_UP = 4
REFUSES, SICK = "X002", "X005"
FAULTS = {REFUSES: "refuse=splitTime", SICK: "alarm", "X006": "latency=0.01"}
DELAY_S = 0.01  # up to which it is killed later than at a datagram
LONG_S = 60.0

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL, and no way to start as fast")
# New processes are copies of one that has loaded all modules: the program starts in no time.
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def start() -> Start:
    """Starts the program in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["greenband.cli.field", "greenband.cli.app", "greenband.formats.ntcip"])

    def begin(*words: str) -> Any:
        process = context.Process(target=main, args=(["field", *words],))
        process.start()
        return process

    return begin


class Operator:
    """Somebody at the program; ``heard`` counts datagrams that controllers answered."""

    def __init__(self, start: Start, controllers: Any, plan: Path) -> None:
        self._start, self._controllers, self._plan = start, controllers, plan
        self._options = ("-i", str(controllers.inventory), "--yes", "--parallel", str(AT_ONCE))

    @property
    def heard(self) -> int:
        return sum(one.counts["answered"] for one in self._controllers.stand_ins.values())

    def push(self) -> Sequence[str]:
        return ("push", str(self._plan), *self._options)

    def resume(self) -> Sequence[str]:
        return ("push", "--resume", "last", *self._options)

    def rollback(self) -> Sequence[str]:
        return ("rollback", "last", *self._options)

    def run(self, words: Sequence[str]) -> int:
        """Its exit code."""
        process = self._start(*words)
        process.join(LONG_S)
        assert process.exitcode is not None, "it has not ended"
        return int(process.exitcode)

    def run_killed(self, words: Sequence[str], datagrams: int, delay_s: float) -> bool:
        """Kill it so many answered datagrams and seconds after its start, unless it ends before; whether it was."""
        first, process = self.heard, self._start(*words)
        ends = time.monotonic() + LONG_S
        while self.heard < first + datagrams and process.is_alive():
            assert time.monotonic() < ends
            time.sleep(0.001)
        time.sleep(delay_s)
        process.kill()
        process.join(LONG_S)
        return bool(process.exitcode == -signal.SIGKILL)


def plans(city: City, folder: Path) -> tuple[PlanSet, PlanSet, Path]:
    old, new = city(CONTROLLERS), city(CONTROLLERS, more_s=3)
    json.write(new, folder / "plan.json")
    return old, new, folder / "plan.json"


def texts(plans: PlanSet, name: str) -> dict[str, str]:
    return {item.name: item.text for item in ntcip.objects(plans, name)}


def check_records(folder: Path) -> str:
    """The journal is whole, and everything ended; the result of every controller, and of how many batches."""
    records = Records(folder)
    assert records.unfinished() == []
    with records.history() as journal:
        assert journal.fault() == ""
        entries = journal.entries()
    last = {one.junction: one for one in entries}
    assert all(one.step == "ended" for one in last.values())
    return " ".join(f"{name}:{one.result}" for name, one in sorted(last.items()))


def check_held(controllers: Any, new: PlanSet, before: dict[str, dict[str, str]]) -> None:
    """The healthy hold the new plan, written once; the others what they held."""
    for name, one in controllers.stand_ins.items():
        if name in (REFUSES, SICK):
            assert one.held() == before[name], name
        else:
            assert controllers.held(name, new) == texts(new, name), name
            assert one.stores == 1, name
    assert controllers.stand_ins[REFUSES].stores == 0


def test_killed_at_50_moments_and_resumed_all_hold_what_they_should(
    city: City, fleet: Fleet, start: Start, tmp_path: Path
) -> None:
    old, new, plan = plans(city, tmp_path)
    draw = random.Random(1)
    whole, killed = 0, 0
    for moment in range(MOMENTS + 1):
        controllers = fleet(old, FAULTS, tmp_path / f"{moment}")
        before = {name: one.held() for name, one in controllers.stand_ins.items()}
        with controllers.in_a_thread():
            operator = Operator(start, controllers, plan)
            if moment == 0:  # how many datagrams there are
                assert operator.run(operator.push()) == 1
                whole = operator.heard
            else:
                killed += operator.run_killed(operator.push(), draw.randint(0, whole), draw.uniform(0, DELAY_S))
                if moment % 3 == 0:
                    operator.run_killed(operator.resume(), draw.randint(0, whole), draw.uniform(0, DELAY_S))
                code = operator.run(operator.resume())
                if code == 2:  # it was killed before it began anything, or after all had ended
                    assert operator.heard in (0, *range(whole * 9 // 10, 2 * whole))
                    operator.run(operator.push())
            check_held(controllers, new, before)
            results = check_records(controllers.folder / "controllers.records")
            assert results.count("done") + results.count("held already") == CONTROLLERS - 2, results
    assert killed > MOMENTS * 2 / 3


def test_killed_and_given_up_all_hold_what_they_held_and_a_new_push_works(
    city: City, fleet: Fleet, start: Start, tmp_path: Path
) -> None:
    old, new, plan = plans(city, tmp_path)
    draw = random.Random(2)
    opened = 0
    for moment in range(5 * GIVEN_UP):
        if opened and moment >= GIVEN_UP:
            break
        slow = {f"X00{number}": "latency=0.01" for number in range(1, 7)}  # so that transactions are met open
        controllers = fleet(old, slow, tmp_path / f"{moment}")
        before = {name: one.held() for name, one in controllers.stand_ins.items()}
        with controllers.in_a_thread():
            operator = Operator(start, controllers, plan)
            assert operator.run_killed(operator.push(), draw.randint(70, 150), draw.uniform(0, DELAY_S))
            opened += sum(one.in_transaction for one in controllers.stand_ins.values())
            assert operator.run(operator.push()) == 2, "what is open must be ended first"
            if moment % 2:
                operator.run_killed(operator.rollback(), draw.randint(20, 100), draw.uniform(0, DELAY_S))
            assert operator.run(operator.rollback()) == 0
            assert {name: one.held() for name, one in controllers.stand_ins.items()} == before
            assert not any(one.in_transaction for one in controllers.stand_ins.values())
            check_records(controllers.folder / "controllers.records")
            assert operator.run(operator.push()) == 0
            assert all(controllers.held(name, new) == texts(new, name) for name in controllers.stand_ins)
    assert opened


@pytest.mark.parametrize("resume", [True, False])
def test_a_batch_that_came_to_none_of_its_controllers_can_be_ended(
    city: City, fleet: Fleet, start: Start, tmp_path: Path, resume: bool
) -> None:
    """As after an interrupt from the keyboard, which begins nothing more."""
    old, new, plan = plans(city, tmp_path)
    controllers = fleet(old)
    with controllers.in_a_thread():
        operator = Operator(start, controllers, plan)
        desk = Desk(load(controllers.inventory))
        with desk.records.journal(desk.secrets) as journal:
            batch = desk.records.new_batch("push", new)
            desk.keeper(journal, batch, "push", new.content_hash).listed(desk.controllers)
        assert operator.run(operator.push()) == 2, "the batch is open"
        assert operator.run(operator.resume() if resume else operator.rollback()) == 0
        assert {one.stores for one in controllers.stand_ins.values()} == {int(resume)}
        check_records(controllers.folder / "controllers.records")
