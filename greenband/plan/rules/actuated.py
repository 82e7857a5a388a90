"""Rules on actuated tables; the ids are those of fixed plans."""

from __future__ import annotations

from collections.abc import Iterator

from greenband.plan.actuated import ActuatedPlan, ActuatedSet
from greenband.plan.junction import Junction
from greenband.plan.rules.corridor import released
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile

__all__ = ["check_actuated"]


def check_actuated(tables: ActuatedSet, profile: Profile) -> Iterator[Finding]:
    """Every stage is there, greens are within the junction's, and one round of maxima keeps the maximum red.

    Yellow, all-red and walks are the junction's, not the table's.
    """
    for period, table in tables:
        junction = tables.junctions[table.signal]
        if missing := sorted(set(range(len(junction.stages))) - set(table.order)):
            found = f"no stage {', '.join(str(k + 1) for k in missing)}"
            yield Finding("stages", table.signal, period, "stages", found, f"all {len(junction.stages)}")
        yield from _greens(period, table, junction, profile)
        yield from _reds(period, table, junction)
    yield from released(tables.provenance)


def _greens(period: str, table: ActuatedPlan, junction: Junction, profile: Profile) -> Iterator[Finding]:
    for stage in table.stages:
        known, place = junction.stages[stage.stage], f"stage {stage.stage + 1} {stage.name}"
        least = max(known.min_green_s, profile.min_green_s)
        if stage.min_green_s < least:
            required = f"a minimum green of {least} s or more"
            yield Finding("min-green", table.signal, period, place, f"{stage.min_green_s} s", required)
        if stage.max_green_s > known.max_green_s:
            required = f"a maximum green of {known.max_green_s} s or less"
            yield Finding("min-green", table.signal, period, place, f"{stage.max_green_s} s", required)


def _reds(period: str, table: ActuatedPlan, junction: Junction) -> Iterator[Finding]:
    for stage in table.stages if len(table.stages) > 1 else ():
        red = table.longest_red_s(stage, junction.intergreen_s)
        if red > junction.max_red_s:
            place, required = f"stage {stage.stage + 1} {stage.name}", f"at most {junction.max_red_s} s"
            yield Finding("max-red", table.signal, period, place, f"{red} s while all others last", required)
