"""Batches that meet others: what was rolled back, given up or downloaded by somebody else since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from greenband.errors import BadInput
from greenband.field import download
from greenband.field.batch import Batch, Target
from greenband.field.desk import Desk, find_batch
from greenband.field.download import Outcome, Patience, Prepared, Result
from greenband.plan.model import PlanSet

City = Callable[..., PlanSet]
Fleet = Callable[..., Any]
Found = TypeVar("Found")
QUICK = Patience(total_s=1.5, first_s=0.05, longest_s=0.2)

pytestmark = pytest.mark.usefixtures("hasty")


def run(work: Coroutine[Any, Any, Found]) -> Found:
    async def bounded() -> Found:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())


async def read(target: Target) -> Prepared:
    async with target.connect() as driver:
        return await download.prepared(driver, target.wanted)


async def killed(desk: Desk, plans: PlanSet, *, begun: bool) -> str:
    """A push that was killed when all was read, or when writing was to begin everywhere."""
    with desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("push", plans)
        keeper = desk.keeper(journal, batch, "push", plans.content_hash)
        keeper.listed(desk.controllers)
        for target in desk.of(plans):
            prepared = await read(target)
            keeper.planned(target.junction, prepared)
            if begun:
                keeper.begun(target.junction, prepared)
    return batch


async def pushed(desk: Desk, plans: PlanSet) -> str:
    with desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("push", plans)
        runner = Batch(desk.keeper(journal, batch, "push", plans.content_hash), patience=QUICK)
        assert all(outcome.well for outcome in (await runner.push(desk.of(plans))).values())
    return batch


async def rolled_back(desk: Desk, batch: str) -> dict[str, Outcome]:
    with desk.records.journal(desk.secrets) as journal:
        own = desk.records.new_batch("rollback")
        return await Batch(desk.keeper(journal, own, "rollback"), patience=QUICK).push(desk.back(journal, batch))


async def resumed(desk: Desk, batch: str) -> tuple[list[str], dict[str, Outcome]]:
    """What counts as done before, and the outcomes of the rest."""
    with desk.records.journal(desk.secrets) as journal:
        left = desk.left(journal, batch)
        runner = Batch(desk.keeper(journal, batch, left.action, left.plans.content_hash), patience=QUICK)
        return [*left.done], await runner.push(left.targets)


def test_a_controller_that_was_only_read_is_not_written_to_by_a_rollback(city: City, fleet: Fleet) -> None:
    """Somebody else may have downloaded to it in the meantime."""
    controllers, by_hand = fleet(city(2)), city(2, more_s=5)

    async def work() -> None:
        async with controllers.served():
            desk = controllers.desk()
            batch = await killed(desk, city(2, more_s=3), begun=False)
            await pushed(desk, by_hand)
            with desk.records.journal(desk.secrets) as journal:
                assert desk.back(journal, batch) == [], "it is given up without a word to a controller"
            wanted = {target.junction: target.wanted.objects for target in desk.of(by_hand)}
            assert {name: controllers.held(name, by_hand) for name in wanted} == wanted

    run(work())


def test_a_rollback_brings_back_what_was_begun(city: City, fleet: Fleet) -> None:
    controllers, new = fleet(city(2)), city(2, more_s=3)

    async def work() -> None:
        async with controllers.served():
            desk, before = controllers.desk(), {name: controllers.held(name, new) for name in ("X001", "X002")}
            await killed(desk, new, begun=True)
            batch = await pushed(desk, new)
            assert {name: one.result for name, one in (await rolled_back(desk, batch)).items()} == dict.fromkeys(
                before, Result.DONE
            )
            assert {name: controllers.held(name, new) for name in before} == before

    run(work())


def test_a_batch_that_ended_without_writing_has_nothing_to_bring_back(city: City, fleet: Fleet) -> None:
    controllers = fleet(city(1))

    async def work() -> None:
        async with controllers.served():
            desk = controllers.desk()
            batch = await pushed(desk, city(1))  # it holds that already
            with (
                desk.records.journal(desk.secrets) as journal,
                pytest.raises(BadInput, match="it wrote to none of these"),
            ):
                desk.back(journal, batch)

    run(work())


def test_what_was_rolled_back_since_is_not_done(city: City, fleet: Fleet) -> None:
    controllers, new = fleet(city(2)), city(2, more_s=3)

    async def work() -> None:
        async with controllers.served():
            desk = controllers.desk()
            batch = await pushed(desk, new)
            done, outcomes = await resumed(desk, batch)
            assert (sorted(done), outcomes) == (["X001", "X002"], {})
            await rolled_back(desk, batch)
            done, outcomes = await resumed(desk, batch)
            assert done == []
            assert {name: one.result for name, one in outcomes.items()} == dict.fromkeys(outcomes, Result.DONE)
            assert controllers.held("X001", new) == desk.of(new)[0].wanted.objects

    run(work())


def test_a_rollback_that_was_killed_at_once_costs_no_backup(city: City, fleet: Fleet) -> None:
    controllers, new = fleet(city(1)), city(1, more_s=3)

    async def work() -> None:
        async with controllers.served():
            desk, before = controllers.desk(), controllers.held("X001", new)
            batch = await pushed(desk, new)
            with desk.records.journal(desk.secrets) as journal:
                keeper = desk.keeper(journal, desk.records.new_batch("rollback"), "rollback")
                prepared = Prepared(desk.of(new)[0].wanted, desk.back(journal, batch)[0].wanted)
                keeper.planned("X001", prepared)
                keeper.begun("X001", prepared)
            done, outcomes = await resumed(desk, batch)
            assert (done, outcomes["X001"].result) == ([], Result.DONE)
            assert controllers.stand_ins["X001"].stores == 1, "it holds the plan and is not written to again"
            await rolled_back(desk, batch)
            assert controllers.held("X001", new) == before

    run(work())


def test_the_last_push_is_found_behind_a_trial_that_came_to_no_end(city: City, fleet: Fleet) -> None:
    controllers, new = fleet(city(1)), city(1, more_s=3)

    async def work() -> None:
        async with controllers.served():
            desk = controllers.desk()
            batch = await killed(desk, new, begun=False)
            with desk.records.journal(desk.secrets) as journal:
                trial = desk.records.new_batch("trial", new)
                desk.keeper(journal, trial, "trial", new.content_hash).begun("X001", await read(desk.of(new)[0]))
            assert find_batch(desk.records, None) == trial
            assert find_batch(desk.records, None, "push") == batch

    run(work())
