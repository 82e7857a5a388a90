from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.agents.planned import GreenWave
from greenband.errors import BadInput
from greenband.formats import csv as tables
from greenband.formats.table import COLUMNS
from greenband.plan.describe import described
from greenband.plan.junction import Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario

FLASH = COLUMNS["green_flash_s"]


def plans(signal: str = "J1", text: str = "main", period: str = "AM", seeds: tuple[int, ...] = (1000, -1)) -> PlanSet:
    stages = (
        StageTiming(
            stage=2, name=text, movements=("a>b", "c.bay>d"), green_s=20, green_flash_s=3, yellow_s=3, all_red_s=2
        ),
        StageTiming(stage=0, name="side", green_s=10, yellow_s=3, all_red_s=1),
    )
    plan = TimingPlan(signal=signal, name=text, cycle_s=42, offset_s=7, stages=stages)
    origin = Provenance(subject=text, scenario="none", seeds=seeds, greenband="1", sumo="2", note=text)
    return PlanSet(provenance=origin, plans={period: {signal: plan}, "night": {signal: plan, "J1/x": plan_of("J1/x")}})


def plan_of(signal: str) -> TimingPlan:
    stage = StageTiming(stage=0, name="all", green_s=20, yellow_s=3, all_red_s=2)
    return TimingPlan(signal=signal, cycle_s=25, offset_s=0, stages=(stage,))


def cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def edit(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    rows = cells(path)
    change(rows)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def setter(row: int, column: str, value: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        rows[row - 1][rows[0].index(column)] = value

    return change


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    one, two = (tables.export(plans(), tmp_path / name) for name in ("one", "two"))
    assert [file.name for file in one] == ["index.csv", "junction_J1.csv", "junction_J1_x.csv"]
    assert tables.read(tmp_path / "one") == plans()
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_a_table_shows_what_an_engineer_expects(tmp_path: Path, jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    plan = build_plan(signal, signal.limits(jincheng.timing), 100, [3, 1, 2, 1], offset_s=7, name="trial")
    origin = Provenance(subject="hand", scenario=jincheng.name)
    tables.export(described(PlanSet(provenance=origin, plans={"AM": {signal.id: plan}}), jincheng), tmp_path)
    path = tmp_path / f"junction_{signal.id}.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = [dict(zip(cells(path)[0], row, strict=True)) for row in cells(path)[1:]]
    assert len(rows) == 4
    assert rows[0]["路口名称 Junction name"] == "金城路"
    assert rows[0]["放行流向 Released flows"] == "北进口右转 北进口直行 南进口右转 南进口直行"
    assert (rows[0]["周期 Cycle (s)"], rows[0]["相位差 Offset (s)"], rows[0]["阶段号 Stage no."]) == ("100", "7", "1")
    assert sum(int(row["阶段时长 Stage time (s)"]) for row in rows) == 100
    assert {row["运行时段 Times of day"] for row in rows} == {"00:00-24:00"}
    assert [row["最小绿 Min green (s)"] for row in rows] == ["15", "8", "15", "8"]
    assert {row["最大绿 Max green (s)"] for row in rows} == {str(jincheng.timing.max_green_s)}
    assert {row["行人绿 Walk (s)"] for row in rows} == {row["行人绿闪 Ped flash (s)"] for row in rows} == {""}
    assert cells(tmp_path / "index.csv")[1][:4] == [path.name, signal.id, "金城路", "Jincheng Rd"]


def test_a_stage_shows_its_longest_walk(tmp_path: Path) -> None:
    people = registry.scenario("jincheng+people")
    whole = described(GreenWave().plan_set(people, ["AM"]), people)
    ((signal, junction),) = whole.junctions.items()
    walks = (Walk(group=13, walk_s=9, flash_s=20), Walk(group=15, walk_s=7, flash_s=24))
    stages = (junction.stages[0].model_copy(update={"walks": walks}), *junction.stages[1:])
    changed = whole.model_copy(update={"junctions": {signal: junction.model_copy(update={"stages": stages})}})
    tables.export(changed, tmp_path)
    rows = cells(tmp_path / f"junction_{signal}.csv")
    of = {row[rows[0].index("阶段号 Stage no.")]: row for row in rows[1:]}
    columns = [rows[0].index(COLUMNS[key]) for key in ("walk_s", "walk_flash_s")]
    assert [of["1"][column] for column in columns] == ["7", "24"]
    assert [of["2"][column] for column in columns] == ["", ""]


def test_columns_for_people_need_not_be_there(tmp_path: Path) -> None:
    tables.export(plans(), tmp_path)
    for name in ("junction_J1.csv", "junction_J1_x.csv"):
        edit(tmp_path / name, lambda rows: [row.__setitem__(slice(18, 20), []) for row in rows])
        edit(tmp_path / name, lambda rows: [row.__setitem__(5, "at noon") for row in rows[1:]])
    edit(tmp_path / "index.csv", lambda rows: [row.__setitem__(4, "") for row in rows[1:]])
    assert tables.read(tmp_path) == plans()


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(deadline=None, max_examples=50)
@given(signal=words, text=words, period=words.filter(lambda w: w != "night"), seeds=st.lists(st.integers(-9, 10**9)))
def test_any_text_survives_and_no_cell_is_a_formula(signal: str, text: str, period: str, seeds: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = plans(signal if signal != "J1/x" else "J1", text, period, tuple(seeds))
        files = tables.export(wanted, Path(folder))
        assert tables.read(Path(folder)) == wanted
        for file in files:
            assert not any(cell.lstrip(" ")[:1] in tuple("=+-@\t\r") for row in cells(file) for cell in row)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "'quoted", "＝1"])
def test_formulas_are_defused(tmp_path: Path, text: str) -> None:
    tables.export(plans(text=text), tmp_path)
    assert cells(tmp_path / "junction_J1.csv")[1][3] == f"'{text}"
    assert tables.read(tmp_path) == plans(text=text)


def test_ids_that_look_alike_get_files_of_their_own(tmp_path: Path) -> None:
    named = {name: plan_of(name) for name in ("a/b", "a_b", "A_B", "..", "")}
    wanted = PlanSet(provenance=Provenance(subject="x", scenario=""), plans={"AM": named})
    files = tables.export(wanted, tmp_path)
    assert len({file.name.lower() for file in files}) == 6
    assert tables.read(tmp_path) == wanted


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (2, "cycle_s", "43", "rows 2 to 3, period AM: signal J1: stages sum to 42 s, but cycle_s is 43"),
        (3, "cycle_s", "41", "row 3, column '周期 Cycle (s)': '41' is not allowed: row 2 of the same plan has '42'"),
        (2, "green_s", "9.5", "row 2, column '绿灯 Green (s)': '9.5' is not allowed: it must be a whole number from 0"),
        (2, "green_flash_s", "-1", f"row 2, column {FLASH!r}: '-1' is not allowed: it must be a whole number from 0"),
        (2, "stage", "0", "row 2, column '阶段号 Stage no.': '0' is not allowed: it must be a whole number from 1"),
        (3, "duration_s", "99", "row 3, column '阶段时长 Stage time (s)': '99' is not allowed: green, flash,"),
        (
            2,
            "reference",
            "9",
            "row 2, column '协调相位 Reference stage': '9' is not allowed: it must be the first stage",
        ),
        (2, "signal", "J9", "row 2, column '路口编号 Junction': 'J9' is not allowed: the index files"),
        (2, "stage_name", "new", "altered since it was written"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, row: int, column: str, value: str, reason: str) -> None:
    tables.export(plans(), tmp_path)
    path = tmp_path / "junction_J1.csv"
    where = (2, 3) if row == 2 and column in ("cycle_s", "reference") else (row,)
    for number in where:
        edit(path, setter(number, COLUMNS[column], value))
    with pytest.raises(BadInput) as caught:
        tables.read(tmp_path)
    assert f"{path}: {reason}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_edit_is_taken_once_the_index_lets_go_of_the_hashes(tmp_path: Path) -> None:
    tables.export(plans(), tmp_path)
    edit(tmp_path / "junction_J1.csv", setter(2, COLUMNS["stage_name"], "new"))
    edit(tmp_path / "index.csv", setter(2, tables.INDEX_COLUMNS["sha256"], ""))
    with pytest.raises(BadInput, match="another hash"):
        tables.read(tmp_path)
    edit(tmp_path / "index.csv", setter(2, tables.INDEX_COLUMNS["content_hash"], ""))
    assert tables.read(tmp_path).plans["AM"]["J1"].stages[0].name == "new"


@pytest.mark.parametrize("name", ["../x.csv", "/etc/x.csv", "x.txt", "", "index.csv", "a b.csv"])
def test_the_index_names_only_tables_beside_it(tmp_path: Path, name: str) -> None:
    tables.export(plans(), tmp_path)
    edit(tmp_path / "index.csv", setter(2, tables.INDEX_COLUMNS["file"], name))
    with pytest.raises(BadInput, match=r"index\.csv: row 2, column '文件 File'"):
        tables.read(tmp_path)


def test_a_missing_column_or_cell_is_named(tmp_path: Path) -> None:
    tables.export(plans(), tmp_path)
    path = tmp_path / "junction_J1.csv"
    edit(path, lambda rows: rows[1].pop())
    with pytest.raises(BadInput, match="row 2: 22 cells, but 23 columns"):
        tables.read(tmp_path)
    edit(path, setter(1, COLUMNS["green_s"], "Green"))
    with pytest.raises(BadInput, match="row 1: no column '绿灯 Green"):
        tables.read(tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no column"),
        ("路口".encode("gb18030"), "not UTF-8"),
        (b'"open', "not a CSV table"),
        (None, "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    if data is not None:
        (tmp_path / "index.csv").write_bytes(data)
    with pytest.raises(BadInput, match=reason):
        tables.read(tmp_path)


def test_an_id_with_a_bar_cannot_be_written(tmp_path: Path) -> None:
    stage = StageTiming(stage=0, name="", movements=("a|b",), green_s=20, yellow_s=3, all_red_s=2)
    plan = TimingPlan(signal="J1", cycle_s=25, offset_s=0, stages=(stage,))
    with pytest.raises(BadInput, match="cannot stand in a timing table"):
        tables.export(PlanSet(provenance=Provenance(subject="", scenario=""), plans={"AM": {"J1": plan}}), tmp_path)
