"""Whole batches against stand-ins: what each controller holds in the end, and whether the report is right about it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from greenband.errors import BadInput
from greenband.field.batch import Batch, Target
from greenband.field.desk import Desk
from greenband.field.download import Outcome, Patience, Prepared, Result
from greenband.field.holding import Holding
from greenband.field.journal import Entry
from greenband.plan.model import PlanSet

City = Callable[..., PlanSet]
Fleet = Callable[..., Any]
Found = TypeVar("Found")

QUICK = Patience(total_s=5.0, first_s=0.1, longest_s=0.5)
LONG_S = 300.0
OLD, NEW, OTHER = "old", "new", "other"
CONTROLLERS = 200


@dataclass(frozen=True)
class Expected:
    """What a download to a faulty controller may come to, and what it holds then; None for what cannot be known."""

    results: Mapping[Result, str]
    says: str = ""


KEPT = Expected({Result.UNCHANGED: OLD})
BACK = Expected({Result.ROLLED_BACK: OLD})
DONE = Expected({Result.DONE: NEW})
FAULTS = {  # with each what comes of it
    "loss=0.05": DONE,
    "latency=0.05,jitter=0.05": DONE,
    "garbage=0.02": Expected(dict.fromkeys((Result.UNCHANGED, Result.ROLLED_BACK), OLD) | {Result.DONE: NEW}),
    "garbage=1": Expected({Result.UNCHANGED: OLD}, "answered"),
    "silent": Expected({Result.UNREACHABLE: OLD}, "no answer"),
    "refuse=splitTime.1.2": Expected({Result.UNCHANGED: OLD}, "splitTime.1.2"),
    "refuse=patternOffsetTime,refusal=notWritable": Expected({Result.UNCHANGED: OLD}, "patternOffsetTime"),
    "verify=it does not like them": Expected({Result.UNCHANGED: OLD}, "it does not like them"),
    "stuck": Expected({Result.UNCLEAR: OLD}, "it holds what it held, and what was begun may still be open"),
    "crash=transaction,restart=0.3": KEPT,
    "crash=set,sets=3,restart=0.3": KEPT,
    "crash=verify,restart=0.3": KEPT,
    "crash=commit,restart=0.3": KEPT,
    "crash=half,restart=0.3": BACK,
    "crash=committed,restart=0.3": DONE,
    "crash=set,restart=inf": Expected({Result.UNCLEAR: OLD}, "no answer"),
    "crash=half,restart=inf": Expected({Result.UNCLEAR: OTHER}, "no answer"),
    "crash=committed,restart=inf": Expected({Result.UNCLEAR: NEW}, "no answer"),
    "corrupt=splitTime": Expected({Result.ROLLED_BACK: OLD}, "splitTime"),
    "corrupt=splitTime,corruptions=inf": Expected({Result.BROKEN: OTHER}, "splitTime"),
    "free": Expected({Result.ROLLED_BACK: OLD}, "free"),
    "alarm": Expected({Result.ROLLED_BACK: OLD}, "coordination"),
}


def run(work: Coroutine[Any, Any, Found]) -> Found:
    async def bounded() -> Found:
        return await asyncio.wait_for(work, LONG_S)

    return asyncio.run(bounded())


async def pushed(desk: Desk, plans: PlanSet, batch: str, parallel: int = 32) -> dict[str, Outcome]:
    """As ``greenband field push`` does it."""
    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        runner = Batch(desk.keeper(journal, batch, "push", plans.content_hash), parallel, QUICK)
        return await runner.push(desk.of(plans))


async def resumed(desk: Desk, batch: str) -> dict[str, Outcome]:
    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        left = desk.left(journal, batch)
        runner = Batch(desk.keeper(journal, batch, left.action, left.plans.content_hash), patience=QUICK)
        return {**left.done, **await runner.push(left.targets)}


def history(desk: Desk, batch: str) -> list[Entry]:
    """All entries, of a journal that is whole."""
    with desk.records.history() as journal:
        assert journal.fault() == ""
        return journal.entries(batch=batch)


def which(held: dict[str, str], old: Holding, new: Holding) -> str:
    """Which of two it is: all of the old one, or the new one where that says something."""
    if held == old.objects:
        return OLD
    return NEW if {name: held[name] for name in new.objects} == new.objects else OTHER


@pytest.mark.usefixtures("hasty")
def test_of_200_controllers_the_healthy_hold_the_new_plan_and_the_faulty_the_old_one(city: City, fleet: Fleet) -> None:
    old, new = city(CONTROLLERS), city(CONTROLLERS, more_s=3, night=True)
    names = list(old.junctions)
    faulty = dict(zip(names[:: CONTROLLERS // len(FAULTS)], FAULTS, strict=False))
    assert len(faulty) == len(FAULTS)
    controllers = fleet(old, faulty, timeout_s=0.3)
    before = {name: Holding(one.held()) for name, one in controllers.stand_ins.items()}

    async def work() -> tuple[Desk, str, dict[str, Outcome]]:
        async with controllers.served():
            desk = controllers.desk()
            batch = desk.records.new_batch("push", new)
            return desk, batch, await pushed(desk, new, batch)

    desk, batch, outcomes = run(work())
    targets = {target.junction: target.wanted for target in desk.of(new)}
    assert outcomes.keys() == set(names)
    for name, outcome in outcomes.items():
        expected = FAULTS[faulty[name]] if name in faulty else DONE
        about = f"{faulty.get(name, 'no fault')}: {outcome.result}, {outcome.detail}"
        assert outcome.result in expected.results, about
        assert expected.says in outcome.detail, about
        held = controllers.stand_ins[name].held()
        assert which(held, before[name], targets[name]) == expected.results[outcome.result], about
        if outcome.after is not None:
            assert outcome.after == Holding(held).of(outcome.after), about
    entries = history(desk, batch)
    last = {entry.junction: entry for entry in entries}
    assert {name: (one.step, one.result) for name, one in last.items()} == {
        name: ("ended", outcome.result) for name, outcome in outcomes.items()
    }


def test_what_is_not_reached_by_a_resumed_batch_is_as_unclear_as_before_and_its_backup_stays(
    city: City, fleet: Fleet, hasty: None
) -> None:
    old, new = city(2), city(2, more_s=3)
    controllers = fleet(old, {"X001": "crash=half,restart=inf"}, timeout_s=0.1, retries=1)
    before = controllers.held("X001", new)

    async def work() -> None:
        async with controllers.served():
            desk = controllers.desk()
            batch = desk.records.new_batch("push", new)
            for outcomes in (await pushed(desk, new, batch), await resumed(desk, batch), await resumed(desk, batch)):
                assert outcomes["X001"].result is Result.UNCLEAR
                assert outcomes["X002"].result is Result.DONE
            assert desk.records.kept(batch, "X001", "before").holding.objects == before
            await controllers.repair("X001")
            assert controllers.held("X001", new) not in (before, desk.of(new)[0].wanted.objects)
            outcomes = await resumed(desk, batch)
            assert {name: one.result for name, one in outcomes.items()} == dict.fromkeys(outcomes, Result.DONE)
            assert controllers.held("X001", new) == desk.of(new)[0].wanted.objects
            assert controllers.stand_ins["X002"].stores == 1
            history(desk, batch)

    run(work())


@pytest.mark.usefixtures("hasty")
def test_one_that_fails_does_not_hold_up_the_others(city: City, fleet: Fleet) -> None:
    controllers, record = fleet(city(5), {"X003": "silent"}), Broken("none")

    async def work() -> dict[str, Outcome]:
        async with controllers.served():
            return await Batch(record, 2, QUICK).push(controllers.desk().of(city(5, more_s=3)))

    outcomes = run(work())
    assert [*record.ends][-1] == "X003", "it is the first to begin and the last to end"
    assert {name for name, one in outcomes.items() if one.well} == {"X001", "X002", "X004", "X005"}


@pytest.mark.usefixtures("hasty")
def test_slow_names_of_hosts_do_not_hold_up_records(city: City, fleet: Fleet) -> None:
    """Names are looked up in asyncio's own threads; here all of these are taken."""
    controllers, record = fleet(city(2)), Broken("none")

    async def work() -> None:
        async with controllers.served():
            targets, free = controllers.desk().of(city(2, more_s=3)), threading.Event()
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            slow = loop.run_in_executor(None, free.wait)
            try:
                outcomes = await asyncio.wait_for(Batch(record, 2, QUICK).push(targets), 20)
            finally:
                free.set()
                await slow
        assert all(one.well for one in outcomes.values())

    run(work())


class Broken:
    """A record whose disk is full at some step."""

    def __init__(self, step: str, after: int = 0) -> None:
        self.step, self.left = step, after
        self.ends: dict[str, Outcome] = {}

    def planned(self, junction: str, plan: Prepared) -> None:
        self._write("planned")

    def begun(self, junction: str, plan: Prepared) -> None:
        self._write("begun")

    def ended(self, junction: str, plan: Prepared | None, outcome: Outcome) -> None:
        self._write("ended")
        self.ends[junction] = outcome

    def _write(self, step: str) -> None:
        self.left -= step == self.step
        if step == self.step and self.left < 0:
            raise BadInput("journal.sqlite: disk full")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("step", ["planned", "begun"])
def test_nothing_is_written_to_a_controller_of_which_no_record_can_be_kept(city: City, fleet: Fleet, step: str) -> None:
    controllers = fleet(city(3))

    async def work() -> None:
        async with controllers.served():
            outcomes = await Batch(Broken(step, after=1), 1, QUICK).push(controllers.desk().of(city(3, more_s=3)))
        assert [(one.result, one.detail) for one in outcomes.values()] == [
            (Result.DONE, ""),
            *[(Result.UNCHANGED, "journal.sqlite: disk full")] * 2,
        ]
        assert [one.stores for one in controllers.stand_ins.values()] == [1, 0, 0]

    run(work())


@pytest.mark.usefixtures("hasty")
def test_when_an_end_cannot_be_recorded_those_in_hand_end_and_nothing_more_is_begun(city: City, fleet: Fleet) -> None:
    new = city(5, more_s=3)
    controllers = fleet(city(5), {"X002": "latency=0.05"})
    record = Broken("ended")

    async def work() -> None:
        async with controllers.served():
            with pytest.raises(BadInput, match="disk full"):
                await Batch(record, 2, QUICK).push(controllers.desk().of(new))

    run(work())
    stores = {name: one.stores for name, one in controllers.stand_ins.items()}
    assert stores == {"X002": 1, "X001": 1, "X003": 0, "X004": 0, "X005": 0}
    assert record.ends == {}


@pytest.mark.usefixtures("hasty")
def test_a_fault_of_the_program_is_the_outcome_of_one_controller(city: City, fleet: Fleet) -> None:
    controllers = fleet(city(3))

    async def work() -> dict[str, Outcome]:
        async with controllers.served():
            targets = controllers.desk().of(city(3, more_s=3))

            def broken() -> Any:
                raise RuntimeError("no driver")

            targets[1] = Target("X002", broken, targets[1].wanted)
            return await Batch(Broken("none"), 3, QUICK).push(targets)

    outcomes = run(work())
    assert [one.result for one in outcomes.values()] == [Result.DONE, Result.UNREACHABLE, Result.DONE]
    assert outcomes["X002"].detail == "RuntimeError: no driver"
