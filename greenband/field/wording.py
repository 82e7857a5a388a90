"""What a download would change at a controller, in lines for the person who has to agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.field.connections import wanted
from greenband.field.controllers import Controller, Gat1049
from greenband.field.download import Prepared
from greenband.field.holding import Difference, Holding
from greenband.formats import gat1049_read, ntcip_plans
from greenband.formats.ntcip_tables import NtcipTables, object_of
from greenband.plan.diff import changes
from greenband.plan.model import PlanSet

__all__ = ["described", "held_plans"]

NUMBERED = {"StageTiming": "StageNo", "Period": "StartTime"}  # by which those of a list are told apart


def described(plan: Prepared, controller: Controller, plans: PlanSet | None) -> list[str]:
    """The changes, as those of plans where it can be read as such with the help of ``plans``, else object by object.

    Objects that the plans do not have are what stands in their way; these are told one by one after the rest.
    """
    if not plan.changes:
        return []
    try:
        if plans is None:
            raise BadInput("there is nothing to tell stages by")
        own = wanted(plans, controller).objects.keys() & plan.target.objects.keys()
        parts = [
            Holding({name: text for name, text in one.objects.items() if name in own})
            for one in (plan.before, plan.target)
        ]
        before, after = (held_plans(holding, controller, plans) for holding in parts)
    except BadInput:
        return [line for one in plan.before.differences(plan.target) for line in _object(one)]
    found = [f"{change.plan} {change.text}".strip() for change in changes(before, after)]
    rest = [one for one in plan.before.differences(plan.target) if one.name not in own]
    if not (found or rest):
        return [f"{len(plan.changes)} objects that no plan shows, such as {next(iter(plan.changes.objects))}"]
    return found + [line for one in rest for line in _object(one)]


def held_plans(holding: Holding, controller: Controller, like: PlanSet) -> PlanSet:
    """The plans that a controller holds.

    Raises:
        BadInput: they are no plans of the junction's stages as ``like`` describes it, or objects are missing.
    """
    junction = controller.junction
    if isinstance(controller, Gat1049):
        params = [ET.fromstring(text) for text in holding.objects.values() if text]
        return gat1049_read.plans_of(params, junction, controller.cross_id, like)
    try:
        tables = NtcipTables.of(object_of(name, text) for name, text in holding.objects.items())
    except ValueError as error:
        raise BadInput(f"junction {junction}: its controller's tables are no plans of its stages: {error}") from error
    return ntcip_plans.plans_of(tables, junction, like)


def _object(one: Difference) -> Iterator[str]:
    """The values; of XML the fields that differ."""
    if not one.was:
        yield f"{one.name}: new"
    elif not one.is_now:
        yield f"{one.name}: goes"
    elif one.was.startswith("<"):
        yield from (f"{one.name}: {line}" for line in _fields(ET.fromstring(one.was), ET.fromstring(one.is_now), ""))
    else:
        yield f"{one.name}: {one.was} to {one.is_now}"


def _fields(old: ET.Element, new: ET.Element, place: str) -> Iterator[str]:
    """Fields that differ; elements of a list are compared in their order."""
    if not len(old) and not len(new):
        if old.text != new.text:
            yield f"{place}{new.tag} {old.text or 'none'} to {new.text or 'none'}"
        return
    for before, after in zip_longest(old, new):
        if before is None or after is None or before.tag != after.tag:
            yield f"{place}{old.tag}: other elements"
            return
        number = after.findtext(NUMBERED.get(after.tag, ""), "")
        yield from _fields(before, after, f"{place}{after.tag} {number}: " if number else place)
