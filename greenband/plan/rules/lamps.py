"""Rules on what a plan shows: no two streams in each other's way, nobody left out."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.plan.display import junction_phases
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile
from greenband.plan.rules.timing import tables

__all__ = ["conflicts", "service"]

MAY_GO = "GgyY"


def conflicts(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """At no second do two streams go whose ways cross, unless one of them gives way to the other.

    Judged by the lamps that the plan shows, second by second, yellow counting as going; a plan that shows none, by its
    stages.
    """
    for period, plan, junction in tables(plans):
        for stage in junction.stages:
            for pair in _clashes(junction, _told(junction, stage.green, stage.permitted)):
                yield _clash(plan.signal, period, f"stage {stage.name}", pair)
        if not all(stage.lamps for stage in junction.stages):
            continue
        for _, lamps, name in junction_phases(junction, plan):
            for pair in _clashes(junction, _shown(junction, lamps)):
                yield _clash(plan.signal, period, name, pair)


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
        wanted = {number for stage in junction.stages for number in stage.going}
        for number in sorted(wanted - served):
            place = f"group {number} {junction.group(number).movement}"
            yield Finding("service", plan.signal, period, place, "no green", "a green in every plan")
