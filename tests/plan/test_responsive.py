"""Traffic-responsive libraries: signatures, the nearest plan with its margin, and what a file may hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenband import formats
from greenband.errors import BadInput
from greenband.formats import json as table_json
from greenband.plan.library import library_of, system_detectors
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.responsive import ResponsiveLibrary, SystemDetector
from greenband.plan.rules import PROFILES, check_table
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario

ORIGIN = Provenance(subject="existing", scenario="jincheng", greenband="0")


def plans_of(scenario: Scenario, period: str) -> PlanSet:
    return formats.read_plan(scenario.existing_plan_file(period))


def library(scenario: Scenario) -> ResponsiveLibrary:
    """The existing plans of the AM and OFF peak."""
    found = {(period, 1.0): plans_of(scenario, period).plans[period] for period in ("AM", "OFF")}
    return library_of(scenario, found, ORIGIN)


def two_detectors(made: ResponsiveLibrary, low: tuple[int, int], high: tuple[int, int]) -> ResponsiveLibrary:
    """A library of two detectors, ``out`` at J11 and ``in`` at J11 and J12, with these signatures."""
    detectors = {
        "out": SystemDetector(movements={"J11": ("a", "b")}),
        "in": SystemDetector(movements={"J11": ("c",), "J12": ("d",)}),
    }
    entries = {
        name: entry.model_copy(update={"signature_veh_h": dict(zip(detectors, signature, strict=True))})
        for (name, entry), signature in zip(made.library.items(), (low, high), strict=True)
    }
    return made.model_copy(update={"detectors": detectors, "library": entries})


@pytest.fixture(scope="module")
def made(jincheng: Scenario) -> ResponsiveLibrary:
    return library(jincheng)


def test_flow_of_a_detector_is_the_mean_over_its_signals() -> None:
    detector = SystemDetector(movements={"J1": ("a", "b"), "J2": ("c",)})
    assert detector.flow_veh_h({"J1": {"a": 300, "b": 100, "x": 50}, "J2": {"c": 200}}) == 300
    assert detector.flow_veh_h({"J2": {"c": 200}}) == 200
    assert detector.flow_veh_h({"J3": {"a": 1}}) is None


def test_distances_by_hand(made: ResponsiveLibrary) -> None:
    two = two_detectors(made, (200, 100), (1000, 400))
    flows = {"J11": {"a": 300.0, "b": 100.0, "c": 300.0}, "J12": {"d": 100.0}}  # out 400, in 200
    # (400 - 200) / 1000 + (200 - 100) / 400, and (1000 - 400) / 1000 + (400 - 200) / 400
    assert two.distances(flows) == pytest.approx({"AM": 0.45, "OFF": 1.1})
    assert two.distances({"J12": {"d": 100.0}}) == pytest.approx({"AM": 0.0, "OFF": 0.75})
    assert two.distances({}) == {"AM": 0.0, "OFF": 0.0}


@pytest.mark.parametrize(
    ("out", "present", "expected"),
    [
        (560, "AM", "AM"),  # half-way between 120 and 1000
        (600, "AM", "OFF"),  # 480 away, against 400: nearer by more than a tenth
        (575, "AM", "AM"),  # 455 against 425: nearer, but not by a tenth
        (575, "OFF", "OFF"),
        (545, "OFF", "OFF"),  # 455 against 425 the other way round
        (520, "OFF", "AM"),
        (5000, "OFF", "OFF"),
        (0, "OFF", "AM"),
    ],
)
def test_the_margin_keeps_a_plan(out: int, present: str, expected: str, made: ResponsiveLibrary) -> None:
    two = two_detectors(made, (120, 0), (1000, 0))
    flows = {"J11": {"a": float(out), "c": 0.0}, "J12": {"d": 0.0}}
    assert two.chosen(flows, present) == expected
    assert two.chosen({}, present) == present


@given(st.lists(st.floats(0, 1e5), min_size=4, max_size=4))
def test_a_choice_is_kept_on_the_same_counts(made: ResponsiveLibrary, counts: list[float]) -> None:
    two = two_detectors(made, (200, 100), (1000, 400))
    flows = {"J11": dict(zip("abc", counts, strict=False)), "J12": {"d": counts[3]}}
    for present in two.library:
        chosen = two.chosen(flows, present)
        assert two.chosen(flows, chosen) == chosen


def test_detectors_and_signatures_by_hand(jincheng: Scenario, made: ResponsiveLibrary) -> None:
    assert {name: own.movements for name, own in made.detectors.items() if name != "side"} == {
        "northbound": {"J11": ("S_J11.bay>J11_N",)},
        "southbound": {"J11": ("N_J11.bay>J11_S",)},
    }
    assert len(made.detectors["side"].movements["J11"]) == 10
    for period, entry in made.library.items():
        flows = movement_flows(jincheng.demand(period))
        assert entry.signature_veh_h["northbound"] == round(flows["S_J11.bay>J11_N"])
        assert sum(entry.signature_veh_h.values()) == pytest.approx(
            sum(flows[m.id] for m in jincheng.network.signals["J11"].movements), abs=3
        )
    assert (made.interval_s, made.stay_s, made.margin_percent) == (300, 900, 10)


def test_every_stop_line_of_a_road_is_in_one_detector(shixin_short: Scenario) -> None:
    found = system_detectors(shixin_short, "AM")
    assert list(found) == ["northbound", "southbound", "side"]
    assert list(found["northbound"].movements) == list(shixin_short.network.signals)
    pairs = [(s, m) for one in found.values() for s, own in one.movements.items() for m in own]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(n, m.id) for n, s in shixin_short.network.signals.items() for m in s.movements}


def test_a_road_that_names_no_main_road(shixin_short: Scenario, jincheng: Scenario) -> None:
    unnamed = shixin_short.model_copy(update={"mainline": {}})
    named = {tuple(one.movements.items()) for one in system_detectors(shixin_short, "AM").values()}
    assert {tuple(one.movements.items()) for one in system_detectors(unnamed, "AM").values()} == named
    assert list(system_detectors(jincheng.model_copy(update={"mainline": {}}), "AM")) == ["side"]


def test_levels_of_demand_scale_the_signature(jincheng: Scenario) -> None:
    plans = plans_of(jincheng, "AM").plans["AM"]
    made = library_of(jincheng, {("AM", 1.0): plans, ("AM", 0.5): plans}, ORIGIN)
    assert list(made.library) == ["AM", "AM x0.5"]
    assert made.provenance.note.startswith("library of AM, AM x0.5.")
    full, half = (entry.signature_veh_h["side"] for entry in made.library.values())
    assert half == pytest.approx(full / 2, abs=1)


def test_one_plan_is_no_library(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="needs two plans or more"):
        library_of(jincheng, {("AM", 1.0): plans_of(jincheng, "AM").plans["AM"]}, ORIGIN)


def test_a_round_trip_and_the_rules(made: ResponsiveLibrary, tmp_path: Path) -> None:
    table_json.write(made, tmp_path / "library.json")
    assert formats.read_table(tmp_path / "library.json") == made
    with pytest.raises(BadInput, match="a table of kind responsive, not fixed plans"):
        formats.read_plan(tmp_path / "library.json")
    assert {found.rule for found in check_table(made, PROFILES["cn"])} == {"release"}
    tight = made.junctions["J11"].model_copy(update={"max_red_s": 60})
    found = check_table(made.model_copy(update={"junctions": {"J11": tight}}), PROFILES["cn"])
    assert {(f.rule, f.plan) for f in found} >= {("max-red", "AM"), ("max-red", "OFF")}


@pytest.mark.parametrize(
    ("place", "fields", "message"),
    [
        (("library", "AM"), {"signature_veh_h": {"side": 3}}, "plan AM: its signature is not of the detectors"),
        (("library", "AM", "signature_veh_h"), {"side": -1}, "plan AM: a flow of its signature is below 0"),
        (("library", "AM", "plans"), {"J12": "J11"}, "filed under J12"),
        ((), {"junctions": {}}, None),
        ((), {"detectors": {}}, "detectors: "),
        ((), {"interval_s": 5}, "interval_s: "),
        (("library", "AM", "plans", "J11"), {"cycle_s": 999}, "J11: .*cycle_s is 999"),
    ],
)
def test_a_broken_file_is_refused(
    place: tuple[Any, ...], fields: dict[str, Any], message: str | None, made: ResponsiveLibrary, tmp_path: Path
) -> None:
    data = made.model_dump(mode="json")
    at = data
    for step in place:
        at = at[step]
    at.update({key: at[value] if value == "J11" else value for key, value in fields.items()})
    if fields.get("J12"):  # both plans have it, under a name that is not its own
        data["library"]["OFF"]["plans"]["J12"] = data["library"]["OFF"]["plans"]["J11"]
    path = tmp_path / "library.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    if message is None:
        assert isinstance(formats.read_table(path), ResponsiveLibrary)
        return
    with pytest.raises(BadInput, match=rf"library\.json: .*{message}"):
        formats.read_table(path)


def test_a_library_of_one_plan_or_of_other_junctions_is_refused(made: ResponsiveLibrary, tmp_path: Path) -> None:
    data = made.model_dump(mode="json")
    off = data["library"].pop("OFF")
    path = tmp_path / "library.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=r"library: .*at least 2 items"):
        formats.read_table(path)
    off["plans"] = {"J12": off["plans"]["J11"] | {"signal": "J12"}}
    path.write_text(json.dumps(data | {"library": {**data["library"], "OFF": off}}), encoding="utf-8")
    with pytest.raises(BadInput, match="plan AM: it lacks a junction that another plan of the library has"):
        formats.read_table(path)
