"""A scenario from a network and counts: route flows that reproduce them, and an ordinary signal plan."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband import __version__, counts, sumo
from greenband.counts import Count
from greenband.demand import FlowTable, RouteFlow, save_profile
from greenband.errors import BadInput
from greenband.formats import json as plan_json
from greenband.network import CAR, Network
from greenband.plan.cycles import feasible_cycles
from greenband.plan.model import PlanSet, Provenance, TimingPlan
from greenband.plan.ratios import critical_ratios
from greenband.plan.splits import (
    SATURATION_VEH_H_LANE,
    build_plan,
    movement_flows,
    needed_cycle_s,
)
from greenband.scenario import Assumption, Period, Scenario
from greenband.scenarios.entropy import most_likely_flows
from greenband.scenarios.routes import Route, passes, read_routes, rim_to_rim

__all__ = ["calibrate"]

NETWORK, VEHICLES, EXISTING = "network.net.xml", "vehicles.add.xml", "existing.json"
VEHICLE_TYPE = "car"
LEAST_WARMUP_S = 600
LEAST_VEH_H = 0.01  # a route with less is left out
NOON_S = 12 * 3600

Interval = tuple[int, int]


def calibrate(
    network_file: Path, counts_file: Path, name: str, folder: Path, routes_file: Path | None = None
) -> tuple[Scenario, list[tuple[Count, float]]]:
    """Make a scenario folder whose demand reproduces counts.

    Intervals that follow each other form a period: AM or PM where there is one in that half of the day, else named by
    the clock. ``routes_file`` names the routes to choose from; by default those of ``rim_to_rim``.

    Returns:
        the scenario, and each count with the veh/h of the fitted demand there.

    Raises:
        BadInput: a file cannot be used, a count lies on no route, or the folder is not empty.
        SimulationError: no flows were found.
    """
    network = Network(network_file)
    counted = counts.read(counts_file, network)
    places = list(dict.fromkeys(count.location for count in counted))
    routes = rim_to_rim(network, places) if routes_file is None else read_routes(routes_file, network)
    if lost := set(places) - {place for route in routes for place in passes(route)}:
        raise BadInput(f"{routes_file}: no route passes {min(lost)}, which {counts_file} counts")
    tables = {span: _fit(routes, [c for c in counted if (c.begin_s, c.end_s) == span]) for span in _intervals(counted)}
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: is not empty; name another folder with --out")
    title = f"{network_file.name} with the counts of {counts_file.name}"
    assumptions = tuple(_assumptions(counts_file, len(counted)))
    try:
        scenario = _write(folder, name, title, network, tables, assumptions)
    except BaseException:  # an interrupt too: half a scenario would only be in the way
        shutil.rmtree(folder, ignore_errors=True)
        raise
    volumes = {span: _volumes(table) for span, table in tables.items()}
    return scenario, [(count, volumes[count.begin_s, count.end_s].get(count.location, 0.0)) for count in counted]


def _write(
    folder: Path,
    name: str,
    title: str,
    network: Network,
    tables: dict[Interval, FlowTable],
    assumptions: tuple[Assumption, ...],
) -> Scenario:
    """Write all files of the scenario into a new or empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(network.path, folder / NETWORK)
    _write_vehicle_type(folder / VEHICLES)
    scenario = Scenario(
        name=name,
        title=title,
        folder=folder,
        network_file=NETWORK,
        additional_files=(VEHICLES,),
        periods=dict(_periods(network, tables, folder)),
        assumptions=assumptions,
    )
    plan_json.write(_existing(scenario), folder / EXISTING)
    scenario.save()
    return scenario


def _intervals(counted: Sequence[Count]) -> list[Interval]:
    return sorted({(count.begin_s, count.end_s) for count in counted})


def _fit(routes: Sequence[Route], counted: Sequence[Count]) -> FlowTable:
    """The most likely flows of an interval on the routes that pass one of its counts."""
    places = [count.location for count in counted]
    useful = [route for route in routes if not passes(route).isdisjoint(places)]
    flows = most_likely_flows(useful, places, [count.veh_h for count in counted])
    names: dict[str, int] = {}
    table = []
    for route, veh_h in zip(useful, flows.tolist(), strict=True):
        ends = f"{route[0]}-{route[-1]}"
        names[ends] = names.get(ends, 0) + 1
        if veh_h >= LEAST_VEH_H:
            table.append(RouteFlow(ends if names[ends] == 1 else f"{ends}.{names[ends]}", route, round(veh_h, 4)))
    return FlowTable(tuple(table), VEHICLE_TYPE)


def _volumes(table: FlowTable) -> dict[str, float]:
    """veh/h by location."""
    found: dict[str, float] = {}
    for flow in table.flows:
        for place in passes(flow.edges):
            found[place] = found.get(place, 0.0) + flow.veh_h
    return found


def _periods(network: Network, tables: dict[Interval, FlowTable], folder: Path) -> Iterator[tuple[str, Period]]:
    """Write the demand of each run of adjoining intervals, and name the period."""
    runs = _runs(sorted(tables))
    for name, run in zip(_names(runs), runs, strict=True):
        begin_s, end_s = run[0][0], run[-1][1]
        warmup_s = min(begin_s, _warmup_s(network, [tables[span] for span in run]))
        demand = f"demand_{name}.json"
        if len(run) == 1:
            tables[run[0]].save(folder / demand)
        else:
            demand = f"demand_{name}.profile.json"
            parts = [f"demand_{name}_{number}.json" for number in range(1, len(run) + 1)]
            for part, span in zip(parts, run, strict=True):
                tables[span].save(folder / part)
            starts = [begin_s - warmup_s, *(span[0] for span in run[1:])]
            save_profile(
                folder / demand,
                [(start, span[1], part, 1.0) for start, span, part in zip(starts, run, parts, strict=True)],
            )
        yield (
            name,
            Period(
                begin_s=begin_s, duration_s=end_s - begin_s, warmup_s=warmup_s, demand=demand, existing_plan=EXISTING
            ),
        )


def _runs(spans: Sequence[Interval]) -> list[list[Interval]]:
    """Intervals that follow each other without a gap, together."""
    runs = [[spans[0]]]
    for before, span in pairwise(spans):
        if span[0] == before[1]:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs


def _names(runs: Sequence[Sequence[Interval]]) -> list[str]:
    halves = ["AM" if run[0][0] + run[-1][1] < 2 * NOON_S else "PM" for run in runs]
    clocks = ["-".join(f"{at // 3600:02d}{at % 3600 // 60:02d}" for at in (run[0][0], run[-1][1])) for run in runs]
    return [half if halves.count(half) == 1 else clock for half, clock in zip(halves, clocks, strict=True)]


def _warmup_s(network: Network, tables: Sequence[FlowTable]) -> int:
    """Twice the free-flow time of the longest route in use, in whole minutes, so that it is full by then."""
    longest = max(sum(map(network.edge_time_s, flow.edges)) for table in tables for flow in table.flows)
    return max(LEAST_WARMUP_S, math.ceil(2 * longest / 60) * 60)


def _write_vehicle_type(path: Path) -> None:
    root = ET.Element("additional")
    ET.SubElement(root, "vType", id=VEHICLE_TYPE, vClass=CAR)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _existing(scenario: Scenario) -> PlanSet:
    """An ordinary plan a period: Webster's cycle at the busiest signal, greens by flow ratio, offsets 0.

    A signal whose limits do not allow the common cycle has the nearest that they do.
    """
    signals = scenario.network.signals
    limits = {name: signal.limits(scenario.timing) for name, signal in signals.items()}
    plans: dict[str, dict[str, TimingPlan]] = {}
    for period in scenario.periods:
        flows = movement_flows(scenario.demand(period))
        ratios = {name: critical_ratios(signal, flows, SATURATION_VEH_H_LANE) for name, signal in signals.items()}
        wanted = max(needed_cycle_s(limit, ratios[n]) for n, limit in limits.items())
        plans[period] = {}
        for name, signal in signals.items():
            limit = limits[name]
            shortest, longest = feasible_cycles({name: limit})
            cycle = longest if wanted >= longest else max(shortest, math.ceil(wanted))
            least = [max(green, cycle - limit.max_red_s) for green in limit.min_green_s]
            plans[period][name] = build_plan(
                signal, limit, cycle, ratios[name], name=f"existing {period}", minima_s=least
            )
    note = f"Webster's cycle, greens in proportion to flow ratios at {SATURATION_VEH_H_LANE:g} veh/h/lane, offsets 0"
    origin = Provenance(
        subject="existing", scenario=scenario.name, greenband=__version__, sumo=sumo.version_string(), note=note
    )
    return PlanSet(provenance=origin, plans=plans)


def _assumptions(counts_file: Path, number: int) -> Iterator[Assumption]:
    yield Assumption(
        figure="flows",
        value="route flows that reproduce counts, the most likely ones among those that do",
        grade="B",
        source=f"{number} counts in {counts_file.name}",
    )
    yield Assumption(figure="vehicles", value="SUMO's passenger car", grade="assumed")
    yield Assumption(
        figure="signals · practice", value="greenband's default limits; yellow and all-red by geometry", grade="C"
    )
    yield Assumption(
        figure="existing plan",
        value=f"Webster's cycle, greens by flow ratio at {SATURATION_VEH_H_LANE:g} veh/h/lane, offsets 0",
        grade="assumed",
    )
