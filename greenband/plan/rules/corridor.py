"""Rules on the set of plans: one cycle in a group, a schedule without gap, and where it all comes from."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from greenband.plan.calendar import DAY_MIN, DayPlan, clock, day_plan_on
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, Provenance
from greenband.plan.rules.finding import Finding
from greenband.plan.rules.profile import Profile

__all__ = ["coordination", "cycles", "release", "schedule", "transitions", "unequal_cycles"]

LEAP_YEAR = 2000  # every date that a schedule can name


def cycles(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Cycles within what controllers and agency allow."""
    least, most = profile.cycle_s
    for period, plan in plans:
        if not least <= plan.cycle_s <= most:
            yield Finding("cycle", plan.signal, period, "", f"{plan.cycle_s} s", f"{least} to {most} s")


def coordination(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """At every minute of the day the junctions of a group run on the same cycle or on half of it.

    Neighbours on 114 s and 116 s drift by 2 s a cycle: Brennan et al., Transportation Research Record 2311.
    """
    cycles_s = {period: {name: plan.cycle_s for name, plan in of.items()} for period, of in plans.plans.items()}
    yield from unequal_cycles(cycles_s, plans.junctions, plans.day_plans)


def unequal_cycles(
    cycles_s: Mapping[str, Mapping[str, int]], known: Mapping[str, Junction], day_plans: Mapping[str, DayPlan]
) -> Iterator[Finding]:
    """The rule ``coordination`` on cycles in s by period and signal; signals without a cycle do not count."""
    for name, period, since in _in_force(cycles_s, day_plans):
        for group, junctions in _groups(known).items():
            running = {signal: cycles_s[period][signal] for signal in junctions if signal in cycles_s[period]}
            longest = max(running.values(), default=0)
            odd = {signal: cycle for signal, cycle in running.items() if cycle not in (longest, longest / 2)}
            for signal, cycle in odd.items():
                place = f"{name}{f' from {since}' if since else ''}, group {group}"
                yield Finding("coordination", signal, period, place, f"{cycle} s", f"{longest} s or half of it")


def _in_force(periods: Iterable[str], day_plans: Mapping[str, DayPlan]) -> Iterator[tuple[str, str, str]]:
    """(day plan, period, since when) of every plan where a day plan first names it; of others the period alone."""
    seen = set()
    for name, day in day_plans.items():
        for switch in day.switches:
            if switch.plan not in seen:
                seen.add(switch.plan)
                yield name, switch.plan, switch.at
    yield from (("no day plan", period, "") for period in periods if period not in seen)


def _groups(known: Mapping[str, Junction]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for signal, junction in known.items():
        if junction.coordination:
            groups.setdefault(junction.coordination, []).append(signal)
    return groups


def schedule(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Every day of the year has a day plan, every junction a plan at every minute, and controllers can hold it all."""
    yield from _uncovered(plans)
    for name, day in plans.day_plans.items():
        for switch in day.switches:
            for signal in plans.junctions:
                if signal not in plans.plans[switch.plan]:
                    text = f"no plan {switch.plan} at this junction"
                    yield Finding("schedule", signal, switch.plan, f"{name} from {switch.at}", text, "one")
        if len(day.switches) > profile.switches:
            most = f"at most {profile.switches} switches"
            yield Finding("schedule", "", "", f"day plan {name}", f"{len(day.switches)} switches", most)
    counts = (
        ("plans", len(plans.plans), profile.plans),
        ("day plans", len(plans.day_plans), profile.day_plans),
        ("schedule rows", len(plans.schedule), profile.schedule_rows),
    )
    for what, count, limit in counts:
        if count > limit:
            yield Finding("schedule", "", "", what, str(count), f"at most {limit}")
    scheduled = {switch.plan for day in plans.day_plans.values() for switch in day.switches}
    for period in plans.plans:
        if period not in scheduled:
            yield Finding("schedule", "", period, "", "no day plan uses it", "a time of day", "warning")


def _uncovered(plans: PlanSet) -> Iterator[Finding]:
    """Runs of days of a leap year, on whichever weekday they fall, for which the schedule names no day plan."""
    days = [datetime.date(LEAP_YEAR, 1, 1) + datetime.timedelta(days=n) for n in range(366)]
    weekdays = {n: [(day, _on(plans, day, n)) for day in days] for n in range(7)}
    for offset, rows in weekdays.items():
        for missing, run in groupby(rows, key=lambda row: row[1] is None):
            found = list(run)
            if missing:
                first, last = found[0][0], found[-1][0]
                text = f"{first:%m-%d} to {last:%m-%d}"
                if (last - first).days < 7 and offset:
                    continue  # single weekdays repeat with every shift; one is enough
                yield Finding("schedule", "", "", "", f"no day plan on {text}", "a day plan for every date")
                return


def _on(plans: PlanSet, day: datetime.date, shift: int) -> str | None:
    """The day plan of a month and day in a year that begins ``shift`` weekdays later."""
    for year in range(LEAP_YEAR, LEAP_YEAR + 28, 4):
        date = day.replace(year=year)
        if date.isoweekday() % 7 == (day.isoweekday() + shift) % 7:
            return day_plan_on(date, plans.schedule)
    raise AssertionError("28 years hold every weekday of a leap year's dates")


def transitions(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Few changes of plan, and none for a short stay: controllers lose coordination while they get into step."""
    for name, day in plans.day_plans.items():
        if len(day.switches) - 1 > profile.changes:
            found, most = f"{len(day.switches) - 1} changes a day", f"at most {profile.changes}"
            yield Finding("transitions", "", "", f"day plan {name}", found, most, "warning")
        for minutes, since, plan in _stays(day):
            if minutes < profile.stay_min:
                found, least = f"{minutes} min", f"{profile.stay_min} min or more"
                yield Finding("transitions", "", plan, f"day plan {name} from {since}", found, least, "warning")


def _stays(day: DayPlan) -> Iterator[tuple[int, str, str]]:
    """(minutes, since when, plan), the last plan of the day going on into the next where that begins with it."""
    ends = [*(switch.at_min for switch in day.switches[1:]), DAY_MIN]
    stays = [
        (end - switch.at_min, clock(switch.at_min), switch.plan) for switch, end in zip(day.switches, ends, strict=True)
    ]
    if len(stays) > 1 and stays[0][2] == stays[-1][2]:
        (first, _, _), *middle, (last, since, plan) = stays
        stays = [*middle, (last + first, since, plan)]
    yield from stays


def release(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """A plan says who made it, for which scenario and with which version; somebody approved it."""
    yield from released(plans.provenance)


def released(origin: Provenance) -> Iterator[Finding]:
    """What lacks of a table's origin and approval."""
    for field, text in (("subject", origin.subject), ("scenario", origin.scenario)):
        if not text:
            yield Finding("release", "", "", f"provenance.{field}", "empty", "where the plan comes from")
    if not origin.greenband:
        required = "the version that made the plan"
        yield Finding("release", "", "", "provenance.greenband", "empty", required, "warning")
    if not origin.approved_by:
        required = "who approved the plan"
        yield Finding("release", "", "", "provenance.approved_by", "empty", required, "warning")
