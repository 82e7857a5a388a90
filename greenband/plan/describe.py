"""From a scenario to what its controllers must know: junctions, day plans and a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.network import Movement, Signal
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import PlanSet
from greenband.scenario import Scenario
from greenband.signals import Limits

__all__ = ["EVERY_DAY", "calendar", "described", "joined", "junctions", "whole_day"]

EVERY_DAY = "every day"


def described(plans: PlanSet, scenario: Scenario) -> PlanSet:
    """The plan set with junctions, day plans and a schedule, where it has none of its own.

    Plans of a set that says itself when they are in force may have names of their own, others those of periods.

    Raises:
        BadInput: the scenario has no such junctions, stages or periods.
    """
    for name in () if plans.day_plans else plans.plans:
        scenario.period(name)
    if not plans.junctions:
        signals = {plan.signal for _, plan in plans}
        found = {name: junction for name, junction in junctions(scenario).items() if name in signals}
        plans = plans.model_copy(update={"junctions": found})
    if not plans.day_plans:
        day_plans, schedule = calendar(scenario, list(plans.plans))
        plans = plans.model_copy(update={"day_plans": day_plans, "schedule": schedule})
    try:
        return PlanSet.model_validate(plans.model_dump())
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise BadInput(f"the plans do not fit scenario {scenario.name}: {reason}") from error


def calendar(scenario: Scenario, periods: Sequence[str]) -> tuple[dict[str, DayPlan], tuple[ScheduleRow, ...]]:
    """Day plan and schedule that have the plans of these periods in force as ``whole_day`` says, every day."""
    day = DayPlan(switches=tuple(whole_day(scenario, periods)))
    return {EVERY_DAY: day}, (ScheduleRow(day_plan=EVERY_DAY, name=EVERY_DAY),)


def junctions(scenario: Scenario) -> dict[str, Junction]:
    """Every signal of a scenario as its controller sees it, by id; all of them are one coordination group."""
    known = {junction.signal: junction for junction in scenario.junctions}
    found = {}
    for number, (name, signal) in enumerate(scenario.network.signals.items(), 1):
        limits, place = signal.limits(scenario.timing), known.get(name)
        groups = list(_groups(signal, scenario.timing.walking_speed_ms))
        of_link = {link: group.number for group in groups for link in group.links}
        foes = set(_between(of_link, signal.conflicts))
        found[name] = Junction(
            signal=name,
            number=number,
            name_en=place.name_en if place else "",
            name_zh=place.name_zh if place else "",
            x_m=round(signal.position_m[0], 1),
            y_m=round(signal.position_m[1], 1),
            left_hand=scenario.network.left_hand,
            coordination=scenario.name,
            yellow_s=limits.yellow_s,
            all_red_s=limits.all_red_s,
            green_flash_s=limits.green_flash_s,
            max_red_s=limits.max_red_s,
            groups=tuple(groups),
            stages=tuple(_stages(signal, limits, groups)),
            conflicts=tuple(sorted({(min(pair), max(pair)) for pair in foes})),
            yields=tuple(sorted(set(_between(of_link, signal.yields)))),
        )
    return found


def _between(of_link: Mapping[int, int], pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Pairs of links as pairs of the groups they belong to."""
    for one, other in pairs:
        if one in of_link and other in of_link and of_link[one] != of_link[other]:
            yield of_link[one], of_link[other]


def _groups(signal: Signal, walking_speed_ms: float) -> Iterator[SignalGroup]:
    """A group for every movement, several where its links do not always show the same; then one for every crossing."""
    number = 0
    for movement in signal.movements:
        alike: dict[tuple[str, ...], list[int]] = {}
        for link in movement.links:
            alike.setdefault(tuple(stage.state[link] for stage in signal.stages), []).append(link)
        for shown, links in alike.items():
            number += 1
            yield _vehicle_group(signal, movement, number, shown, links)
    for crossing in signal.crossings:
        number += 1
        yield SignalGroup(
            number=number,
            kind="pedestrian",
            movement=crossing.id,
            bearing=_across(signal, crossing.edges),
            turn="crossing",
            lanes=0,
            links=(crossing.index,),
            speed_ms=walking_speed_ms,
            crossing_m=round(crossing.length_m, 1),
        )


def _vehicle_group(
    signal: Signal, movement: Movement, number: int, shown: Sequence[str], indices: Sequence[int]
) -> SignalGroup:
    links = [link for link in signal.links if link.index in indices]
    return SignalGroup(
        number=number,
        kind="vehicle" if any(link.motor for link in links) else "bicycle",
        movement=movement.id,
        bearing=round(movement.bearing) % 360,
        turn=movement.turn,
        lanes=len({link.from_lane for link in links if link.motor}),
        links=tuple(indices),
        speed_ms=round(max(link.speed_ms for link in links), 2),
        crossing_m=round(max(link.length_m for link in links), 1),
        on_red="s" in shown,
    )


def _across(signal: Signal, edges: Sequence[str]) -> int:
    """The bearing of the approach that a crossing leads over; where it has none, that of traffic coming the other way.

    A through movement leaves in the direction in which it came; turns are known by that alone, so they are not asked.
    """
    found = [movement.bearing for movement in signal.movements if movement.from_edge in edges]
    through = [movement for movement in signal.movements if movement.to_edge in edges and movement.turn == "through"]
    return round((found or [(movement.bearing + 180) % 360 for movement in through] or [0.0])[0]) % 360


def _stages(signal: Signal, limits: Limits, groups: Sequence[SignalGroup]) -> Iterator[StageDefinition]:
    of_link = {link: group.number for group in groups for link in group.links}
    for number, stage in enumerate(signal.stages):
        shows = {group.number: {stage.state[link] for link in group.links} for group in groups}
        pairs = limits.walks[number] if limits.walks else ()
        yield StageDefinition(
            name=stage.name,
            lamps=stage.state,
            green=tuple(group for group, lamps in shows.items() if lamps == {"G"}),
            permitted=tuple(group for group, lamps in shows.items() if "g" in lamps),
            min_green_s=limits.min_green_s[number],
            max_green_s=limits.max_green_s,
            walks=tuple(
                Walk(group=of_link[index], walk_s=walk, flash_s=limits.min_green_s[number] - walk)
                for index, walk in pairs
            ),
        )


def whole_day(scenario: Scenario, periods: Sequence[str]) -> list[Switch]:
    """Which of these periods' plans are in force when.

    As the scenario's day has it. Hours of a period that is not among them get the plan of the one with the next higher
    demand, which has capacity for it; a scenario without a day lets each plan run until the next period's traffic
    begins.
    """
    days = [period.plans for period in scenario.periods.values() if period.plans]
    if days and any(switch.period in periods for switch in days[0]):
        wanted = [(switch.time_s // 60, switch.period) for switch in days[0]]
        stands = {name: _stand_in(scenario, name, periods) for _, name in wanted}
        return joined([(minute, stands[name]) for minute, name in wanted])
    starts = sorted((scenario.period(name).start_s % 86400 // 60, name) for name in periods)
    return joined([(0, starts[-1][1]), *starts] if starts[0][0] else starts)


def _stand_in(scenario: Scenario, name: str, periods: Sequence[str]) -> str:
    if name in periods:
        return name
    demand = {period: _veh_h(scenario, period) for period in (name, *periods)}
    above = [period for period in periods if demand[period] >= demand[name]]
    return min(above, key=lambda p: demand[p]) if above else max(periods, key=lambda p: demand[p])


def _veh_h(scenario: Scenario, period: str) -> float:
    return sum(route.veh_h for route in scenario.demand(period).motor_flows)


def joined(wanted: Sequence[tuple[int, str]]) -> list[Switch]:
    """Switches without those that change nothing."""
    return [
        Switch(at_min=minute, plan=name)
        for number, (minute, name) in enumerate(wanted)
        if number == 0 or name != wanted[number - 1][1]
    ]
