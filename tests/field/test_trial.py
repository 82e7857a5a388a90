"""Plans on trial: what the controller runs at every minute, as a stand-in with a clock of its own tells it."""

from __future__ import annotations

import asyncio
import datetime
import re
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from greenband.errors import BadInput
from greenband.field.batch import Batch, Target
from greenband.field.download import Outcome, Patience, Prepared, Result
from greenband.field.driver import Refused
from greenband.field.gat1049 import Gat1049Driver
from greenband.field.gat1049 import wanted as platform_wanted
from greenband.field.gat1049.session import Gat1049Session, Platform
from greenband.field.holding import Holding
from greenband.field.ntcip import NtcipDriver
from greenband.field.ntcip.driver import wanted as driver_wanted
from greenband.field.ntcip.trial import Rows, trial_rows
from greenband.field.snmp import Access
from greenband.field.stand_ins.catalog import Maxima, catalog
from greenband.field.stand_ins.faults import Faults, Mishaps
from greenband.field.stand_ins.gat1049 import PlatformStandIn
from greenband.field.stand_ins.memory import Memory
from greenband.field.stand_ins.ntcip import Settings, StandIn, User, serve_many
from greenband.field.stand_ins.running import Clock, Running
from greenband.field.trial import Trial, Trials, period_now
from greenband.formats import json as plan_json
from greenband.formats import ntcip
from greenband.formats.ntcip_objects import ACTION_OID, Action, Event
from greenband.formats.ntcip_tables import NtcipTables
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.describe import described
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario

ROWS = Rows(patterns=16, splits=16, sequences=4, actions=16, day_plans=8, events=12, schedule=20)
UTC = datetime.UTC
WEEK = (
    ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
    ScheduleRow(day_plan="rest", weekdays=(6, 7)),
)


NOON = datetime.datetime(2026, 11, 30, 11, 59, 20)  # a Monday
SECRET = "passphrase of the trial"


@pytest.fixture(scope="module")
def plans(jincheng: Scenario) -> PlanSet:
    """AM from 6 to 20 h on working days, OFF otherwise, at one junction."""
    read = [plan_json.read(jincheng.existing_plan_file(period)) for period in ("AM", "OFF")]
    found = described(read[0].model_copy(update={"plans": read[0].plans | read[1].plans}), jincheng)
    work = (Switch(at_min=0, plan="OFF"), Switch(at_min=360, plan="AM"), Switch(at_min=1200, plan="OFF"))
    days = {"work": DayPlan(switches=work), "rest": DayPlan(switches=work[:1])}
    return PlanSet.model_validate(found.model_copy(update={"day_plans": days, "schedule": WEEK}).model_dump())


@pytest.fixture(scope="module")
def signal(plans: PlanSet) -> str:
    return next(iter(plans.junctions))


def shifted(plans: PlanSet, by_s: int = 7) -> PlanSet:
    """The same plans with other offsets, in three patterns of which the last is new."""
    moved = {
        period: {
            name: plan.model_copy(update={"offset_s": (plan.offset_s + by_s) % plan.cycle_s})
            for name, plan in of.items()
        }
        for period, of in plans.plans.items()
    }
    return plans.model_copy(update={"plans": moved})


class Device:
    """Tables and a calendar, without a network."""

    def __init__(self, plans: PlanSet, signal: str) -> None:
        self.local = NOON
        self.memory = Memory(catalog(Maxima(), False), ntcip.objects(plans, signal))
        self.running = Running(
            self.memory, Clock(lambda: self.local.replace(tzinfo=UTC).timestamp()), Mishaps(Faults())
        )

    def utc(self) -> float:
        return self.local.replace(tzinfo=UTC).timestamp()

    def pattern(self, at: datetime.datetime) -> int:
        self.local = at
        called = self.running.called
        return self.memory.tables.actions[called.action].pattern

    def patterns(self, begin: datetime.datetime, minutes: int) -> list[int]:
        """At the beginning, at the end, and some times in between."""
        times = sorted({0, 1, minutes - 1, *range(0, minutes, 1 + minutes // 40)})
        return [self.pattern(begin + datetime.timedelta(minutes=minute)) for minute in times if minute < minutes]


def minute(at: datetime.datetime) -> datetime.datetime:
    return at.replace(second=0, microsecond=0)


@settings(max_examples=40, deadline=None)
@given(
    now=st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2030, 12, 31)),
    minutes=st.one_of(st.integers(1, 1440), st.integers(1, 30)),
    period=st.sampled_from([1, 2]),
)
def test_the_controller_runs_the_plan_for_the_time_and_its_own_before_and_after(
    plans: PlanSet, signal: str, now: datetime.datetime, minutes: int, period: int
) -> None:
    device, untouched = Device(plans, signal), Device(plans, signal)
    tables = ntcip.tables(shifted(plans), signal)
    found, ends = trial_rows(device.memory.tables.in_force(), tables, period, ROWS, now, minutes)
    begin = minute(now)
    assert datetime.timedelta(minutes=minutes) <= ends - now < datetime.timedelta(minutes=minutes + 1)
    device.memory.store({item.name: item.value for item in found})
    lasts = round((ends - begin).total_seconds() / 60)
    running = device.patterns(begin, lasts)
    assert len(set(running)) == 1
    assert running[0] not in untouched.memory.tables.in_force().patterns
    held = device.memory.tables.patterns[running[0]]
    assert (held.cycle_s, held.offset_s) == (tables.patterns[period].cycle_s, tables.patterns[period].offset_s)
    splits = {p: s for (of, p), s in device.memory.tables.splits.items() if of == held.split}
    assert splits == {p: s for (of, p), s in tables.splits.items() if of == tables.patterns[period].split}
    assert device.patterns(ends, 3 * 1440) == untouched.patterns(ends, 3 * 1440)


def test_a_trial_over_midnight_takes_the_plans_of_the_next_day(plans: PlanSet, signal: str) -> None:
    """From Friday evening, whose next day is not a working day."""
    device, friday = Device(plans, signal), datetime.datetime(2026, 12, 4, 23, 30)
    found, ends = trial_rows(
        device.memory.tables.in_force(), ntcip.tables(shifted(plans), signal), 1, ROWS, friday, 600
    )
    device.memory.store({item.name: item.value for item in found})
    assert ends == datetime.datetime(2026, 12, 5, 9, 30)
    assert device.pattern(datetime.datetime(2026, 12, 5, 9, 29)) == 16
    assert device.pattern(ends) == 2, "OFF, as it is Saturday"


SIGN = "1.3.6.1.4.1.1206.4.2.3.8.1.1.1.2"  # an action of a device of another kind


def with_functions(plans: PlanSet, signal: str) -> NtcipTables:
    """What a controller holds whose day has a function from 12:30 on, none but no pattern from 12:40 on."""
    held = Device(plans, signal).memory.tables
    more = {
        (1, 4): Event(12, 30, f"{ACTION_OID}.4"),
        (1, 5): Event(12, 35, SIGN),
        (1, 6): Event(12, 40, f"{ACTION_OID}.5"),
        (1, 7): Event(13, 30, SIGN),
    }
    actions = {4: replace(held.actions[1], special=1), 5: Action(0, 0, 0)}
    return replace(held, events={**held.events, **more}, actions={**held.actions, **actions}).in_use()


def day_of_the_trial(held: NtcipTables, plans: PlanSet, signal: str, now: datetime.datetime) -> dict[str, Action | str]:
    found, _ = trial_rows(held, ntcip.tables(shifted(plans), signal), 1, ROWS, now, 60)
    made: dict[int, dict[str, int]] = {}
    for item in found:
        if item.column.name.startswith("timebaseAsc") and isinstance(item.value, int):
            made.setdefault(item.index[0], {})[item.column.name] = item.value
    actions = {**held.actions, **{number: Action(*values.values()) for number, values in made.items()}}
    named = {f"{ACTION_OID}.{number}": action for number, action in actions.items()}
    texts = {item.name: str(item.value) for item in found if item.index[0] == ROWS.day_plans}
    events = [[texts[f"dayPlan{what}.8.{n}"] for what in ("Hour", "Minute", "ActionNumberOID")] for n in range(1, 13)]
    return {f"{int(hour)}:{minute:>02}": named.get(oid, oid) for hour, minute, oid in events if oid != "0.0"}


def test_functions_and_other_devices_are_switched_during_a_trial_as_without_it(plans: PlanSet, signal: str) -> None:
    held = with_functions(plans, signal)
    assert held.actions[5] == Action(0, 0, 0), "an event has it"
    assert day_of_the_trial(held, plans, signal, NOON.replace(hour=12, minute=10, second=0)) == {
        "0:00": held.actions[2],
        "6:00": held.actions[1],
        "12:10": Action(16, 0, 0),
        "12:30": Action(16, 0, 1),
        "12:35": SIGN,
        "12:40": Action(16, 0, 0),
        "13:10": Action(0, 0, 0),
        "13:30": SIGN,
        "20:00": held.actions[2],
    }


def test_a_trial_begins_with_the_functions_that_are_on(plans: PlanSet, signal: str) -> None:
    held = with_functions(plans, signal)
    day = day_of_the_trial(held, plans, signal, NOON.replace(hour=12, minute=36, second=0))
    assert day["12:36"] == Action(16, 0, 1)
    assert (day["12:30"], day["12:35"], day["13:30"], day["13:36"]) == (held.actions[4], SIGN, SIGN, Action(0, 0, 0))


def test_a_day_plan_that_is_called_or_has_events_is_in_use(plans: PlanSet, signal: str) -> None:
    held = Device(plans, signal).memory.tables
    event = Event(6, 0, f"{ACTION_OID}.1")
    row = replace(held.schedule[1], months=2, day_plan=7)
    more = replace(held, events={**held.events, (8, 1): event}, schedule={**held.schedule, 9: row}).in_use()
    found, _ = trial_rows(more, ntcip.tables(shifted(plans), signal), 1, ROWS, NOON, 60)
    assert {item.index[0] for item in found if item.column.name == "dayPlanHour"} == {6}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"patterns": 5}, "a pattern without use, and all 5 are in use"),
        ({"actions": 5}, "action without use"),
        ({"day_plans": 2}, "day plan without use"),
        ({"schedule": 2}, "schedule row without use"),
        ({"events": 3}, "the controller takes 3"),
    ],
)
def test_a_controller_without_room_is_left_alone(
    plans: PlanSet, signal: str, rows: dict[str, int], reason: str
) -> None:
    held = Device(plans, signal).memory.tables.in_force()
    with pytest.raises(Refused, match=reason):
        trial_rows(held, ntcip.tables(shifted(plans), signal), 1, replace(ROWS, **rows), NOON, 60)


def test_a_plan_with_other_phases_is_refused(plans: PlanSet, signal: str) -> None:
    held = Device(plans, signal).memory.tables.in_force()
    slower = {n: replace(p, yellow_ds=p.yellow_ds + 10) if p.enabled else p for n, p in held.phases.items()}
    with pytest.raises(Refused, match=r"the plan needs phaseYellowChange\.\d 30, and the controller has 40"):
        trial_rows(replace(held, phases=slower), ntcip.tables(plans, signal), 1, ROWS, NOON, 60)


def test_a_second_trial_on_the_same_day_is_refused(plans: PlanSet, signal: str) -> None:
    device, tables = Device(plans, signal), ntcip.tables(shifted(plans), signal)
    found, _ = trial_rows(device.memory.tables.in_force(), tables, 1, ROWS, NOON, 60)
    device.memory.store({item.name: item.value for item in found})
    with pytest.raises(Refused, match="another trial may be under way"):
        trial_rows(device.memory.tables.in_force(), tables, 1, ROWS, NOON + datetime.timedelta(minutes=5), 60)


def test_a_controller_with_no_plan_for_the_day_is_left_alone(plans: PlanSet, signal: str) -> None:
    held = replace(Device(plans, signal).memory.tables.in_force(), schedule={})
    with pytest.raises(Refused, match="no day plan for 2026-11-30"):
        trial_rows(held, ntcip.tables(plans, signal), 1, ROWS, NOON, 60)


def test_the_period_is_that_of_the_hour(plans: PlanSet) -> None:
    assert period_now(plans, NOON) == "AM"
    assert period_now(plans, NOON.replace(hour=21)) == "OFF"


@pytest.mark.parametrize(
    ("period", "minutes", "reason"), [("noon", 60, "noon"), ("AM", 0, "0 min"), ("AM", 1441, "1441")]
)
def test_trials_that_make_no_sense_are_refused(plans: PlanSet, period: str, minutes: int, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        Trial(plans, period, minutes)


@dataclass
class Kept:
    """What is on record, in its order."""

    steps: list[str] = field(default_factory=list)
    plans: list[Prepared] = field(default_factory=list)

    def planned(self, junction: str, plan: Prepared) -> None:
        self.steps.append(f"planned {junction}")
        self.plans.append(plan)

    def begun(self, junction: str, plan: Prepared) -> None:
        self.steps.append(f"begun {junction}")

    def ended(self, junction: str, plan: Prepared | None, outcome: Outcome) -> None:
        self.steps.append(f"ended {junction}: {outcome.result.value}")


def test_a_trial_over_the_network_goes_without_a_trace_when_it_is_rolled_back(plans: PlanSet, signal: str) -> None:
    async def go() -> None:
        user = User("operator", SECRET, SECRET)
        made = StandIn(Settings((user,), name="a"), ntcip.objects(plans, signal))
        async with serve_many([made]):
            secret = SecretStr(SECRET)
            access = Access("127.0.0.1", made.port, user="operator", auth=secret, private=secret)
            kept, before = Kept(), made.held()
            target = Target(signal, lambda: NtcipDriver(access), Holding({}))
            batch = Trials(kept, patience=Patience(total_s=1))
            outcome = (await batch.begin([target], Trial(shifted(plans), "AM", 60), [signal]))[signal]
            assert (outcome.result, outcome.detail[:6]) == (Result.DONE, "until ")
            assert kept.steps == [f"planned {signal}", f"begun {signal}", f"ended {signal}: done"]
            own = {name: text for name, text in before.items() if name not in kept.plans[0].target.objects}
            assert {name: made.held()[name] for name in own} == own, "nothing that it holds is changed"
            back = replace(target, wanted=kept.plans[0].before, exact=True)
            assert (await Trials(Kept()).push([back]))[signal].well
            assert made.held() == before

    asyncio.run(go())


def test_after_a_trial_a_download_clears_its_rows(plans: PlanSet, signal: str) -> None:
    """The trial's action calls for the pattern that goes, which a controller would find inconsistent."""

    async def go() -> None:
        user, secret = User("operator", SECRET, SECRET), SecretStr(SECRET)
        made = StandIn(Settings((user,), name="a"), ntcip.objects(plans, signal))
        async with serve_many([made]):
            access = Access("127.0.0.1", made.port, user="operator", auth=secret, private=secret)
            kept, wanted = Kept(), driver_wanted(plans, signal)
            target = Target(signal, lambda: NtcipDriver(access), wanted)
            assert (await Trials(kept).begin([target], Trial(shifted(plans), "AM", 60), [signal]))[signal].well
            differs = (await Batch(Kept()).compare([target]))[signal]
            assert (differs.result, differs.wanted != differs.after) == (Result.DIFFERS, True)
            outcome = (await Batch(Kept()).push([target]))[signal]
            assert (outcome.result, outcome.detail) == (Result.DONE, "")
            action = next(name for name in kept.plans[0].target.objects if name.startswith("timebaseAscPattern."))
            assert made.held()[action] == "0"
            assert (await Batch(Kept()).compare([target]))[signal].result is Result.HELD

    asyncio.run(go())


def test_a_wrong_clock_is_no_base_for_a_trial(plans: PlanSet, signal: str) -> None:
    async def go() -> None:
        user = User("operator", SECRET, SECRET)
        made = StandIn(Settings((user,), name="a", zone_s=3600), ntcip.objects(plans, signal))
        async with serve_many([made]):
            access = Access("127.0.0.1", made.port, user="operator", auth=SecretStr(SECRET), private=SecretStr(SECRET))
            target, before = Target(signal, lambda: NtcipDriver(access), Holding({})), made.held()
            outcome = (await Trials(Kept()).begin([target], Trial(plans, "AM", 60), [signal]))[signal]
            assert outcome.result is Result.UNCHANGED
            assert re.match("its clock is 3(599|600) s fast", outcome.detail)
            assert made.held() == before

    asyncio.run(go())


@pytest.mark.parametrize(
    ("told", "result", "mode"),
    [
        (Refused("the platform does not tell"), Result.UNCLEAR, 0),
        (["it is offline"], Result.ROLLED_BACK, 1),
    ],
)
def test_a_trial_that_has_begun_is_not_called_unchanged(
    plans: PlanSet, signal: str, monkeypatch: pytest.MonkeyPatch, told: object, result: Result, mode: int
) -> None:
    answers = iter([[], told])

    async def troubles(_: Gat1049Driver) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def go() -> None:
        cross_id, secret = "33010900000001", SecretStr(SECRET)
        async with PlatformStandIn([cross_id], "greenband", SECRET) as platform:
            platform.hold(cross_id, platform_wanted(plans, signal, cross_id).objects)
            session = Gat1049Session(
                Platform(host="127.0.0.1", port=platform.port, user=SecretStr("greenband"), password=secret)
            )
            target = Target(signal, lambda: Gat1049Driver(session, cross_id), Holding({}))
            outcome = (await Trials(Kept()).begin([target], Trial(plans, "AM", 60), []))[signal]
            assert outcome.result is result
            assert platform.running(cross_id)[1] == mode, "0 is the plan of the trial"

    monkeypatch.setattr(Gat1049Driver, "troubles", troubles)
    asyncio.run(go())


def test_behind_a_platform_a_trial_is_a_command_with_a_time(plans: PlanSet, signal: str) -> None:
    async def go() -> None:
        now = [0.0]
        cross_id = "33010900000001"
        async with PlatformStandIn([cross_id], "greenband", SECRET, clock=lambda: now[0]) as platform:
            platform.hold(cross_id, platform_wanted(plans, signal, cross_id).objects)
            speech = Platform(
                host="127.0.0.1", port=platform.port, user=SecretStr("greenband"), password=SecretStr(SECRET)
            )
            session, before = Gat1049Session(speech), platform.held(cross_id)
            target = Target(signal, lambda: Gat1049Driver(session, cross_id), Holding({}))
            platform.run_as(cross_id, "21", 1, state="Offline")
            outcome = (await Trials(Kept()).begin([target], Trial(plans, "AM", 60), []))[signal]
            assert (outcome.result, "is offline" in outcome.detail) == (Result.UNCHANGED, True)
            assert platform.running(cross_id) == ("21", 1)
            platform.run_as(cross_id, "21", 1)
            outcome = (await Trials(Kept()).begin([target], Trial(plans, "AM", 60), []))[signal]
            assert outcome.result is Result.DONE
            assert platform.running(cross_id)[1] == 0, "the trial runs"
            now[0] = 3601.0
            assert platform.running(cross_id) == ("21", 1), "it is over by itself"
            assert (await Trials(Kept()).begin([target], Trial(plans, "AM", 60), []))[signal].well
            assert (await Trials(Kept()).end([target]))[signal].well
            assert platform.running(cross_id) == ("21", 1)
            assert platform.held(cross_id) == before

    asyncio.run(go())
