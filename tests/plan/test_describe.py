from __future__ import annotations

import datetime

import pytest

from greenband import registry
from greenband.agents.planned import GreenWave
from greenband.errors import BadInput
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch, day_plan_on
from greenband.plan.describe import described, junctions, whole_day
from greenband.plan.display import junction_phases, phases
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario


def test_a_junction_is_told_as_its_network_has_it(jincheng: Scenario) -> None:
    (junction,) = junctions(jincheng).values()
    (signal,) = jincheng.network.signals.values()
    limits = signal.limits(jincheng.timing)
    assert [group.movement for group in junction.groups] == [movement.id for movement in signal.movements]
    assert [stage.min_green_s for stage in junction.stages] == list(limits.min_green_s)
    assert (junction.yellow_s, junction.all_red_s) == (limits.yellow_s, limits.all_red_s)
    assert junction.name_zh == "金城路"
    for stage, known in zip(junction.stages, signal.stages, strict=True):
        links = {link for number in stage.going for link in junction.group(number).links}
        assert links == known.greens
    for group, other in junction.conflicts:
        pairs = [(a, b) for a in junction.group(group).links for b in junction.group(other).links]
        assert any((min(pair), max(pair)) in signal.conflicts for pair in pairs)


def test_lamps_of_a_described_junction_are_those_of_its_signal() -> None:
    people = registry.scenario("jincheng+people")
    plans = described(GreenWave().plan_set(people, ["AM"]), people)
    walks = [walk for junction in plans.junctions.values() for stage in junction.stages for walk in stage.walks]
    assert walks
    assert all(walk.walk_s >= people.timing.walk_s and walk.flash_s > 0 for walk in walks)
    for _, plan in plans:
        signal = people.network.signals[plan.signal]
        expected = list(phases(signal, plan, signal.limits(people.timing)))
        assert list(junction_phases(plans.junctions[plan.signal], plan)) == expected


def test_hours_without_a_plan_get_one_with_capacity(shixin_short: Scenario) -> None:
    assert [(s.at, s.plan) for s in whole_day(shixin_short, ["AM", "OFF", "PM"])] == [
        ("00:00", "OFF"),
        ("07:00", "AM"),
        ("09:00", "OFF"),
        ("17:00", "PM"),
        ("19:00", "OFF"),
    ]
    assert [(s.at, s.plan) for s in whole_day(shixin_short, ["NIGHT"])] == [("00:00", "NIGHT")]


def test_a_set_is_whole_once_described_and_its_hash_says_so(jincheng: Scenario) -> None:
    alone = GreenWave().plan_set(jincheng, ["AM"])
    whole = described(alone, jincheng)
    assert (alone.whole, whole.whole) == (False, True)
    assert alone.content_hash == alone.plans_hash == whole.plans_hash != whole.content_hash
    assert described(whole, jincheng) == whole


def test_plans_of_another_place_are_refused(jincheng: Scenario, shixin_short: Scenario) -> None:
    plans = GreenWave().plan_set(shixin_short, ["AM"])
    with pytest.raises(BadInput, match="the plans do not fit scenario jincheng: period AM: junction J08 is not among"):
        described(plans, jincheng)


def test_plans_with_a_day_of_their_own_need_no_periods(jincheng: Scenario) -> None:
    alone = GreenWave().plan_set(jincheng, ["AM"])
    renamed = alone.model_copy(update={"plans": {"P1": alone.plans["AM"]}})
    with pytest.raises(BadInput, match="unknown period of jincheng 'P1'"):
        described(renamed, jincheng)
    day = {"every day": DayPlan(switches=(Switch(at_min=0, plan="P1"),))}
    whole = described(
        renamed.model_copy(update={"day_plans": day, "schedule": (ScheduleRow(day_plan="every day"),)}), jincheng
    )
    assert whole.whole
    assert whole.plain_day == "every day"
    assert alone.plain_day is None


def test_a_day_plan_between_two_times() -> None:
    day = DayPlan(switches=tuple(Switch(at_min=m, plan=p) for m, p in ((0, "N"), (420, "A"), (540, "O"), (1320, "N"))))
    assert day.between(0, 86400) == [(0, "N"), (25200, "A"), (32400, "O"), (79200, "N")]
    assert day.between(25200, 32400) == [(25200, "A")]
    assert day.between(82800, 86400 + 28800) == [(82800, "N"), (86400 + 25200, "A")]


def test_the_schedule_prefers_dates_to_weeks() -> None:
    rows = [
        ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
        ScheduleRow(day_plan="weekend", weekdays=(6, 7)),
        ScheduleRow(day_plan="summer", weekdays=(6, 7), first="07-01", last="08-31"),
        ScheduleRow(day_plan="holiday", first="12-31", last="01-02"),
    ]
    days = {"2026-11-27": "work", "2026-11-29": "weekend", "2026-07-04": "summer", "2027-01-01": "holiday"}
    assert {text: day_plan_on(datetime.date.fromisoformat(text), rows) for text in days} == days
    assert day_plan_on(datetime.date(2026, 11, 29), rows[:1]) is None


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ([(60, "AM")], "the first plan begins at 01:00: it must be 00:00"),
        ([(0, "AM"), (0, "PM")], "00:00 does not come after 00:00"),
    ],
)
def test_a_day_has_neither_gap_nor_overlap(day: list[tuple[int, str]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DayPlan(switches=tuple(Switch(at_min=minute, plan=plan) for minute, plan in day))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"weekdays": (2, 1)}, "must ascend"),
        ({"weekdays": (0,)}, "must ascend"),
        ({"weekdays": ()}, "needs a weekday"),
        ({"first": "02-30", "last": "03-01"}, "no date"),
        ({"first": "10-01"}, "come together"),
    ],
)
def test_a_row_that_names_no_days_is_refused(row: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ScheduleRow.model_validate({"day_plan": "x", **row})


def test_names_must_exist(jincheng: Scenario) -> None:
    whole = described(GreenWave().plan_set(jincheng, ["AM"]), jincheng).model_dump()
    with pytest.raises(ValueError, match="the schedule names day plan 'other'"):
        PlanSet.model_validate(whole | {"schedule": [{"day_plan": "other"}]})
    day = {"every day": {"switches": [{"at_min": 0, "plan": "PM"}]}}
    with pytest.raises(ValueError, match="there is no plan 'PM'"):
        PlanSet.model_validate(whole | {"day_plans": day})
