"""Rules on what a plan shows: no two streams in each other's way, nobody left out."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile
from greenband.plan.rules.timing import tables

__all__ = ["conflicts", "flows", "lamps", "service"]

MAY_GO = "GgyY"


def lamps(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Lamp strings show what the stages say: formats of lamps and formats of signal groups tell the same plan."""
    for signal, junction in plans.junctions.items():
        for stage in junction.stages if any(stage.lamps for stage in junction.stages) else ():
            for group in junction.groups:
                shown = {stage.lamps[link] for link in group.links}
                told = "G" if group.number in stage.green else "g" if group.number in stage.permitted else ""
                if not (shown == {told} if told else shown and shown <= set("rsuyoO")):
                    place = f"stage {stage.name}, group {group.number}"
                    found = f"lamps {''.join(sorted(shown)) or 'none'}"
                    yield Finding("lamps", signal, "", place, found, {"G": "G", "g": "g"}.get(told, "red"))


def flows(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """A stage of a plan names the movements that the junction's stage releases, where it names any."""
    for period, plan, junction in tables(plans):
        for stage in plan.stages:
            going = junction.stages[stage.stage].going
            known = {group.movement for group in junction.vehicle_groups() if group.number in going}
            if stage.movements and set(stage.movements) != known:
                place, required = f"stage {stage.stage + 1} {stage.name}", ", ".join(sorted(known))
                yield Finding("flows", plan.signal, period, place, ", ".join(stage.movements), required)
            if stage.name != junction.stages[stage.stage].name:
                place, called = f"stage {stage.stage + 1}", junction.stages[stage.stage].name
                yield Finding("flows", plan.signal, period, place, f"called {stage.name!r}", repr(called), "warning")


def conflicts(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """At no second do two streams go whose ways cross, unless one of them gives way to the other.

    Judged by the lamps that the plan shows, second by second, yellow counting as going; a plan that shows none, by its
    stages.
    """
    yield from _without_conflicts(plans)
    for period, plan, junction in tables(plans):
        for stage in junction.stages:
            for pair in _clashes(junction, _told(junction, stage.green, stage.permitted)):
                yield _clash(plan.signal, period, f"stage {stage.name}", pair)
        if not all(stage.lamps for stage in junction.stages):
            continue
        for _, lamps, name in junction_phases(junction, plan):
            for pair in _clashes(junction, _shown(junction, lamps)):
                yield _clash(plan.signal, period, name, pair)


def _without_conflicts(plans: PlanSet) -> Iterator[Finding]:
    """Junctions whose approaches are said never to meet."""
    for signal, junction in plans.junctions.items():
        approaches = {group.movement.partition(">")[0] for group in junction.vehicle_groups()}
        if len(approaches) > 1 and len(junction.stages) > 1 and not junction.conflicts:
            yield Finding("conflicts", signal, "", "junction", "no conflicts at all", "the pairs whose ways cross")


def _clash(signal: str, period: str, place: str, pair: tuple[int, int]) -> Finding:
    text = f"groups {pair[0]} and {pair[1]} go together"
    return Finding("conflicts", signal, period, place, text, "one of them red, or giving way")


def _told(junction: Junction, green: tuple[int, ...], permitted: tuple[int, ...]) -> dict[int, str]:
    return {**dict.fromkeys(green, "G"), **dict.fromkeys(permitted, "g")}


def _shown(junction: Junction, lamps: str) -> dict[int, str]:
    """By group that goes, its strongest lamp."""
    shown = {}
    for group in junction.groups:
        going = [lamps[link] for link in group.links if link < len(lamps) and lamps[link] in MAY_GO]
        if going:
            shown[group.number] = "G" if "G" in going else going[0]
    return shown


def _clashes(junction: Junction, shown: dict[int, str]) -> Iterator[tuple[int, int]]:
    yields = set(junction.yields)
    for one, other in junction.conflicts:
        if (
            one in shown
            and other in shown
            and not (_gives_way(one, other, shown, yields) or _gives_way(other, one, shown, yields))
        ):
            yield one, other


def _gives_way(one: int, other: int, shown: dict[int, str], yields: set[tuple[int, int]]) -> bool:
    """Whether a group lets the other go first; in its yellow it still does."""
    return shown[one] in "gyY" and (one, other) in yields


def service(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Every signal group that has a green in some stage has one in each plan: nothing is lost on the way to a table."""
    for period, plan, junction in tables(plans):
        served = {number for stage in plan.stages for number in junction.stages[stage.stage].going}
        wanted = {group.number for group in junction.groups if not group.on_red}
        for number in sorted(wanted - served):
            place = f"group {number} {junction.group(number).movement}"
            yield Finding("service", plan.signal, period, place, "no green", "a green in every plan")
