from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import frictionless
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.errors import BadInput
from greenband.formats import gmns
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.describe import junctions
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

TABLES = [
    "signal_controller",
    "movement",
    "signal_timing_plan",
    "signal_timing_phase",
    "signal_coordination",
    "signal_phase_mvmt",
]
Line = dict[str, str]


def plan_of(signal: str, greens: tuple[int, ...], offset_s: int) -> TimingPlan:
    stages = tuple(
        StageTiming(stage=k, name=f"stage {k + 1}", green_s=green, green_flash_s=3, yellow_s=3, all_red_s=2)
        for k, green in enumerate(greens)
    )
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=signal, name="by hand", cycle_s=cycle_s, offset_s=offset_s, stages=stages)


def plan_set(there: dict[str, Junction], greens: tuple[int, ...] = (27, 7, 17, 9)) -> PlanSet:
    """Peak 07:00 to 09:00 from Monday to Friday, else quiet; a plan for fairs that never runs."""
    work = DayPlan(switches=tuple(Switch(at_min=60 * h, plan=p) for h, p in ((0, "quiet"), (7, "peak"), (9, "quiet"))))
    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none"),
        plans={
            "peak": {signal: plan_of(signal, greens, 40) for signal in there},
            "quiet": {signal: plan_of(signal, (12, 5, 12, 5), 0) for signal in there},
            "fair": {"J08": plan_of("J08", greens, 3)},
        },
        junctions=there,
        day_plans={"work": work, "rest": DayPlan(switches=(Switch(at_min=0, plan="quiet"),))},
        schedule=(
            ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
            ScheduleRow(day_plan="rest", weekdays=(6, 7)),
        ),
    )


@pytest.fixture(scope="module")
def there(shixin_short: Scenario) -> dict[str, Junction]:
    found = junctions(shixin_short)
    return {signal: found[signal] for signal in ("J08", "J09")}


@pytest.fixture(scope="module")
def folder(there: dict[str, Junction], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("gmns")
    gmns.export(plan_set(there), place)
    return place


def lines(path: Path) -> list[Line]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def spoilt(folder: Path, into: Path, table: str, edit: Callable[[list[Line]], object]) -> Path:
    """A copy of the folder with rows of a table changed."""
    place = into / "spoilt"
    shutil.copytree(folder, place)
    rows = lines(place / f"{table}.csv")
    edit(rows)
    text = io.StringIO(newline="")
    out = csv.DictWriter(text, rows[0], lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    (place / f"{table}.csv").write_bytes(text.getvalue().encode())
    return place


def setter(row: int, field: str, value: str) -> Callable[[list[Line]], None]:
    def edit(rows: list[Line]) -> None:
        rows[row][field] = value

    return edit


def test_tables_say_what_an_engineer_expects(folder: Path) -> None:
    found = gmns.read(folder)
    assert list(found.tables) == TABLES
    assert [row["controller_id"] for row in found["signal_controller"]] == ["J08", "J09"]
    plans = {row["timing_plan_id"]: row for row in found["signal_timing_plan"]}
    assert {key: plan["time_day"] for key, plan in plans.items() if plan["controller_id"] == "J08"} == {
        "J08/peak/1": "01111100_0700_0900",
        "J08/quiet/1": "01111100_0000_0700",
        "J08/quiet/2": "10000010_0000_2400",
        "J08/quiet/3": "01111100_0900_2400",
        "J08/fair/1": "00000000_0000_2400",
    }
    assert (plans["J08/peak/1"]["cycle_length"], plans["J08/quiet/3"]["cycle_length"]) == (92, 66)
    phases = {
        row["signal_phase_num"]: row for row in found["signal_timing_phase"] if row["timing_plan_id"] == "J08/peak/1"
    }
    assert {number: row["min_green"] for number, row in phases.items()} == {
        1: 10, 2: 30, 3: 12, 4: 20, 5: 10, 6: 30, 7: 12, 8: 20
    }  # fmt: skip
    assert {(row["clearance"], row["walk_time"], row["extension"]) for row in phases.values()} == {(5, None, None)}
    assert [(phases[n]["ring"], phases[n]["barrier"], phases[n]["position"]) for n in (2, 1, 8, 7)] == [
        (1, 1, 1),
        (1, 1, 2),
        (2, 2, 1),
        (2, 2, 2),
    ]
    offsets = {row["timing_plan_id"]: row for row in found["signal_coordination"]}
    assert [offsets["J09/peak/1"][field] for field in ("coord_phase", "coord_ref_to", "offset", "coord_contr_id")] == [
        2,
        "begin_of_green",
        40,
        None,
    ]


def test_movements_are_told_and_served(folder: Path) -> None:
    found = gmns.read(folder)
    movements = {row["mvmt_id"]: row for row in found["movement"]}
    assert movements["S_J08.bay>J08_W08"] == {
        "mvmt_id": "S_J08.bay>J08_W08",
        "node_id": "J08",
        "name": "NBL",
        "ib_link_id": "S_J08.bay",
        "ob_link_id": "J08_W08",
        "type": "left",
        "ctrl_type": "signal",
        "mvmt_code": "NBL",
    }
    assert movements["S_J08.bay>J08_E08"]["ctrl_type"] == "signal_with_RTOR"
    served = {
        (row["mvmt_id"], row["protection"])
        for row in found["signal_phase_mvmt"]
        if row["timing_phase_id"] in ("J08/peak/1/2", "J08/peak/1/5")
    }
    assert served == {
        ("S_J08.bay>J08_J09", "protected"),
        ("S_J08.bay>J08_E08", "protected"),
        ("S_J08.bay>J08_W08", "protected"),
    }


def test_people_cross_by_links_and_turns_give_way_to_them(tmp_path: Path) -> None:
    people = junctions(registry.scenario("shixin_short+people"))["J08"]
    plans = plan_set({"J08": people}, (27, 7, 30, 9))
    day = {"work": DayPlan(switches=(Switch(at_min=0, plan="peak"),))}
    only = {"plans": {"peak": plans.plans["peak"]}, "day_plans": day, "schedule": (ScheduleRow(day_plan="work"),)}
    gmns.export(plans.model_copy(update=only), tmp_path)
    found = gmns.read(tmp_path)
    assert [row["time_day"] for row in found["signal_timing_plan"]] == ["11111111_0000_2400"]
    (phase,) = (row for row in found["signal_timing_phase"] if row["signal_phase_num"] == 4)
    assert (phase["walk_time"], phase["ped_clearance"], phase["max_green"]) == (7, 24, 33)
    served = [row for row in found["signal_phase_mvmt"] if row["timing_phase_id"] == phase["timing_phase_id"]]
    assert {(row["mvmt_id"], row["link_id"], row["protection"]) for row in served} == {
        (None, ":J08_c2", None),
        ("W08_J08.bay>J08_E08", None, "protected"),
        ("W08_J08.bay>J08_S", None, "permitted"),
    }


def test_turns_always_green_are_in_every_phase_and_turns_on_red_are_marked(
    there: dict[str, Junction], tmp_path: Path
) -> None:
    free, on_red = 1, 7
    stages = tuple(
        stage.model_copy(update={"green": tuple(sorted({*stage.green, free} - {on_red})), "permitted": ()})
        for stage in there["J08"].stages
    )
    apart = tuple(pair for pair in there["J08"].conflicts if free not in pair)
    plans = plan_set({"J08": there["J08"].model_copy(update={"stages": stages, "conflicts": apart})})
    gmns.export(plans, tmp_path)
    rows = [row for row in gmns.read(tmp_path)["signal_phase_mvmt"] if "/peak/1/" in str(row["timing_phase_id"])]
    always = {row["timing_phase_id"] for row in rows if row["mvmt_id"] == "J09_J08.bay>J08_W08"}
    assert always == {f"J08/peak/1/{number}" for number in range(1, 9)}
    assert [(row["timing_phase_id"], row["protection"]) for row in rows if row["mvmt_id"] == "S_J08.bay>J08_E08"] == [
        ("J08/peak/1/2", "rtor")
    ]


def test_same_plans_same_bytes(there: dict[str, Junction], tmp_path: Path) -> None:
    one, two = (gmns.export(plan_set(there), tmp_path / name) for name in ("one", "two"))
    assert [file.name for file in one] == [
        *(f"{name}.csv" for name in TABLES),
        *(f"{name}.schema.json" for name in TABLES),
        "datapackage.json",
    ]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def faults(folder: Path) -> set[tuple[str, str, int]]:
    """Table, kind and row, from 0 below the heading, of every fault that the independent validator finds."""
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert not report.errors
    return {
        (task.name, error.type, getattr(error, "row_number", 0) - 2) for task in report.tasks for error in task.errors
    }


def test_an_independent_validator_accepts_the_folder(folder: Path) -> None:
    assert faults(folder) == set()
    package = json.loads((folder / "datapackage.json").read_text())
    assert [resource["name"] for resource in package["resources"]] == TABLES


FAULTS = [
    ("signal_timing_phase", 0, "clearance", "121", "constraint-error", "it must be from 0 to 120"),
    ("signal_timing_phase", 1, "ring", "", "constraint-error", "it must not be empty"),
    ("signal_timing_phase", 2, "position", "1.5", "type-error", "it must be an integer"),
    ("signal_timing_phase", 3, "timing_plan_id", "J77", "foreign-key", "there is no 'J77' in table signal_timing_plan"),
    ("signal_timing_plan", 0, "cycle_length", "601", "constraint-error", "it must be from 0 to 600"),
    ("signal_timing_plan", 1, "time_day", "0111110_0700_0900", "constraint-error", "it must match"),
    ("signal_timing_plan", 2, "time_day", "01111100_0760_0900", "constraint-error", "it must match"),
    ("signal_timing_plan", 4, "timing_plan_id", "J08/peak/1", "primary-key", "'J08/peak/1' appears twice"),
    ("signal_coordination", 0, "coord_contr_id", "J77", "foreign-key", "there is no 'J77' in table signal_controller"),
    ("signal_coordination", 1, "coord_ref_to", "begin", "constraint-error", "it must be one of begin_of_green"),
    ("signal_coordination", 2, "offset", "-1", "constraint-error", "it must be from 0 to any"),
    ("signal_phase_mvmt", 0, "mvmt_id", "x>y", "foreign-key", "there is no 'x>y' in table movement"),
    ("signal_phase_mvmt", 1, "protection", "maybe", "constraint-error", "it must be one of protected"),
    ("movement", 0, "type", "ahead", "constraint-error", "it must be one of left"),
]


@pytest.mark.parametrize(("table", "row", "field", "value", "kind", "reason"), FAULTS)
def test_a_fault_is_named(
    folder: Path, tmp_path: Path, table: str, row: int, field: str, value: str, kind: str, reason: str
) -> None:
    place = spoilt(folder, tmp_path / "one", table, setter(row, field, value))
    with pytest.raises(BadInput) as caught:
        gmns.read(place)
    assert reason in str(caught.value)
    assert table in str(caught.value)


def test_an_independent_validator_sees_every_fault(folder: Path, tmp_path: Path) -> None:
    place = folder
    for number, (table, row, field, value, _, _) in enumerate(FAULTS):
        place = spoilt(place, tmp_path / str(number), table, setter(row, field, value))
    assert {(table, kind, row) for table, row, _, _, kind, _ in FAULTS} <= faults(place)


@pytest.mark.parametrize(
    ("table", "edit", "reason"),
    [
        (
            "signal_timing_phase",
            setter(0, "max_green", "31"),
            "plan J08/peak/1: the rings do not end barrier 1 together: ring 1 51 s, ring 2 50 s",
        ),
        (
            "signal_timing_plan",
            setter(0, "cycle_length", "93"),
            "signal_timing_phase.csv: plan J08/peak/1: the phases of a ring sum to 92 s, but cycle_length is 93",
        ),
        ("signal_coordination", setter(0, "offset", "92"), "plan J08/peak/1: offset 92 must be below cycle_length 92"),
        ("signal_coordination", setter(0, "coord_phase", "9"), "plan J08/peak/1: there is no phase 9 to coordinate"),
    ],
)
def test_timing_that_does_not_add_up_is_named(
    folder: Path, tmp_path: Path, table: str, edit: Callable[[list[Line]], None], reason: str
) -> None:
    with pytest.raises(BadInput) as caught:
        gmns.read(spoilt(folder, tmp_path, table, edit))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"controller_id", b"controller", "line 1: there is no column 'controller_id'"),
        (b"controller_id", b"controller_id,controller_id", "line 1: a column appears twice"),
        (b"J08", b"J08,7", "line 2: 2 cells, but 1 columns"),
        (b"J08", b'"J08', "not a CSV table"),
        (b"J08", b"\xff", "not UTF-8 text"),
    ],
)
def test_other_tables_are_refused(folder: Path, tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    place = tmp_path / "other"
    shutil.copytree(folder, place)
    path = place / "signal_controller.csv"
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        gmns.read(place)
    assert f"{path}: {reason}" in str(caught.value)
    path.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        gmns.read(place)


def test_tables_with_more_columns_are_read(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "more"
    shutil.copytree(folder, place)
    (place / "signal_controller.csv").write_text("note,controller_id\nold,J08\n,J09\n")
    assert gmns.read(place)["signal_controller"] == ({"controller_id": "J08"}, {"controller_id": "J09"})


def test_what_cannot_be_said_is_refused_before_anything_is_written(there: dict[str, Junction], tmp_path: Path) -> None:
    plans = plan_set(there)
    holiday = ScheduleRow(day_plan="rest", first="10-01", last="10-07")
    slow = {"J08": plan_of("J08", (400, 7, 200, 9), 0)}
    odd = there["J09"].model_copy(update={"conflicts": ((2, 8),)})
    for update, reason in (
        ({"schedule": (*plans.schedule, holiday)}, "day plan 'rest' is for the dates 10-01 to 10-07, and GMNS has no"),
        (
            {"plans": {**plans.plans, "fair": slow}},
            "signal_timing_plan, J08/fair/1, cycle_length: '648' is not allowed",
        ),
        ({"junctions": {**there, "J09": odd}}, "junction J09, plan 'by hand': not possible with rings and barriers"),
    ):
        with pytest.raises(BadInput, match=reason):
            gmns.export(plans.model_copy(update=update), tmp_path)
    assert not list(tmp_path.iterdir())


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spoilt_tables_are_read_or_refused(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(TABLES))
    whole = (folder / f"{name}.csv").read_bytes()
    begin = data.draw(st.integers(0, len(whole)))
    inside = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"0", b"-1", b",", b"\n", b"1e9", b"NaN"])))
    after = b"" if data.draw(st.booleans()) else whole[begin + data.draw(st.integers(0, 40)) :]
    with tempfile.TemporaryDirectory() as place:
        for table in TABLES:
            shutil.copy(folder / f"{table}.csv", place)
        (Path(place) / f"{name}.csv").write_bytes(whole[:begin] + inside + after)
        with contextlib.suppress(BadInput):
            gmns.read(Path(place))
