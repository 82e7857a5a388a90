from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.errors import BadInput
from greenband.field.driver import Driver, FieldError, Refused, Unclear, Unreachable
from greenband.field.gat1049 import Gat1049Driver, Running, wanted
from greenband.field.gat1049 import driver as gat1049
from greenband.field.gat1049 import session as gat1049_session
from greenband.field.gat1049.objects import FIELDS, NUMBERS, WHOLE, named
from greenband.field.gat1049.session import Gat1049Session, Platform
from greenband.field.holding import Holding
from greenband.field.stand_ins.gat1049 import Faults, PlatformStandIn
from greenband.formats import gat1049 as messages
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

ID, OTHER = "33010900000001", "33010900000002"
USER, PASSWORD = "greenband-user", "s3cret-password"
WORK = ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5), name="weekdays")
REST = ScheduleRow(day_plan="rest", weekdays=(6, 7), name="weekend")
Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gat1049, "BACK_OFF_S", (0.01, 0.02, 0.04))
    monkeypatch.setattr(gat1049, "UNDO_BACK_OFF_S", (0.01,))
    monkeypatch.setattr(gat1049_session, "BACK_OFF_S", (0.01, 0.02, 0.04))
    monkeypatch.setattr(gat1049_session, "TRIES", 2)


def junction(signal: str = "J7") -> Junction:
    groups = [
        {"number": 1, "movement": "a", "speed_ms": 13.9, "crossing_m": 20.0},
        {"number": 2, "movement": "b", "bearing": 90, "speed_ms": 13.9, "crossing_m": 20.0},
        {"number": 5, "movement": "c", "bearing": 90, "turn": "crossing", "kind": "pedestrian", "speed_ms": 1.0}
        | {"lanes": 0, "crossing_m": 20.0},
    ]
    stages = (
        StageDefinition(
            name="南北", green=(1, 5), min_green_s=15, max_green_s=60, walks=(Walk(group=5, walk_s=7, flash_s=8),)
        ),
        StageDefinition(name="east", green=(2,), min_green_s=10, max_green_s=50),
    )
    return Junction(
        signal=signal,
        number=7,
        yellow_s=3,
        all_red_s=2,
        green_flash_s=3,
        max_red_s=120,
        groups=tuple(SignalGroup.model_validate(group) for group in groups),
        stages=stages,
        conflicts=((1, 2), (2, 5)),
    )


def plan(signal: str = "J7", first_s: int = 27, offset_s: int = 11) -> TimingPlan:
    stages = (
        StageTiming(stage=0, name="南北", green_s=first_s, green_flash_s=3, yellow_s=3, all_red_s=2),
        StageTiming(stage=1, name="east", green_s=17, green_flash_s=3, yellow_s=3, all_red_s=1),
    )
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=signal, name="早高峰", cycle_s=cycle_s, offset_s=offset_s, stages=stages)


def plans(
    first_s: int = 27, periods: tuple[str, ...] = ("AM", "OFF"), rows: tuple[ScheduleRow, ...] = (WORK, REST)
) -> PlanSet:
    def day(*switches: tuple[int, str]) -> DayPlan:
        return DayPlan(switches=tuple(Switch(at_min=minute, plan=name) for minute, name in switches))

    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none", seeds=(1,)),
        plans={name: {"J7": plan(first_s=first_s + at)} for at, name in enumerate(periods)},
        junctions={"J7": junction()},
        day_plans={"work": day((0, periods[-1]), (420, periods[0])), "rest": day((0, periods[-1]))},
        schedule=rows,
    )


OLD = wanted(plans(), "J7", ID)
NEW = wanted(plans(first_s=30, periods=("AM", "PM", "OFF")), "J7", ID)


def of(cross_id: str, holding: Holding) -> Holding:
    return Holding({name: text.replace(ID, cross_id) for name, text in holding.objects.items()})


def run(work: Callable[[PlatformStandIn, Gat1049Session], Awaitable[Result]], **options: Any) -> Result:
    """Do something with a platform that has two junctions, both with the old plans, and a session with it."""
    settings_of = options.pop("platform", {})

    async def main() -> Result:
        async with PlatformStandIn([ID, OTHER], USER, PASSWORD, **options) as stand_in:
            for cross_id in (ID, OTHER):
                stand_in.hold(cross_id, of(cross_id, OLD).objects)
            values = {"user": USER, "password": PASSWORD, "timeout_s": 5, **settings_of}
            session = Gat1049Session(Platform(host="127.0.0.1", port=stand_in.port, **values))
            return await asyncio.wait_for(work(stand_in, session), 10)

    return asyncio.run(main())


def impatient(session: Gat1049Session, timeout_s: float = 0.1) -> None:
    """From now on, as the machine may be slow at first."""
    session.platform = session.platform.model_copy(update={"timeout_s": timeout_s})


def write(new: Holding = NEW, **options: Any) -> tuple[Holding, PlatformStandIn, FieldError | None]:
    """Bring new plans to the first junction: what it held before, the platform, and what went wrong."""

    async def work(
        stand_in: PlatformStandIn, session: Gat1049Session
    ) -> tuple[Holding, PlatformStandIn, FieldError | None]:
        async with Gat1049Driver(session, ID) as driver:
            before, target = await driver.prepared(new)
            if any(faults.lose_set for faults in stand_in.faults.values()):
                impatient(session, 0.4)
            try:
                await driver.write(target)
            except FieldError as error:
                return before, stand_in, error
            assert await driver.read(target) == target
            return before, stand_in, None

    return run(work, **options)


def held(stand_in: PlatformStandIn, cross_id: str = ID) -> Holding:
    return Holding(stand_in.held(cross_id))


def test_wanted_is_what_the_message_would_set(tmp_path: Path) -> None:
    messages.export(plans(), tmp_path, {"J7": ID})
    found = ET.parse(tmp_path / f"{ID}.set.xml").iterfind("Body/Operation/*/*")
    params = [param for param in found if param.tag != "Oper"]
    assert list(OLD.objects) == [f"{param.tag}.{param.findtext(NUMBERS[param.tag])}" for param in params]
    for text, param in zip(OLD.objects.values(), params, strict=True):
        made = ET.fromstring(text)
        assert [leaf.text for leaf in made.iter() if leaf.text] == [
            leaf.text for leaf in param.iter() if leaf.text and leaf.text.strip()
        ]


def test_wanted_needs_a_junction_and_a_cross_id() -> None:
    with pytest.raises(BadInput, match="unknown junction 'J8': choose from J7"):
        wanted(plans(), "J8", ID)
    with pytest.raises(BadInput, match="CrossID '' must be 14 digits"):
        wanted(plans(), "J7", "")


def test_it_is_a_driver() -> None:
    driver: Driver = Gat1049Driver(
        Gat1049Session(Platform(host="h", user=USER, password=PASSWORD)),  # type: ignore[arg-type]
        ID,
    )
    assert driver


def test_new_plans_replace_old_ones_and_rows_in_the_way() -> None:
    one_day = wanted(plans(first_s=30, periods=("AM", "PM", "OFF"), rows=(WORK,)), "J7", ID)
    before, stand_in, error = write(one_day)
    assert error is None
    rows = {f"ScheduleParam.{number}": "" for number in (6, 7)}
    assert dict(before.objects) == {**{name: "" for name in one_day.objects if name not in OLD.objects}, **OLD.objects}
    assert held(stand_in) == one_day
    assert set(rows) <= set(before.objects)
    assert held(stand_in, OTHER) == of(OTHER, OLD)
    assert stand_in.sets[ID] == len(one_day.changed_from(before)) + len(rows)


def test_writing_twice_sends_nothing_twice() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> tuple[int, int]:
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(NEW)
            await driver.write(target)
            once = stand_in.sets[ID]
            await driver.write(target)
            return once, stand_in.sets[ID]

    once, twice = run(work)
    assert once == twice > 0


def test_what_was_held_can_be_brought_back() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        async with Gat1049Driver(session, ID) as driver:
            before, target = await driver.prepared(NEW)
            await driver.write(target)
            assert held(stand_in) == NEW
            await driver.write(before)
            return held(stand_in)

    assert run(work) == OLD


def test_an_empty_junction_is_filled_and_emptied_again() -> None:
    empty = "33010900000003"

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        stand_in.hold(empty, {})
        async with Gat1049Driver(session, empty) as driver:
            before, target = await driver.prepared(of(empty, OLD))
            await driver.write(target)
            assert held(stand_in, empty) == of(empty, OLD)
            await driver.write(before)
            assert held(stand_in, empty) == Holding({})

    run(work)


def test_without_wanted_rows_the_schedule_stays() -> None:
    only_plans = Holding({name: text for name, text in NEW.objects.items() if name.startswith("PlanParam")})

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(only_plans)
            return target

    assert run(work) == only_plans


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        (
            {"DayPlanParam.1": OLD.objects["DayPlanParam.1"].replace("<PlanNo>1<", "<PlanNo>9<")},
            "PlanParam.9, which is not",
        ),
        ({"PlanParam.1": NEW.objects["PlanParam.2"]}, "of another object"),
        ({"PlanParam.1": OLD.objects["PlanParam.1"].replace(ID, OTHER)}, f"of junction '{OTHER}'"),
        ({"PlanParam.1": OLD.objects["PlanParam.1"].replace("<Offset>11", "<Offset> 11")}, "not in canonical form"),
        ({"PlanParam.1": "<PlanParam>"}, "not XML"),
        ({"PlanParam.0": OLD.objects["PlanParam.1"]}, "no object of GA/T 1049.2"),
        ({"StageParam.1": ""}, "no object of GA/T 1049.2"),
    ],
)
def test_what_no_platform_could_hold_is_not_sent(objects: dict[str, str], reason: str) -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> int:
        async with Gat1049Driver(session, ID) as driver:
            with pytest.raises(Refused, match=reason):
                await driver.prepared(Holding(objects))
            return stand_in.sets[ID]

    assert run(work) == 0


def test_objects_are_one_text_whatever_their_form() -> None:
    before, stand_in, error = write(faults={ID: Faults(untidy=True)})
    assert error is None
    assert before.of(OLD) == OLD
    assert held(stand_in) == NEW


def test_fields_stand_as_in_the_schema() -> None:
    root = ET.fromstring(Path(messages.__file__).with_name("gat1049.xsd").read_text(encoding="utf-8"))
    xs = "{http://www.w3.org/2001/XMLSchema}"
    elements = {found.get("name"): found for found in root.iter() if found.tag in (f"{xs}complexType", f"{xs}element")}
    for tag, fields in FIELDS.items():
        group = next(elements[tag].iter(f"{xs}all"))
        assert [field.get("name") for field in group] == list(fields)
    assert set(NUMBERS.values()) <= WHOLE


@pytest.mark.parametrize("at", [1, 5])
@pytest.mark.parametrize("fault", ["drop_at_set", "drop_after_set", "lose_set"])
def test_a_lost_answer_is_looked_up_not_guessed(fault: str, at: int) -> None:
    faults = Faults()
    setattr(faults, fault, at)
    _, stand_in, error = write(faults={ID: faults})
    assert error is None
    assert held(stand_in) == NEW


@pytest.mark.parametrize(
    "faults",
    [
        Faults(refuse=frozenset({"PlanParam.1"})),
        Faults(refuse=frozenset({"PlanParam.3"})),
        Faults(refuse=frozenset({"DayPlanParam.2"})),
        Faults(renumber=True),
        *(Faults(corrupt_set=at) for at in (1, 3, 4)),
    ],
    ids=lambda faults: repr({key: value for key, value in vars(faults).items() if value}),
)
@pytest.mark.parametrize("add_number", ["own", "0"])
def test_a_write_that_fails_on_the_way_is_taken_back(faults: Faults, add_number: str) -> None:
    _, stand_in, error = write(faults={ID: faults}, platform={"add_number": add_number})
    assert isinstance(error, Refused)
    assert "all is as it was before" in str(error)
    assert held(stand_in) == OLD
    assert stand_in.sets[ID] > 0


def test_what_was_added_twice_under_two_numbers_is_taken_back() -> None:
    faults = Faults(renumber=True, lose_set=3)

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(NEW)
            impatient(session, 0.4)
            writing = asyncio.create_task(driver.write(target))
            while "PlanParam.500" not in stand_in.held(ID):
                await asyncio.sleep(0.001)
            faults.renumber = False
            with pytest.raises(Refused, match=r"PlanParam\.500 did not become what was sent; all is as it was before"):
                await writing
            assert held(stand_in) == OLD

    run(work, faults={ID: faults})


def test_numbers_may_be_left_to_the_platform_as_long_as_they_are_as_wanted() -> None:
    _, stand_in, error = write(platform={"add_number": "0"})
    assert error is None
    assert held(stand_in) == NEW


@pytest.mark.parametrize("at", [1, 4])
def test_silence_on_the_way_is_unclear_until_it_is_taken_back(at: int) -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(NEW)
            impatient(session)
            with pytest.raises(Unclear, match="not known what of it is held"):
                await driver.write(target)
            with pytest.raises(Unreachable):
                await driver.release()
            stand_in.faults.clear()
            impatient(session, 5)
            await driver.release()
            assert held(stand_in) == OLD
            await driver.release()

    run(work, faults={ID: Faults(silent_from_set=at)})


def test_a_write_that_is_broken_off_is_taken_back() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(NEW)
            writing = asyncio.create_task(driver.write(target))
            while stand_in.sets[ID] < 3:
                await asyncio.sleep(0.001)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert held(stand_in) != OLD
            await driver.release()
            return held(stand_in)

    assert run(work, faults={ID: Faults(latency_s=0.005)}) == OLD


class Brittle(Gat1049Session):
    """A session in which the program fails at some commands, the first being 1."""

    fails_at: range = range(0)
    commands = 0

    async def set(self, command: ET.Element, about: str) -> tuple[ET.Element, ...]:
        self.commands += 1
        if self.commands in self.fails_at:
            raise RuntimeError(f"a fault of the program about {PASSWORD}")
        return await super().set(command, about)


@pytest.mark.parametrize("fails_at", [range(1, 2), range(3, 4), range(5, 6)])
def test_a_write_that_a_fault_of_the_program_ends_is_taken_back_and_said(fails_at: range) -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        brittle = Brittle(session.platform)
        brittle.fails_at = fails_at
        async with Gat1049Driver(brittle, ID) as driver:
            _, target = await driver.prepared(NEW)
            with pytest.raises(Refused, match=r"RuntimeError: a fault .* \*\*\*; all is as it was before") as error:
                await driver.write(target)
            assert isinstance(error.value.__cause__, RuntimeError)
            assert stand_in.sets[ID] >= fails_at[0] - 1
            await driver.release()
        return held(stand_in)

    assert run(work) == OLD


def test_a_fault_of_the_program_that_keeps_a_write_from_being_taken_back_is_unclear_until_it_is() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        brittle = Brittle(session.platform)
        brittle.fails_at = range(3, 1000)
        async with Gat1049Driver(brittle, ID) as driver:
            _, target = await driver.prepared(NEW)
            with pytest.raises(Unclear, match=r"RuntimeError: .*; it is not known what of it is held now: .*RuntimeEr"):
                await driver.write(target)
            with pytest.raises(Unclear, match="RuntimeError"):
                await driver.release()
            assert held(stand_in) not in (OLD, NEW)
            brittle.fails_at = range(0)
            await driver.release()
        return held(stand_in)

    assert run(work) == OLD


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"patterns": 2}, "PlanParam there with this plan: 3, and the inventory's limit of patterns is 2"),
        ({"day_plans": 1}, "DayPlanParam there with this plan: 2, and .* day_plans is 1"),
        ({"events": 1}, r"switches of DayPlanParam.1: 2, and .* events is 1"),
        ({"schedule_rows": 7}, "ScheduleParam there with this plan: 8, and .* schedule_rows is 7"),
        ({"patterns": 3, "day_plans": 2, "events": 2, "schedule_rows": 8}, None),
        ({}, None),
    ],
)
def test_what_is_more_than_the_platform_holds_is_not_sent(limits: dict[str, int], said: str | None) -> None:
    """Of the schedule also while it is written, as rows that go are deleted last."""

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        last = {"ScheduleParam.8": OLD.objects["ScheduleParam.7"].replace("<ScheduleNo>7<", "<ScheduleNo>8<")}
        stand_in.hold(ID, {**OLD.objects, **last})
        async with Gat1049Driver(session, ID, limits) as driver:
            if said is None:
                _, target = await driver.prepared(NEW)
                assert target.objects["ScheduleParam.8"] == ""
            else:
                with pytest.raises(Refused, match=said):
                    await driver.prepared(NEW)

    run(work)


def test_limits_that_there_are_not_are_bad_input() -> None:
    session = Gat1049Session(Platform(host="h", user=USER, password=PASSWORD))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="unknown limit 'actions': choose from "):
        Gat1049Driver(session, ID, {"actions": 1})


def test_what_another_process_left_half_done_is_completed() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> Holding:
        for sets in (2, 4):
            async with Gat1049Driver(session, ID) as killed:
                _, target = await killed.prepared(NEW)
                writing = asyncio.create_task(killed.write(target))
                while stand_in.sets[ID] < sets:
                    await asyncio.sleep(0.001)
                writing.cancel()
        assert held(stand_in) not in (OLD, NEW)
        async with Gat1049Driver(session, ID) as driver:
            _, target = await driver.prepared(NEW)
            await driver.write(target)
        return held(stand_in)

    assert run(work, faults={ID: Faults(latency_s=0.005)}) == NEW


@pytest.mark.parametrize("answer", ["bytes", "truncated", "doctype", "other", "stranger", "twice", "huge"])
@pytest.mark.parametrize("framing", ["length", "xml"])
def test_answers_that_make_no_sense_are_refused(answer: Any, framing: Any) -> None:
    half = (answer, framing) == ("truncated", "xml")  # of bare XML: no end tells that it is an answer

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        async with Gat1049Driver(session, ID) as driver, Gat1049Driver(session, OTHER) as healthy:
            with pytest.raises(Unreachable if half else Refused):
                await driver.prepared(NEW)
            assert await healthy.read(of(OTHER, OLD)) == of(OTHER, OLD)
            assert stand_in.sets[ID] == 0

    platform = {"framing": framing, "timeout_s": 1 if half else 5}
    run(work, faults={ID: Faults(answer=answer)}, framing=framing, platform=platform)


def test_replayed_answers_are_ignored() -> None:
    _, stand_in, error = write(faults={ID: Faults(replay=True)})
    assert error is None
    assert held(stand_in) == NEW


def test_one_failing_junction_does_not_taint_the_others(caplog: pytest.LogCaptureFixture) -> None:
    kinds: list[Faults] = [
        Faults(silent=True),
        Faults(silent_from_set=2),
        Faults(answer="bytes"),
        Faults(answer="huge"),
        Faults(refuse=frozenset({"DayPlanParam.1"})),
        Faults(renumber=True),
        Faults(latency_s=0.02),
        Faults(drop_after_set=2),
    ]
    lasting = kinds[:6]
    ids = [f"330109000{number:05d}" for number in range(24)]
    faults = {cross_id: kinds[at] for at, cross_id in enumerate(ids[::3])}

    async def one(session: Gat1049Session, cross_id: str, room: asyncio.Semaphore) -> FieldError | None:
        try:
            async with room, Gat1049Driver(session, cross_id) as driver:
                _, target = await driver.prepared(of(cross_id, NEW))
                await driver.write(target)
        except FieldError as error:
            return error
        return None

    async def main() -> dict[str, FieldError | None]:
        async with PlatformStandIn(ids, USER, PASSWORD, faults=faults) as stand_in:
            for cross_id in ids:
                stand_in.hold(cross_id, of(cross_id, OLD).objects)
            to = Platform(host="127.0.0.1", port=stand_in.port, user=USER, password=PASSWORD, timeout_s=0.6)  # type: ignore[arg-type]
            session = Gat1049Session(to)
            room = asyncio.Semaphore(6)
            results = await asyncio.gather(*(one(session, cross_id, room) for cross_id in ids))
            for cross_id, result in zip(ids, results, strict=True):
                if not isinstance(result, Unclear):
                    assert held(stand_in, cross_id) == of(cross_id, OLD if result else NEW), (cross_id, result)
            return dict(zip(ids, results, strict=True))

    results = asyncio.run(asyncio.wait_for(main(), 20))
    assert {cross_id for cross_id, result in results.items() if result} == {
        cross_id for cross_id, fault in faults.items() if fault in lasting
    }
    assert isinstance(results[ids[0]], Unreachable)
    assert isinstance(results[ids[3]], Unclear)
    assert PASSWORD not in caplog.text
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize(
    ("mode", "state", "troubles"),
    [
        ("21", "Online", []),
        ("31", "Online", []),
        ("53", "Online", []),
        ("00", "Online", ["is released from control"]),
        ("11", "Online", ["is off"]),
        ("12", "Online", ["shows all red"]),
        ("13", "Offline", ["flashes", "is offline"]),
        ("21", "Error", ["has a fault"]),
    ],
)
@pytest.mark.parametrize("mode_object", ["CrossModePlan", "CrossCtrlInfo"])
def test_troubles(mode: str, state: str, troubles: list[str], mode_object: str) -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> list[str]:
        stand_in.run_as(ID, mode, 1, state)
        async with Gat1049Driver(session, ID) as driver:
            return await driver.troubles()

    assert run(work, platform={"mode_object": mode_object}) == [f"junction {ID} {trouble}" for trouble in troubles]


def test_a_trial_ends_by_itself_or_when_told() -> None:
    now = 1000.0

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        nonlocal now
        async with Gat1049Driver(session, ID) as driver:
            assert await driver.trial(junction(), plan(), 60, coordinated=True) == Running("31", 0)
            now += 59 * 60
            assert stand_in.running(ID) == ("31", 0)
            now += 60
            assert await driver.running() == Running("21", 1)
            await driver.trial(junction(), plan(), 5)
            assert await driver.end_trial() == Running("21", 1)
            assert held(stand_in) == OLD

    run(work, clock=lambda: now)


def test_a_trial_may_be_refused_or_unclear() -> None:
    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> None:
        async with Gat1049Driver(session, ID) as driver:
            with pytest.raises(BadInput, match="allowed are 1 to 1440"):
                await driver.trial(junction(), plan(), 0)
            impatient(session)
            with pytest.raises(Unclear, match="may have begun"):
                await driver.trial(junction(), plan(), 5)
            impatient(session, 5)
        async with Gat1049Driver(session, "X" * 14) as driver:
            with pytest.raises(Refused, match="no such junction"):
                await driver.trial(junction(), plan(), 5)

    run(work, faults={ID: Faults(lose_set=1)})


def test_secrets_appear_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def work(stand_in: PlatformStandIn, session: Gat1049Session) -> str:
        with pytest.raises(Refused, match="login refused: SDO_User SDE_Pwd") as error:
            async with Gat1049Driver(session, ID):
                pass
        return f"{error.getrepr(style='native')!s}"

    shown = run(work, platform={"password": "wrong-password"})
    to = Platform(host="h", user=USER, password=PASSWORD)  # type: ignore[arg-type]
    for text in (shown, caplog.text, repr(to), str(to), to.model_dump_json()):
        assert "wrong-password" not in text
        assert PASSWORD not in text
        assert USER not in text


ELEMENTS = st.recursive(
    st.builds(
        lambda tag, text: f"<{tag}>{text}</{tag}>",
        st.sampled_from(sorted(WHOLE | {"CrossID", "Name", "StageTiming", "Adjust", "ä"})),
        st.text("0123456789 -+.eE１٣<&;abX", max_size=20).map(
            lambda text: text.replace("<", "&lt;").replace("&", "&amp;")
        ),
    ),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from([*NUMBERS, "StageTimingList", "PeriodList", "Period", "AdjustList"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(ELEMENTS)
def test_strange_objects_are_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        named(ET.fromstring(text), ID, "fuzz")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(OLD.objects)), st.data())
def test_mutated_objects_are_bad_input_or_have_one_form(name: str, data: st.DataObject) -> None:
    found = ET.fromstring(OLD.objects[name])
    field = data.draw(st.sampled_from([part for part in found.iter() if not len(part)]))
    field.text = data.draw(st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 2000).map(lambda x: f" {x:04d}")))
    try:
        told, text = named(found, ID, "fuzz")
    except BadInput:
        return
    assert named(ET.fromstring(text), ID, "fuzz") == (told, text)


def test_it_is_quick() -> None:
    begun_s = time.process_time()
    write()
    assert time.process_time() - begun_s < 1
