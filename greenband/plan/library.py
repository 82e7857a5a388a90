"""A traffic-responsive library for a scenario: its system detectors, and the signatures of its plans.

Signatures are the flows of the demand that a plan was made for.
"""

from __future__ import annotations

from collections.abc import Mapping

from greenband.errors import BadInput
from greenband.neighbours import stop_lines
from greenband.plan.artery import find_artery, passes
from greenband.plan.describe import junctions
from greenband.plan.model import Provenance, TimingPlan
from greenband.plan.responsive import LibraryPlan, ResponsiveLibrary, SystemDetector
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario

__all__ = ["SIDE", "Level", "library_of", "system_detectors"]

SIDE = "side"  # all that is not the main road's through traffic
Level = tuple[str, float]  # a period, and the factor on its flows


def library_of(
    scenario: Scenario, plans: Mapping[Level, Mapping[str, TimingPlan]], provenance: Provenance
) -> ResponsiveLibrary:
    """The library of plans that were made for periods and factors on their flows.

    It is named after the period, and the factor where that is not 1.

    Raises:
        BadInput: there are fewer than two, or no flow is known.
    """
    if len(plans) < 2:
        raise BadInput("a traffic-responsive library needs two plans or more to choose from")
    found = system_detectors(scenario, next(iter(plans))[0])
    library = {}
    for (period, factor), by_signal in plans.items():
        flows = _flows(scenario, period, factor)
        signature = {name: round(detector.flow_veh_h(flows) or 0) for name, detector in found.items()}
        name = period if factor == 1 else f"{period} x{factor:g}"
        library[name] = LibraryPlan(signature_veh_h=signature, plans=dict(by_signal))
    if not any(flow for entry in library.values() for flow in entry.signature_veh_h.values()):
        raise BadInput(f"scenario {scenario.name}: no flow is known by which plans could be chosen")
    note = f"library of {', '.join(library)}. {provenance.note}"
    return ResponsiveLibrary(
        provenance=provenance.model_copy(update={"note": note}),
        detectors=found,
        library=library,
        junctions=junctions(scenario),
    )


def system_detectors(scenario: Scenario, period: str) -> dict[str, SystemDetector]:
    """Stop lines by direction of the main road, and all others as ``side``; without a main road all are ``side``.

    The main road is what the scenario's ``mainline`` names, else the artery of the period.
    """
    found, taken = {}, set[tuple[str, str]]()
    for name, movements in _directions(scenario, period).items():
        if own := movements - taken:
            found[name] = _detector(scenario, own)
            taken |= own
    if rest := _all(scenario) - taken:
        found[SIDE] = _detector(scenario, rest)
    return found


def _directions(scenario: Scenario, period: str) -> dict[str, set[tuple[str, str]]]:
    """Per direction of the main road its signals and movements."""
    network = scenario.network
    if scenario.mainline:
        at = stop_lines(network)
        edges = {flow.id: flow.edges for flow in scenario.demand(period).motor_flows}
        lines = {
            name: [(one.signal, one.movement) for route in routes for one in passes(network, edges.get(route, ()), at)]
            for name, routes in scenario.mainline.items()
        }
    else:
        artery = find_artery(scenario, period)
        ways = [] if artery is None else [way for way in (artery.outbound, artery.inbound) if way is not None]
        lines = {way.name: list(zip(artery.signals, way.movements, strict=True)) for way in ways if artery}
    return {name: {(s, network.signals[s].movements[k].id) for s, k in line} for name, line in lines.items()}


def _all(scenario: Scenario) -> set[tuple[str, str]]:
    return {(name, m.id) for name, signal in scenario.network.signals.items() for m in signal.movements}


def _detector(scenario: Scenario, movements: set[tuple[str, str]]) -> SystemDetector:
    """In the network's order."""
    by_signal = {
        name: tuple(m.id for m in signal.movements if (name, m.id) in movements)
        for name, signal in scenario.network.signals.items()
    }
    return SystemDetector(movements={name: own for name, own in by_signal.items() if own})


def _flows(scenario: Scenario, period: str, factor: float) -> dict[str, dict[str, float]]:
    """Flows in veh/h by signal and movement."""
    flows = movement_flows(scenario.demand(period))
    return {
        name: {m.id: factor * flows.get(m.id, 0.0) for m in signal.movements}
        for name, signal in scenario.network.signals.items()
    }
