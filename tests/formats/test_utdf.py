from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.errors import BadInput
from greenband.formats import utdf
from greenband.formats.approaches import directions, lane_groups
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.describe import junctions
from greenband.plan.junction import Junction, SignalGroup
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

GREENS = (27, 7, 17, 9)  # steady, before 3 s of flash, 3 s of yellow and 2 s of all-red
OFFSETS = {"J08": 40, "J09": 0, "J10": 91, "J11": 7}

OTHER_READER = """
import contextlib, io, json, sys, warnings
warnings.simplefilter("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    from utdf2gmns import read_UTDF
    from utdf2gmns.func_lib.sumo.signal_intersections import parse_signal_control
    tables = read_UTDF(sys.argv[1])
    control = parse_signal_control(tables["Phases"], tables["Lanes"], "1")
counts = {name: len(table) for name, table in tables.items()}
plans = tables["Timeplans"]
plan = dict(zip(plans[plans["INTID"] == "1"]["RECORDNAME"], plans[plans["INTID"] == "1"]["DATA"]))
print(json.dumps({"counts": counts, "plan": plan, "control": control}))
"""


def plan_of(signal: str, offset_s: int, greens: tuple[int, ...] = GREENS) -> TimingPlan:
    stages = tuple(
        StageTiming(stage=k, name=f"stage {k + 1}", green_s=green, green_flash_s=3, yellow_s=3, all_red_s=2)
        for k, green in enumerate(greens)
    )
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=signal, name="by hand", cycle_s=cycle_s, offset_s=offset_s, stages=stages)


def plan_set(there: dict[str, Junction], *periods: str) -> PlanSet:
    plans = {signal: plan_of(signal, OFFSETS[signal]) for signal in there}
    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none"),
        plans=dict.fromkeys(periods or ("AM",), plans),
        junctions=there,
        day_plans={"day": DayPlan(switches=(Switch(at_min=0, plan=periods[0] if periods else "AM"),))},
        schedule=(ScheduleRow(day_plan="day"),),
    )


@pytest.fixture(scope="module")
def there(shixin_short: Scenario) -> dict[str, Junction]:
    return junctions(shixin_short)


@pytest.fixture(scope="module")
def path(there: dict[str, Junction], tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = utdf.export(plan_set(there), tmp_path_factory.mktemp("utdf"))
    return file


def records(path: Path, section: str, node: int) -> dict[str, dict[str, str]]:
    """A node's records as the file has them."""
    lines = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    at = lines.index([f"[{section}]"])
    heading = lines[at + 2]
    rows = [dict(zip(heading, line, strict=True)) for line in lines[at + 3 : lines.index([], at)]]
    return {row["RECORDNAME"]: row for row in rows if row["INTID"] == str(node)}


def change(path: Path, old: str, new: str, count: int = 1) -> Path:
    text = path.read_bytes().decode()
    assert old in text
    with tempfile.NamedTemporaryFile(suffix=".csv", delete=False, dir=path.parent) as file:
        file.write(text.replace(old, new, count).encode())
    return Path(file.name)


def test_a_file_says_what_an_engineer_expects(path: Path) -> None:
    assert path.name == "AM.csv"
    assert b"[Network]\r\nNetwork Settings\r\nRECORDNAME,DATA\r\nUTDFVERSION,8\r\nMetric,1\r\n" in path.read_bytes()
    plan = {record: row["DATA"] for record, row in records(path, "Timeplans", 1).items()}
    assert plan["Cycle Length"] == "92"  # 35 + 15 + 25 + 17
    assert (plan["Control Type"], plan["Offset"], plan["Referenced To"], plan["Reference Phase"]) == (
        "0",
        "40",
        "3",
        "206",
    )
    phases = {record: [row[f"D{n}"] for n in range(1, 9)] for record, row in records(path, "Phases", 1).items()}
    assert phases["BRP"] == ["112", "111", "212", "211", "122", "121", "222", "221"]
    assert phases["MaxGreen"] == ["10", "30", "12", "20"] * 2
    assert phases["MinGreen"] == ["8", "15", "8", "15"] * 2
    assert (set(phases["Yellow"]), set(phases["AllRed"]), set(phases["Recall"])) == ({"3"}, {"2"}, {"3"})
    assert phases["Start"] == ["75", "40", "23", "90"] * 2
    assert phases["End"] == ["90", "75", "40", "23"] * 2
    assert phases["Yield"] == ["85", "70", "35", "18"] * 2
    assert phases["LocalStart"] == ["35", "0", "75", "50"] * 2
    assert set(phases["Walk"]) == {""}
    lanes = records(path, "Lanes", 1)
    assert [lanes["Phase1"][code] for code in ("NBL", "NBT", "NBR", "SBL", "SBT")] == ["5", "2", "2", "1", "6"]
    assert [lanes["Phase1"][code] for code in ("EBL", "EBT", "WBL", "WBT", "NEL")] == ["7", "4", "3", "8", ""]
    assert [lanes["Lanes"][code] for code in ("NBL", "NBT", "NBR", "WBT")] == ["1", "3", "1", "2"]
    assert [lanes["Allow RTOR"][code] for code in ("NBL", "NBT", "NBR")] == ["0", "0", "1"]


def test_junctions_are_linked_by_their_edges(path: Path) -> None:
    found = utdf.read(path)
    assert found.metric
    assert [(node.x, node.y, node.text) for node in found.nodes.values()][:2] == [
        (400.0, 400.0, "J08 Xiaoshao Rd"),
        (400.0, 1020.0, "J09 Hangfachang"),
    ]
    links = {(link.node, link.direction): link for link in found.links}
    assert (links[1, "SB"].up_node, links[1, "SB"].length, links[1, "SB"].speed) == (2, 620.0, 50.0)
    assert (links[2, "NB"].up_node, links[2, "NB"].length, links[2, "NB"].lanes) == (1, 620.0, 5)
    south, west = found.nodes[links[1, "NB"].up_node], found.nodes[links[1, "EB"].up_node]
    assert (south.kind, south.x, south.y, links[1, "NB"].length) == (1, 400.0, 200.0, 200.0)
    assert (west.kind, west.x, west.y) == (1, 200.0, 400.0)
    groups = {group.code: group for group in found.signals[1].lane_groups}
    assert (groups["NBT"].up_node, groups["NBT"].dest_node) == (south.number, 2)
    assert (groups["SBR"].up_node, groups["SBR"].dest_node) == (2, west.number)
    assert links[south.number, "SB"].up_node == 1
    assert len(found.nodes) == 4 + 2 + 8  # signals, ends of the road, side roads


def test_offsets_hold_for_every_junction(path: Path) -> None:
    for number, offset_s in enumerate(OFFSETS.values(), 1):
        signal = utdf.read(path).signals[number]
        assert (signal.cycle_s, signal.offset_s, signal.reference_phases) == (92, offset_s, (2, 6))
        assert {phase.start_s for phase in signal.phases if phase.number in (2, 6)} == {offset_s}


def test_an_independent_reader_understands_the_same(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_READER, str(path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["counts"]["Nodes"], found["counts"]["Timeplans"], found["counts"]["Phases"]) == (14, 40, 96)
    assert (found["plan"]["Cycle Length"], found["plan"]["Offset"], found["plan"]["Reference Phase"]) == (
        "92",
        "40",
        "206",
    )
    control = found["control"]
    assert (control["D2"]["Start"], control["D2"]["End"], control["D2"]["MaxGreen"]) == ("40", "75", "30")
    assert control["D2"]["protected"] == ["NBT", "NBR"]
    assert control["D1"]["protected"] == ["SBL"]
    assert control["brp_info"] == {
        "1": {"1": ["D2", "D1"], "2": ["D6", "D5"]},
        "2": {"1": ["D4", "D3"], "2": ["D8", "D7"]},
    }


def test_a_file_that_synchro_wrote_passes_the_checks() -> None:
    spec = importlib.util.find_spec("utdf2gmns")
    assert spec is not None
    assert spec.origin is not None
    found = utdf.read(Path(spec.origin).parent / "engine/sigma_x/UTDF8.csv")
    assert not found.metric
    one = found.signals[1]
    assert (one.cycle_s, one.referenced_to, one.reference_phases, len(one.phases)) == (140, 0, (2, 6), 8)
    assert {phase.number: phase.start_s for phase in one.phases}[3] == 52.4


def test_people_on_foot_have_walk_and_flash(tmp_path: Path) -> None:
    there = junctions(registry.scenario("shixin_short+people"))
    plans = plan_set({"J08": there["J08"]})
    plan = plan_of("J08", 0, (27, 7, 30, 9))
    (file,) = utdf.export(plans.model_copy(update={"plans": {"AM": {"J08": plan}}}), tmp_path)
    phases = records(file, "Phases", 1)
    walks = {phase.number: (phase.walk_s, phase.dont_walk_s) for phase in utdf.read(file).signals[1].phases}
    assert walks[1] == (None, None)
    assert walks[4] == (7, 24)  # 26 m at 1 m/s, of which 2 s are left for the yellow
    assert (phases["PedCalls"]["D4"], phases["PedCalls"]["D3"], phases["MinSplit"]["D4"]) == ("0", "", "36")
    lanes = records(file, "Lanes", 1)
    assert (lanes["Phase1"]["NBR"], lanes["PermPhase1"]["NBR"]) == ("", "2")  # gives way to people


def test_same_plans_same_bytes_and_names_of_their_own(there: dict[str, Junction], tmp_path: Path) -> None:
    plans = plan_set(there, "a/b", "A_B", "..")
    one, two = (utdf.export(plans, tmp_path / name) for name in ("one", "two"))
    assert [file.name for file in one] == ["a_b.csv", "A_B~2.csv", "__.csv"]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_left_hand_traffic_turns_near_to_the_left(there: dict[str, Junction], tmp_path: Path) -> None:
    mirrored = there["J08"].model_copy(update={"left_hand": True})
    (file,) = utdf.export(plan_set({"J08": mirrored}), tmp_path)
    lanes = records(file, "Lanes", 1)
    assert [lanes["Phase1"][code] for code in ("NBL", "NBT", "NBR")] == ["2", "2", "5"]
    assert [lanes["Allow RTOR"][code] for code in ("NBL", "NBR")] == ["1", "0"]


def test_a_turn_may_be_always_green_or_only_go_on_red(there: dict[str, Junction], tmp_path: Path) -> None:
    free, on_red = 1, 7
    stages = tuple(
        stage.model_copy(update={"green": tuple(sorted({*stage.green, free} - {on_red})), "permitted": (), "lamps": ""})
        for stage in there["J08"].stages
    )
    apart = tuple(pair for pair in there["J08"].conflicts if free not in pair)
    junction = there["J08"].model_copy(update={"stages": stages, "conflicts": apart})
    (file,) = utdf.export(plan_set({"J08": junction}), tmp_path)
    groups = {group.code: group for group in utdf.read(file).signals[1].lane_groups}
    assert (groups["SBR"].phases, groups["SBR"].permitted) == ((-1,), ())
    assert (groups["NBR"].phases, groups["NBR"].permitted, groups["NBR"].on_red) == ((), (), True)


def staged(junction: Junction, *greens: tuple[int, ...]) -> Junction:
    stages = tuple(junction.stages[0].model_copy(update={"green": green, "lamps": ""}) for green in greens)
    return junction.model_copy(update={"stages": stages})


@pytest.mark.parametrize(
    ("greens", "seconds", "starts", "ends"),
    [
        (  # north leads, then both, then south lags: 2 and 6 do not start together
            ((7, 8, 9), (1, 2, 7, 8), (1, 2, 3), (4, 5, 10, 11), (6, 12)),
            (27, 7, 17, 9, 9),
            {2: 7, 6: 42, 5: 7, 1: 57},
            {2: 57, 6: 82, 5: 42, 1: 82},
        ),
        (  # one turn has a stage for itself, so that ring 1 rests from 42 to 57
            ((1, 2, 7, 8), (9,), (4, 5, 10, 11), (6, 12)),
            (27, 7, 17, 9),
            {2: 7, 6: 7, 5: 42, 4: 57},
            {2: 42, 6: 42, 5: 57, 4: 82},
        ),
    ],
)
def test_turns_may_lead_and_rings_may_rest(
    there: dict[str, Junction],
    tmp_path: Path,
    greens: tuple[tuple[int, ...], ...],
    seconds: tuple[int, ...],
    starts: dict[int, int],
    ends: dict[int, int],
) -> None:
    plans = plan_set({"J08": staged(there["J08"], *greens)})
    plans = plans.model_copy(update={"plans": {"AM": {"J08": plan_of("J08", 7, seconds)}}})
    signal = utdf.read(*utdf.export(plans, tmp_path)).signals[1]
    assert (signal.offset_s, signal.referenced_to, signal.reference_phases) == (7, 3, (2, 6))
    phases = {phase.number: phase for phase in signal.phases}
    assert {number: phases[number].start_s for number in starts} == starts
    assert {number: phases[number].end_s for number in ends} == ends


def crossroads(*bearings: int, turns: tuple[str, ...] = ("through",)) -> Junction:
    groups = [
        SignalGroup.model_validate(
            {
                "number": number,
                "movement": f"in{arm}>out{number}",
                "bearing": bearing,
                "turn": turn,
                "speed_ms": 10,
                "crossing_m": 20,
            }
        )
        for number, (arm, bearing, turn) in enumerate(
            ((arm, bearing, turn) for arm, bearing in enumerate(bearings) for turn in turns), 1
        )
    ]
    whole = {"green": tuple(group.number for group in groups), "name": "all", "min_green_s": 5, "max_green_s": 60}
    return Junction.model_validate(
        {
            "signal": "X",
            "number": 1,
            "yellow_s": 3,
            "all_red_s": 2,
            "max_red_s": 120,
            "groups": groups,
            "stages": [whole],
        }
    )


@pytest.mark.parametrize(
    ("bearings", "names"),
    [
        ((0, 180, 90, 270), "NB SB EB WB"),
        ((338, 247, 158, 67), "NB WB SB EB"),  # 22 degrees off north, as in Macau
        ((305, 215, 125, 35), "NW SW SE NE"),
        ((0, 20, 180, 270), "NB NE SB WB"),
        ((355, 5), "NB NE"),
    ],
)
def test_approaches_are_named_by_the_compass(bearings: tuple[int, ...], names: str) -> None:
    assert list(directions(crossroads(*bearings)).values()) == names.split()


def test_what_has_no_name_of_its_own_is_refused() -> None:
    with pytest.raises(BadInput, match="junction X: 9 approaches, but there are names for 8 directions"):
        directions(crossroads(*range(0, 360, 40)))
    with pytest.raises(BadInput, match="movements in0>out1, in0>out2 are all NBT"):
        lane_groups(crossroads(0, turns=("through", "through")))
    found = lane_groups(crossroads(0, turns=("near", "near", "through", "far", "far", "back")))
    assert {code: groups[0].number for code, groups in found.items()} == {
        "NBR2": 1,
        "NBR": 2,
        "NBT": 3,
        "NBL": 4,
        "NBL2": 5,
        "NBU": 6,
    }


def test_what_cannot_be_said_is_refused_before_anything_is_written(there: dict[str, Junction], tmp_path: Path) -> None:
    alike = {name: junction.model_copy(update={"number": 3}) for name, junction in there.items()}
    with pytest.raises(BadInput, match="junctions J08 and J09 have the same number, 3"):
        utdf.export(plan_set(alike), tmp_path)
    odd = there["J08"].model_copy(update={"conflicts": ((2, 8),)})
    with pytest.raises(BadInput, match="junction J08, plan 'by hand': not possible with rings and barriers"):
        utdf.export(plan_set({**there, "J08": odd}, "AM", "PM"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Yellow,1,3,3", "Yellow,1,3,4", "node 1: phase 2: MaxGreen, Yellow and AllRed are 36 s, but it lasts from 40"),
        (
            "Start,1,75,40",
            "Start,1,75,41",
            "node 1: phase 2: MaxGreen, Yellow and AllRed are 35 s, but it lasts from 41 to 75",
        ),
        ("\r\nStart,1,75", "\r\nStart,1,74", "node 1: phase 1 starts at 74, but the one before it ends at 75"),
        ("MaxGreen,1,10,30,12,20,10,30,12,20", "MaxGreen,1,10,30,12,20,9,30,12,20", "node 1: phase 5: MaxGreen"),
        ("Cycle Length,1,92", "Cycle Length,1,184", "node 1: phase 4: MaxGreen"),
        ("Offset,1,40", "Offset,1,92", "node 1: Offset 92 must be from 0 to below Cycle Length, 92"),
        ("Offset,1,40", "Offset,1,41", "node 1: Offset 41 is not when its reference phases say: 40 and 40"),
        ("Referenced To,1,3", "Referenced To,1,1", "node 1: Offset 40 is not when its reference phases say: 70 and 70"),
        ("Referenced To,1,3", "Referenced To,1,7", "line 153, section Timeplans, Referenced To DATA: '7'"),
        ("Reference Phase,1,206", "Reference Phase,1,209", "node 1: Reference Phase 9 is not among its phases"),
        ("Phase1,1,5,2", "Phase1,1,5,9", "node 1: NBT goes in phase 9, which it does not have"),
        ("BRP,1,112", "BRP,1,012", "BRP D1: '012' is not allowed: it must be barrier, ring and position"),
        ("BRP,1,112", "BRP,1,", "BRP D1: '' is not allowed"),
        ("MinGreen,1,8", "MinGreen,1,x", "MinGreen D1: 'x' is not allowed: it must be a number"),
        ("AllRed,1,2", "AllRed,1,-2", "AllRed D1: '-2' is not allowed: AllRed of a phase must be seconds from 0 up"),
        ("Up ID,1,1002,2", "Up ID,1,1002,77", "section Links, Up ID SB: '77' is not allowed: there is no such node"),
        ("Dest Node,1,1003", "Dest Node,1,", "section Lanes, Dest Node NBL: '' is not allowed: there is no such node"),
        ("\r\n2,0,400.0", "\r\n1,0,400.0", "section Nodes, INTID: '1' is not allowed: it appears twice"),
        ("\r\n2,0,400.0", "\r\n2,9,400.0", "section Nodes, TYPE: '9' is not allowed: it must be from 0 to 4"),
        ("\r\n2,0,400.0", "\r\n2,0,", "section Nodes, X: '' is not allowed"),
        ("Offset,1,40\r\n", "", "section Timeplans: node 1 has no Offset"),
        ("Offset,1,40", "Cycle Length,1,92", "RECORDNAME: 'Cycle Length' is not allowed: it appears twice"),
        ("[Lanes]", "[Lane]", "there is no section [Lanes]"),
        ("[Lanes]", "[Links]", "section Links appears twice"),
        ("[Network]", "Network", "line 1: not a UTDF file"),
        ("RECORDNAME,INTID,NB,SB", "RECORDNAME,INTID,NB,NB", "section Links: a column appears twice"),
        ("RECORDNAME,INTID,DATA", "RECORDNAME,INTID,VALUE", "section Timeplans: there is no column DATA"),
        ("Offset,1,40", "Offset,1,40,5", "section Timeplans: more cells than columns"),
        ("Offset,1,40", 'Offset,1,"40', "not a CSV table"),
        ("Offset,1,40", "Offset,1,4\x00", "is not allowed"),
    ],
)
def test_a_fault_is_named(path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        utdf.read(change(path, old, new))
    assert reason in str(caught.value)


def test_rings_that_miss_a_barrier_are_named(path: Path) -> None:
    longer = change(path, "MaxGreen,1,10,30,12,20,10", "MaxGreen,1,10,30,12,20,11")
    end = longer.read_bytes().decode().replace("End,1,90,75,40,23,90", "End,1,90,75,40,23,91", 1)
    longer.write_bytes(end.encode())
    with pytest.raises(BadInput, match="node 1: the rings do not end barrier 1 together: ring 1 at 90, ring 2 at 91"):
        utdf.read(longer)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", None])
def test_other_files_are_refused(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "x.csv"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(BadInput, match=r"x\.csv"):
        utdf.read(file)


def test_a_file_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("greenband.formats.plaintext.MAX_BYTES", 1000)
    with pytest.raises(BadInput, match="larger than"):
        utdf.read(path)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_spoilt_files_are_read_or_refused(path: Path, data: st.DataObject) -> None:
    whole = path.read_bytes()
    begin = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 60))
    inside = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from([b"0", b"-1", b",", b"\r\n", b"1e9", b"[Phases]"]))
    )
    after = b"" if data.draw(st.booleans()) else whole[begin + length :]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.csv"
        file.write_bytes(whole[:begin] + inside + after)
        with contextlib.suppress(BadInput):
            utdf.read(file)
