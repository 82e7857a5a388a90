"""A download to one controller, whatever goes wrong on the way; the controller is a fake that fails on order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.field.download import Patience, Prepared, Result, applied, compared, prepared, resumed
from greenband.field.driver import FieldError, Refused, Unclear, Unreachable
from greenband.field.holding import Holding

OLD = Holding({"a": "1", "b": "2", "c": "3"})
NEW = Holding({"a": "1", "b": "20", "c": "30"})
ACTS = ["ok", "ok", "silent", "refuses", "half", "lost before", "lost after", "corrupts", "sick", "lies"]
QUICK = Patience(total_s=0.05, first_s=0.001, longest_s=0.005)


class Fake:
    """A controller with memory; ``script`` says what each call does, ``ok`` once it has ended."""

    def __init__(self, *script: str, held: Holding = OLD, troubles: tuple[str, ...] = ()) -> None:
        self.memory = dict(held.objects)
        self.script: Iterator[str] = iter(script)
        self.sick = troubles
        self.writes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return

    def _next(self) -> str:
        return next(self.script, "ok")

    async def prepared(self, wanted: Holding) -> tuple[Holding, Holding]:
        return Holding({name: self.memory[name] for name in wanted.objects}), wanted

    async def everything(self) -> Holding:
        return Holding(dict(self.memory))

    async def read(self, names: Holding) -> Holding:
        act = self._next()
        if act == "silent":
            raise Unreachable("no answer")
        if act == "lies":
            return Holding(dict.fromkeys(names.objects, "?"))
        return Holding({name: self.memory[name] for name in names.objects})

    async def write(self, objects: Holding) -> None:
        act = self._next()
        if act == "silent":
            raise Unreachable("no answer")
        if act == "refuses":
            raise Refused("splits do not sum")
        self.writes += 1
        changes = list(objects.objects.items())
        if act == "half":
            self.memory.update(changes[:1])
            raise Unclear("fell silent")
        if act == "lost before":
            raise Unclear("fell silent")
        self.memory.update(changes)
        if act == "lost after":
            raise Unclear("fell silent")
        if act == "corrupts":
            self.memory["c"] = "31"

    async def troubles(self) -> list[str]:
        act = self._next()
        if act == "silent":
            raise Unreachable("no answer")
        return list(self.sick) if act != "sick" else ["it is free"]

    async def release(self) -> None:
        return


def push(fake: Fake) -> tuple[Result, str]:
    async def go() -> tuple[Result, str]:
        outcome = await applied(fake, await prepared(fake, NEW), QUICK)
        if outcome.after is not None and outcome.result is not Result.BROKEN:
            assert outcome.after.objects == fake.memory, "the outcome must say what the controller holds"
        return outcome.result, outcome.detail

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("script", "result", "holds"),
    [
        ((), Result.DONE, NEW),
        (("refuses",), Result.UNCHANGED, OLD),
        (("silent",), Result.UNREACHABLE, OLD),
        (("lost before",), Result.UNCHANGED, OLD),
        (("lost after",), Result.DONE, NEW),
        (("half",), Result.ROLLED_BACK, OLD),
        (("corrupts",), Result.ROLLED_BACK, OLD),
        (("ok", "silent", "silent", "ok"), Result.DONE, NEW),
        (("ok", "lies"), Result.ROLLED_BACK, OLD),
        (("ok", "ok", "sick"), Result.ROLLED_BACK, OLD),
        (("ok", "ok", "silent"), Result.ROLLED_BACK, OLD),
        (("half", "ok", "ok", "refuses"), Result.ROLLED_BACK, OLD),
        (("half", "ok", "ok", "corrupts", "ok", "corrupts", "ok", "corrupts"), Result.BROKEN, None),
    ],
)
def test_a_controller_ends_with_the_new_plan_or_the_old_one(
    script: tuple[str, ...], result: Result, holds: Holding | None
) -> None:
    fake = Fake(*script)
    assert push(fake)[0] is result
    if holds is not None:
        assert fake.memory == holds.objects


def test_one_that_stays_silent_is_not_called_anything_else() -> None:
    assert push(Fake("lost after", *["silent"] * 100))[0] is Result.UNCLEAR


def test_one_that_cannot_be_rid_of_a_plan_that_it_does_not_run_is_told_to_hold_it() -> None:
    fake = Fake("ok", "ok", "sick", "ok", "refuses", "ok", "refuses", "ok", "refuses")
    result, detail = push(fake)
    assert (result, fake.memory) == (Result.BROKEN, NEW.objects)
    assert detail.startswith("it is free; writing back: splits do not sum; ")
    assert detail.endswith("; it holds the new plan still")


def test_what_is_held_already_is_not_written() -> None:
    fake = Fake(held=NEW)
    assert push(fake) == (Result.HELD, "")
    assert fake.writes == 0


def test_one_that_holds_the_plan_and_does_not_run_it_has_not_done_well() -> None:
    result, detail = push(Fake(held=NEW, troubles=("it is free",)))
    assert result is Result.UNCHANGED
    assert "free" in detail


def test_comparing_writes_nothing() -> None:
    fake = Fake()
    outcome = asyncio.run(compared(fake, NEW))
    assert (outcome.result, fake.writes) == (Result.DIFFERS, 0)
    assert outcome.detail == "b is '2', not '20', and 1 more"


@pytest.mark.parametrize(
    ("memory", "writes"),
    [(OLD, 1), (NEW, 0), (Holding({"a": "1", "b": "20", "c": "3"}), 2)],
)
def test_an_interrupted_download_goes_on_and_writes_nothing_twice(memory: Holding, writes: int) -> None:
    fake = Fake(held=memory)
    outcome = asyncio.run(resumed(fake, Prepared(OLD, NEW), QUICK))
    assert (outcome.result, fake.memory, fake.writes) == (Result.DONE, NEW.objects, writes)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["ok", "ok", "silent", "refuses", "half", "lost before", "lost after", "corrupts", "sick", "lies"]
        ),
        max_size=12,
    )
)
def test_the_outcome_is_right_whatever_happens(script: list[str]) -> None:
    fake = Fake(*script)
    result = push(fake)[0]
    if result in (Result.DONE, Result.HELD):
        assert fake.memory == NEW.objects
    elif result in (Result.UNCHANGED, Result.ROLLED_BACK, Result.UNREACHABLE):
        assert fake.memory == OLD.objects


def test_errors_of_the_field_are_of_one_kind() -> None:
    assert all(issubclass(kind, FieldError) for kind in (Refused, Unreachable, Unclear))
