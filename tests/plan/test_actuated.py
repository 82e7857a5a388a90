"""Actuated tables: what a file may hold, how they follow from what a policy did, and the rules on them."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from greenband import formats
from greenband.errors import BadInput
from greenband.formats import json as table_json
from greenband.plan.actuated import ActuatedPlan, ActuatedSet, ActuatedStage
from greenband.plan.distil import demand_ratios
from greenband.plan.distil_actuated import distil_actuated, maxima_s, served_greens
from greenband.plan.rules import PROFILES, Waiver, broken_form, check_table
from greenband.scenario import Period, Scenario
from greenband.signals import Limits

LIMITS = Limits(3, 2, (15, 8, 15, 8), max_green_s=90, max_red_s=180)


def stage(number: int = 0, **changes: object) -> ActuatedStage:
    fields = {"stage": number, "name": "A", "min_green_s": 15, "max_green_s": 40, "passage_ds": 30}
    return ActuatedStage.model_validate(fields | changes)


def log_of(scenario: Scenario, period: str = "AM") -> dict[str, list[tuple[int, int]]]:
    """Stages 0, 2, 1, 3 for 90 s and over and over; greens of stage 0 are 31 s, 32 s, ... 40 s in turn, of 1 10 s, of
    3 15 s."""
    span = scenario.period(period)
    log = [(span.start_s, 3)]
    for number, clock in enumerate(range(span.begin_s, span.end_s, 90)):
        first = 31 + number % 10
        log += [(clock, 0), (clock + 5 + first, 2), (clock + 55, 1), (clock + 70, 3)]
    return dict.fromkeys(scenario.network.signals, log)


@pytest.fixture(scope="module")
def made(jincheng: Scenario) -> ActuatedSet:
    return distil_actuated(jincheng, {"AM": [log_of(jincheng)]}, "maxpressure", [10_000])


def test_maxima_by_hand() -> None:
    ten = [12, 18, 11, 10, 13, 19, 14, 17, 16, 15]  # the ninth of ten is 18
    greens = [ten, ten, [], [200]]
    # demand: 0.2 of 75 s at a saturation of 0.75 needs 20 s, 0.01 needs 1 s
    assert maxima_s(LIMITS, greens, (0.2, 0.01, 0.01, 0.0), 75) == [20, 18, 15, 90]


def test_maxima_are_shortened_to_keep_the_maximum_red() -> None:
    # three greens and four intergreens of 5 s within 180 s: 160 s of green for any three stages
    assert maxima_s(LIMITS, [[90]] * 4, (0, 0, 0, 0), 75) == [54, 53, 53, 53]
    assert maxima_s(Limits(3, 2, (10,)), [[300]], (0,), 75) == [90]


def test_greens_that_began_and_ended_in_the_period(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    period = Period(begin_s=100, duration_s=100, warmup_s=100, demand="")
    # stage 0 green from 0, stage 1 from 65 to 120, stage 2 from 125 to 150, stage 0 from 155 on
    log = {signal.id: [(0, 0), (60, 1), (120, 2), (150, 0)]}
    assert served_greens(signal, signal.limits(jincheng.timing), [log, log], period) == [[], [], [25, 25], []]


def test_a_table_of_a_log_by_hand(made: ActuatedSet, jincheng: Scenario) -> None:
    (table,) = made.plans["AM"].values()
    assert table.order == (0, 2, 1, 3)
    assert [timing.min_green_s for timing in table.stages] == [15, 15, 8, 8]
    assert {timing.passage_s for timing in table.stages} == {3.0}
    longest = {timing.stage: timing.max_green_s for timing in table.stages}
    assert longest[0] == 39  # of 31 to 40 s the ninth
    ratios, had = demand_ratios(jincheng.network, jincheng.demand("AM"))["J11"], {0: 39, 1: 10, 2: 13, 3: 15}
    needed = {k: math.ceil(ratio * 90 / 0.75) for k, ratio in enumerate(ratios)}  # of the 90 s between services
    assert longest == {k: max(had[k], needed[k]) for k in had}
    assert needed[2] > 15  # so that demand has its say
    assert made.provenance.subject == "maxpressure"
    assert made.provenance.seeds == (10_000,)
    assert made.junctions.keys() == jincheng.network.signals.keys()
    assert [switch.plan for day in made.day_plans.values() for switch in day.switches] == ["AM"]


@pytest.mark.parametrize("passage_s", [0.0, 25.6, float("nan")])
def test_a_passage_time_out_of_range_is_refused(passage_s: float, jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match=r"passage time .* must be 0\.1 to 25\.5 s"):
        distil_actuated(jincheng, {"AM": [log_of(jincheng)]}, "x", passage_s=passage_s)


def test_no_logs_and_the_whole_day_are_refused(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="no logs"):
        distil_actuated(jincheng, {}, "x")
    with pytest.raises(BadInput, match=r"period day spans several: make actuated tables for .*AM"):
        distil_actuated(jincheng, {"day": [log_of(jincheng)]}, "x")
    with pytest.raises(BadInput, match="no log of a run"):
        distil_actuated(jincheng, {"AM": []}, "x")
    with pytest.raises(BadInput, match="the log has no signal J11"):
        distil_actuated(jincheng, {"AM": [{}]}, "x")


def test_what_a_stage_and_a_table_may_hold() -> None:
    with pytest.raises(ValidationError, match="min_green_s 15 exceeds max_green_s 14"):
        stage(max_green_s=14)
    for wrong in ({"passage_ds": 0}, {"passage_ds": 256}, {"min_green_s": 15.5}, {"force_off_s": 30}):
        with pytest.raises(ValidationError):
            stage(**wrong)
    with pytest.raises(ValidationError, match=r"a stage appears twice in \[0, 1, 0\]"):
        ActuatedPlan(signal="J1", stages=(stage(), stage(1), stage()))
    table = ActuatedPlan(signal="J1", stages=(stage(), stage(1, max_green_s=30), stage(2, max_green_s=20)))
    assert [table.longest_red_s(timing, 5) for timing in table.stages] == [65, 75, 85]


@pytest.mark.parametrize(
    ("place", "fields", "message"),
    [
        (("plans", "AM", "J11"), {"signal": "J12"}, "the table of J12 is filed under another signal"),
        (("plans", "AM", "J11", "stages", 0), {"stage": 9}, "junction J11: no stage 9, it has 4"),
        (
            ("plans", "AM", "J11", "stages", 0),
            {"max_green_s": 3},
            r"plans\.AM\.J11\.stages\.0: .*exceeds max_green_s 3",
        ),
        (("plans",), {"AM": {}}, "every period needs at least one table"),
        ((), {"plans": {}}, "plans: .*at least 1 item"),
        ((), {"junctions": {}}, "junction J11 is not among the junctions"),
        ((), {"kind": "actuatd"}, "unknown kind of table 'actuatd'.*did you mean 'actuated'"),
        ((), {"kind": ["actuated"]}, "unknown kind of table"),
        ((), {"day_plans": {"x": {"switches": [{"at_min": 0, "plan": "PM"}]}}, "schedule": []}, "no plan 'PM'"),
        ((), {"content_hash": "0" * 64}, "content_hash does not match"),
        ((), {"more": 1}, "more: "),
    ],
)
def test_a_broken_file_is_refused(
    place: tuple[Any, ...], fields: dict[str, Any], message: str, made: ActuatedSet, tmp_path: Path
) -> None:
    path = tmp_path / "table.json"
    table_json.write(made, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    if "content_hash" not in fields:
        del data["content_hash"]
    at = data
    for step in place:
        at = at[step]
    at.update(fields)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=rf"table\.json: .*{message}"):
        formats.read_table(path)


def test_a_round_trip_and_the_hash(made: ActuatedSet, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        table_json.write(made, tmp_path / name)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    again = formats.read_table(tmp_path / "one.json")
    assert again == made
    assert isinstance(again, ActuatedSet)
    renamed = made.model_copy(update={"provenance": made.provenance.model_copy(update={"subject": "other"})})
    assert again.content_hash == renamed.content_hash
    shorter = made.model_copy(update={"schedule": ()})
    assert again.content_hash != shorter.content_hash


def test_it_is_no_plan_set(made: ActuatedSet, tmp_path: Path) -> None:
    table_json.write(made, tmp_path / "plan.json")
    for path in (tmp_path / "plan.json", tmp_path):
        with pytest.raises(BadInput, match="a table of kind actuated, not fixed plans"):
            formats.read_plan(path)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_bad_input(data: st.DataObject, made: ActuatedSet, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    table_json.write(made, path)
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"null", b"-1", b"1e400", b"[", b'"', b"NaN"]))
    path.write_bytes(data.draw(st.sampled_from([good[:at], good[:at] + put + good[at + len(put) :]])))
    with suppress(BadInput):
        assert isinstance(formats.read_table(path), ActuatedSet)


def with_stage(made: ActuatedSet, **changes: object) -> ActuatedSet:
    """The tables with the first stage of the first one changed."""
    (table,) = made.plans["AM"].values()
    first = table.stages[0].model_copy(update=changes)
    changed = table.model_copy(update={"stages": (first, *table.stages[1:])})
    return made.model_copy(update={"plans": {"AM": {table.signal: changed}}})


def test_rules(made: ActuatedSet) -> None:
    cn = PROFILES["cn"]
    (approval,) = check_table(made, cn)
    assert (approval.rule, approval.severity) == ("release", "warning")
    (found, _) = check_table(with_stage(made, min_green_s=14), cn)
    assert (found.rule, found.junction, found.plan, found.measured) == ("min-green", "J11", "AM", "14 s")
    assert found.required == "a minimum green of 15 s or more"
    assert "min-green" in {f.rule for f in check_table(with_stage(made, max_green_s=91), cn)}
    (table,) = made.plans["AM"].values()
    reds = [20 + sum(other.max_green_s for other in table.stages if other is not one) for one in table.stages]
    tight = made.junctions["J11"].model_copy(update={"max_red_s": max(reds) - 1})
    found = check_table(made.model_copy(update={"junctions": {"J11": tight}}), cn)[0]
    assert found.rule == "max-red"
    assert (found.measured, found.required) == (f"{max(reds)} s while all others last", f"at most {max(reds) - 1} s")
    waiver = Waiver(rule="min-green", reason="rebuilt next year", by="A. Engineer")
    assert check_table(with_stage(made, min_green_s=14), cn, [waiver])[0].waived.startswith("A. Engineer")


def test_a_missing_stage_and_a_broken_form(made: ActuatedSet, tmp_path: Path) -> None:
    (table,) = made.plans["AM"].values()
    short = table.model_copy(update={"stages": table.stages[:3]})
    found = check_table(made.model_copy(update={"plans": {"AM": {table.signal: short}}}), PROFILES["cn"])
    assert ("stages", "no stage 4") in {(f.rule, f.measured) for f in found}
    path = tmp_path / "table.json"
    table_json.write(made, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["plans"]["AM"]["J11"]["stages"][0]["max_green_s"] = 3
    path.write_text(json.dumps(data), encoding="utf-8")
    (broken,) = broken_form(path)
    assert (broken.rule, broken.junction, broken.plan, broken.measured) == ("min-green", "J11", "AM", "15")


def test_a_table_of_an_unsafe_junction_is_not_passed(made: ActuatedSet) -> None:
    """Yellow, conflicts and the schedule are judged as those of fixed plans are."""
    assert {f.rule for f in check_table(made, PROFILES["cn"])} == {"release"}
    data = made.model_dump(mode="json")
    junction = data["junctions"]["J11"]
    junction.update(yellow_s=0, all_red_s=0, conflicts=[], yields=[])
    data["schedule"] = [{"day_plan": next(iter(data["day_plans"])), "weekdays": [1]}]
    found = {f.rule for f in check_table(ActuatedSet.model_validate(data), PROFILES["cn"]) if f.severity == "error"}
    assert {"yellow", "all-red", "conflicts", "schedule"} <= found
