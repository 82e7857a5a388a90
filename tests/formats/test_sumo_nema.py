from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import sumo
from greenband.errors import BadInput
from greenband.evaluation.nema_check import differences
from greenband.formats import sumo_nema
from greenband.plan.describe import described
from greenband.plan.greenwave import greenwave
from greenband.plan.junction import Junction, StageDefinition, Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

ORDERS = [(0, 1, 2, 3), (1, 0, 3, 2), (1, 0, 2, 3)]  # lagging turns, leading ones, and one road of each
NORTH, NORTH_FAR, SOUTH, SOUTH_FAR = (7, 8), (9,), (1, 2), (3,)  # groups of J09, through with its near-side turn
EAST, EAST_FAR, WEST, WEST_FAR = (10, 11), (12,), (4, 5), (6,)
MAIN, MAIN_FAR, CROSS, CROSS_FAR = NORTH + SOUTH, NORTH_FAR + SOUTH_FAR, EAST + WEST, EAST_FAR + WEST_FAR


def timing(signal: str, greens: Sequence[tuple[int, int]], offset_s: int = 0, all_red_s: int = 2) -> TimingPlan:
    """Stages with their greens; each is followed by 3 s of yellow and 2 s of all-red."""
    stages = tuple(
        StageTiming(stage=k, name=str(k), green_s=green, green_flash_s=0, yellow_s=3, all_red_s=all_red_s)
        for k, green in greens
    )
    cycle = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=signal, name="trial", cycle_s=cycle, offset_s=offset_s, stages=stages)


def plan_set(scenario: Scenario, **periods: Sequence[TimingPlan]) -> PlanSet:
    plans = {period: {plan.signal: plan for plan in found} for period, found in periods.items()}
    return described(PlanSet(provenance=Provenance(subject="trial", scenario=scenario.name), plans=plans), scenario)


def restaged(there: Junction, stages: Sequence[Sequence[int]]) -> Junction:
    """The junction with other stages, of these groups."""
    stops = {link for stage in there.stages for link, lamp in enumerate(stage.lamps) if lamp == "s"}

    def lamps(going: Sequence[int]) -> str:
        own = {link for number in going for link in there.group(number).links}
        return "".join("G" if k in own else "s" if k in stops else "r" for k in range(len(there.stages[0].lamps)))

    made = [
        StageDefinition(name=str(k), lamps=lamps(going), green=tuple(going), min_green_s=5, max_green_s=60)
        for k, going in enumerate(stages)
    ]
    return there.model_copy(update={"stages": tuple(made), "conflicts": (), "yields": ()})


def one(
    base: PlanSet, stages: Sequence[Sequence[int]], greens: Sequence[int], offset_s: int = 0, all_red_s: int = 2
) -> PlanSet:
    """The plan set of J09 with these stages, in their order."""
    plan = timing("J09", list(enumerate(greens)), offset_s, all_red_s)
    there = restaged(base.junctions["J09"], stages)
    return base.model_copy(update={"plans": {"AM": {"J09": plan}}, "junctions": {"J09": there}})


@pytest.fixture(scope="module")
def base(shixin_short: Scenario) -> PlanSet:
    """A plan of J09 alone."""
    return plan_set(shixin_short, AM=[timing("J09", [(0, 20), (1, 20)])])


def exported(plans: PlanSet, folder: Path) -> Path:
    (path,) = sumo_nema.export(plans, folder / "plan.nema.add.xml")
    return path


def program(path: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, str]]]:
    """Attributes, parameters and phases of a file's only program."""
    (found,) = ET.parse(path).getroot().findall("tlLogic")
    params = {param.attrib["key"]: param.attrib["value"] for param in found.findall("param")}
    return found.attrib, params, {phase.attrib["name"]: phase.attrib for phase in found.findall("phase")}


def test_lagging_turns(shixin_short: Scenario, tmp_path: Path) -> None:
    made = plan_set(shixin_short, AM=[timing("J09", [(0, 30), (1, 10), (2, 20), (3, 8)], offset_s=17)])
    about, params, phases = program(exported(made, tmp_path))
    assert about == {"id": "J09", "type": "NEMA", "programID": "AM nema", "offset": "17"}
    assert params == {
        "coordinate-mode": "true",
        "controllerType": "TS2",
        "total-cycle-length": "88",
        "ring1": "2,1,4,3",
        "ring2": "6,5,8,7",
        "barrierPhases": "3,7",
        "coordinatePhases": "2,6",
        "maxRecall": "1,2,3,4,5,6,7,8",
        "fixForceOff": "true",
    }
    assert {name: phase["maxDur"] for name, phase in phases.items()} == {
        "1": "10", "2": "30", "3": "8", "4": "20", "5": "10", "6": "30", "7": "8", "8": "20",
    }  # fmt: skip
    assert {(phase["yellow"], phase["red"]) for phase in phases.values()} == {("3", "2")}
    # J09's stages: GGGGrsrrGGGGrsrr srrrGsrrsrrrGsrr srrrrGGrsrrrrGGr srrrrsrGsrrrrsrG
    assert phases["6"]["state"] == "GGGGrsrrsrrrrsrr"
    assert phases["2"]["state"] == "srrrrsrrGGGGrsrr"
    assert phases["1"]["state"] == "srrrGsrrsrrrrsrr"
    assert phases["7"]["state"] == "srrrrsrrsrrrrsrG"


def test_leading_turns_put_the_offset_to_the_through_phases(shixin_short: Scenario, tmp_path: Path) -> None:
    made = plan_set(shixin_short, AM=[timing("J09", [(1, 10), (0, 30), (3, 8), (2, 20)], offset_s=80)])
    about, params, _ = program(exported(made, tmp_path))
    assert about["offset"] == str(80 + 15 - 88)
    assert (params["ring1"], params["ring2"]) == ("1,2,3,4", "5,6,7,8")
    assert (params["coordinatePhases"], params["barrierPhases"]) == ("2,6", "4,8")


def test_coordinated_phases_end_together(base: PlanSet, tmp_path: Path) -> None:
    """North has its far-side turn first, south last: 2 ends with the turn from the south, 6 before it."""
    stages = [NORTH + NORTH_FAR, MAIN, SOUTH + SOUTH_FAR, CROSS]
    about, params, phases = program(exported(one(base, stages, [10, 20, 12, 25], offset_s=3), tmp_path))
    rings = {params["ring1"], params["ring2"]}
    assert rings == {"2,1,0,4", "5,6,0,8"}
    assert params["coordinatePhases"] == "1,6"
    assert phases["6"]["maxDur"] == str(20 + 5 + 12)
    assert about["offset"] == str(3 + 15)


def test_a_ring_that_rests_has_the_phase_of_the_other(base: PlanSet, tmp_path: Path) -> None:
    path = exported(one(base, [MAIN, EAST, WEST], [20, 15, 10]), tmp_path)
    _, params, _ = program(path)
    assert {params["ring1"], params["ring2"]} == {"0,2,4,3", "0,6,4,3"}
    assert params["barrierPhases"] == "3,3"


@pytest.mark.parametrize("order", ORDERS)
def test_sumo_shows_the_greens_of_a_green_wave(shixin_short: Scenario, tmp_path: Path, order: Sequence[int]) -> None:
    periods = {}
    for period in ("AM", "OFF"):
        made = greenwave(shixin_short, period, 120).plans.values()
        periods[period] = [
            plan.model_copy(update={"stages": tuple(sorted(plan.stages, key=lambda k: order.index(k.stage)))})
            for plan in made
        ]
    plans = plan_set(shixin_short, **periods)
    assert {plan.signal for _, plan in plans} == {"J08", "J09", "J10", "J11"}
    assert differences(plans, exported(plans, tmp_path), shixin_short.folder / shixin_short.network_file) == []


SHAPES: dict[str, tuple[list[tuple[int, ...]], list[int]]] = {
    "turns overlap": ([NORTH + NORTH_FAR, MAIN, SOUTH + SOUTH_FAR, CROSS], [10, 20, 12, 25]),
    "two stages": ([MAIN, CROSS], [40, 25]),
    "approach by approach": ([MAIN, EAST + EAST_FAR, WEST + WEST_FAR], [20, 15, 10]),
    "roads in turns": ([MAIN, CROSS, MAIN_FAR, CROSS_FAR], [20, 15, 10, 9]),
    "a ring rests": ([MAIN, EAST, WEST], [20, 15, 10]),
    "short greens": ([MAIN, MAIN_FAR, CROSS, CROSS_FAR], [3, 1, 2, 1]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_sumo_shows_the_greens_of_other_stages(
    shixin_short: Scenario, base: PlanSet, tmp_path: Path, shape: str
) -> None:
    plans = one(base, *SHAPES[shape], offset_s=11, all_red_s=0 if shape == "two stages" else 2)
    assert differences(plans, exported(plans, tmp_path), shixin_short.folder / shixin_short.network_file) == []


def test_periods_are_switched_as_the_day_has_it(shixin_short: Scenario, tmp_path: Path) -> None:
    greens = [(0, 30), (1, 10), (2, 20), (3, 8)]
    path = exported(plan_set(shixin_short, AM=[timing("J09", greens)], OFF=[timing("J09", greens)]), tmp_path)
    (waut,) = ET.parse(path).getroot().findall("WAUT")
    assert (waut.get("id"), waut.get("startProg")) == ("nema_day_J09", "OFF nema")
    assert {switch.attrib["time"]: switch.attrib["to"] for switch in waut}["25200"] == "AM nema"
    single = exported(plan_set(shixin_short, AM=[timing("J09", greens)]), tmp_path)
    assert ET.parse(single).getroot().find("WAUT") is None


def test_a_switched_program_is_in_step_at_once(shixin_short: Scenario, tmp_path: Path) -> None:
    greens, seven = [(0, 30), (1, 10), (2, 20), (3, 8)], 7 * 3600
    plans = plan_set(shixin_short, AM=[timing("J09", greens, 40)], OFF=[timing("J09", greens, 7)])
    record = ET.Element("additional")
    ET.SubElement(record, "timedEvent", type="SaveTLSStates", source="J09", dest=str(tmp_path / "lamps.xml"))
    ET.ElementTree(record).write(tmp_path / "record.add.xml")
    command = [sumo.binary("sumo"), "-n", str(shixin_short.folder / shixin_short.network_file), "--no-warnings"]
    command += ["-a", f"{exported(plans, tmp_path)},{tmp_path / 'record.add.xml'}"]
    command += ["-b", str(seven - 200), "-e", str(seven + 200)]
    subprocess.run(command, capture_output=True, env=sumo.environment(), check=True, timeout=60)
    rows = ET.parse(tmp_path / "lamps.xml").getroot().findall("tlsState")
    assert {row.attrib["programID"] for row in rows} == {"OFF nema", "AM nema"}
    north = {int(float(row.attrib["time"])): row.attrib["state"][8] for row in rows}
    assert all((north[t] == "G") == ((t - 40) % 88 < 30) for t in range(seven, seven + 200))


def test_same_bytes_twice(shixin_short: Scenario, tmp_path: Path) -> None:
    plans = plan_set(shixin_short, AM=[timing("J09", [(0, 30), (2, 20)])], OFF=[timing("J08", [(0, 30), (2, 20)])])
    assert exported(plans, tmp_path / "one").read_bytes() == exported(plans, tmp_path / "two").read_bytes()


REFUSALS = {
    "a gap": ([MAIN, NORTH, EAST], [20, 20, 20], "with rings and barriers: with phases 2, 6 a ring would have none"),
    "always green": ([(*MAIN, 10), CROSS], [20, 20], "signal group 10 is always green"),
    "one change": ([NORTH + NORTH_FAR, MAIN, SOUTH + SOUTH_FAR], [20, 20, 20], "change together once in the cycle"),
    "three in a row": (
        [(*SOUTH, 7), (*SOUTH, 8), SOUTH + EAST, WEST], [20, 20, 20, 20], "more than 2 phases before a barrier",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_sumo_cannot_show_is_refused(base: PlanSet, tmp_path: Path, case: str) -> None:
    stages, greens, reason = REFUSALS[case]
    with pytest.raises(BadInput, match="junction J09, plan 'trial': not possible with ") as caught:
        exported(one(base, stages, greens), tmp_path)
    assert reason in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_walks_are_refused(base: PlanSet, tmp_path: Path) -> None:
    plans = one(base, [MAIN, CROSS], [20, 20])
    there = plans.junctions["J09"]
    walker = there.group(1).model_copy(
        update={"number": 13, "kind": "pedestrian", "movement": "c", "turn": "crossing", "links": (), "on_red": False}
    )
    first, *others = there.stages
    first = first.model_copy(update={"green": (*first.green, 13), "walks": (Walk(group=13, walk_s=3, flash_s=2),)})
    there = there.model_copy(update={"groups": (*there.groups, walker), "stages": (first, *others)})
    with pytest.raises(BadInput, match="the walk of signal group 13 would end with its phase"):
        exported(plans.model_copy(update={"junctions": {"J09": there}}), tmp_path)


def test_stages_without_lamps_are_refused(base: PlanSet, tmp_path: Path) -> None:
    plans = one(base, [MAIN, CROSS], [20, 20])
    there = plans.junctions["J09"]
    bare = tuple(stage.model_copy(update={"lamps": ""}) for stage in there.stages)
    bare_set = plans.model_copy(update={"junctions": {"J09": there.model_copy(update={"stages": bare})}})
    with pytest.raises(BadInput, match="no lamps of a SUMO network"):
        exported(bare_set, tmp_path)


def test_a_change_without_yellow_is_refused(base: PlanSet, tmp_path: Path) -> None:
    plans = one(base, [MAIN, CROSS], [20, 20])
    plan = plans.plans["AM"]["J09"]
    first, second = plan.stages
    at_once = plan.model_copy(
        update={
            "cycle_s": plan.cycle_s - 5,
            "stages": (first.model_copy(update={"yellow_s": 0, "all_red_s": 0}), second),
        }
    )
    with pytest.raises(BadInput, match="phase 2 has neither yellow nor all-red"):
        exported(plans.model_copy(update={"plans": {"AM": {"J09": at_once}}}), tmp_path)


SOME = [MAIN, MAIN_FAR, CROSS, CROSS_FAR, NORTH + NORTH_FAR, SOUTH + SOUTH_FAR, EAST + EAST_FAR, NORTH, SOUTH, WEST]


@settings(deadline=None, max_examples=100)
@given(
    stages=st.lists(st.sampled_from(SOME), min_size=2, max_size=6),
    greens=st.lists(st.integers(2, 40), min_size=6, max_size=6),
    offset=st.integers(0, 1000),
)
def test_any_plan_fits_sumo_s_rules_or_is_refused(
    base: PlanSet,
    tmp_path_factory: pytest.TempPathFactory,
    stages: list[tuple[int, ...]],
    greens: list[int],
    offset: int,
) -> None:
    cycle = sum(greens[: len(stages)]) + 5 * len(stages)
    plans = one(base, stages, greens[: len(stages)], offset % cycle)
    try:
        path = exported(plans, tmp_path_factory.getbasetemp())
    except BadInput:
        return
    about, params, phases = program(path)
    split = {name: sum(int(phase[key]) for key in ("maxDur", "yellow", "red")) for name, phase in phases.items()}
    rings = [params[name].split(",") for name in ("ring1", "ring2")]
    sides = [[sum(split.get(name, 0) for name in ring[k : k + 2]) for k in (0, 2)] for ring in rings]
    assert sides[0] == sides[1]
    assert sum(sides[0]) == cycle
    assert all(sides[0])
    assert 0 <= int(about["offset"]) < cycle
    ends = [params[name].split(",") for name in ("coordinatePhases", "barrierPhases")]
    for ring, coordinated, barrier in zip(rings, *ends, strict=True):
        assert coordinated in ring[:2]
        assert barrier == ring[3]


def test_programs_switch_by_an_ordinary_monday(shixin_short: Scenario, tmp_path: Path) -> None:
    """Also where the first row of the schedule is a holiday."""
    waves = {period: tuple(greenwave(shixin_short, period, 120).plans.values()) for period in ("AM", "OFF")}
    data = plan_set(shixin_short, **waves).model_dump(mode="json")
    data["day_plans"]["holiday"] = {"switches": [{"at_min": 0, "plan": "OFF"}]}
    row = {"day_plan": "holiday", "first": "10-01", "last": "10-07"}
    ordinary = exported(PlanSet.model_validate(data), tmp_path / "ordinary").read_text()
    data["schedule"] = [row, *data["schedule"]]
    assert "wautSwitch" in ordinary
    assert exported(PlanSet.model_validate(data), tmp_path / "holiday").read_text() == ordinary
