"""Objects of GA/T 1049.2 as texts: one form for equal content, whatever order or white space a platform answers in.

An object's name is its kind and number, such as ``PlanParam.3``. In its text fields stand in the schema's order,
numbers without leading zeros, empty fields and lists are left out, and adjustments are sorted.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.formats.gat1049_message import check_object
from greenband.formats.gat1049_plan import Oper, command

__all__ = ["NUMBERS", "kind_of", "named", "object_in", "renumbered", "same_but_number", "steps"]

NUMBERS = {"PlanParam": "PlanNo", "DayPlanParam": "DayPlanNo", "ScheduleParam": "ScheduleNo"}  # referred to first
FIELDS = {
    "PlanParam": ("CrossID", "PlanNo", "PlanName", "CycleLen", "CoordStageNo", "Offset", "StageTimingList"),
    "StageTiming": ("StageNo", "Green", "Yellow", "AllRed", "MaxGreen", "MinGreen", "AdjustList"),
    "DayPlanParam": ("CrossID", "DayPlanNo", "DayPlanName", "PeriodList"),
    "Period": ("StartTime", "PlanNo", "CtrlMode"),
    "ScheduleParam": (
        "CrossID",
        "ScheduleNo",
        "ScheduleName",
        "Type",
        "StartDay",
        "EndDay",
        "WeekDay",
        "DayPlanNo",
    ),
}
WHOLE = {
    *("PlanNo", "CycleLen", "CoordStageNo", "Offset", "StageNo", "Green", "Yellow", "AllRed", "MaxGreen", "MinGreen"),
    *("DayPlanNo", "ScheduleNo"),
}
LONG = 8_000  # texts beyond are not kept in memory


def named(found: ET.Element, cross_id: str, place: str) -> tuple[str, str]:
    """Name and canonical text of an object.

    Raises:
        BadInput: it does not fit the schema, has no number, or is of another junction.
    """
    found.tail = None
    text = ET.tostring(found, encoding="unicode")
    try:
        name, owner, canonical = (_seen if len(text) < LONG else _seen.__wrapped__)(text)
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from None
    if owner != cross_id:
        raise BadInput(f"{place}: {name} is of junction {owner!r}, not of {cross_id}")
    return name, canonical


@lru_cache(maxsize=2000)  # the same object comes again and again, as backup, answer and read-back
def _seen(text: str) -> tuple[str, str, str]:
    try:
        found = ET.fromstring(text)
    except ET.ParseError:
        raise BadInput("characters that XML cannot hold") from None
    if found.tag not in NUMBERS:
        raise BadInput(f"{found.tag[:50]!r} is none of {', '.join(NUMBERS)}")
    check_object(found, found.tag)
    number = int(found.findtext(NUMBERS[found.tag], "0"))
    if number < 1:
        raise BadInput(f"{found.tag} has number {number}: what is held counts from 1")
    canonical = ET.tostring(_canonical(found), encoding="unicode")
    return f"{found.tag}.{number}", found.findtext("CrossID", ""), canonical


def _canonical(found: ET.Element) -> ET.Element:
    made = ET.Element(found.tag, {key: str(int(value)) for key, value in sorted(found.attrib.items())})
    text = (found.text or "").strip()
    if found.tag in WHOLE:
        text = str(int(text))
    children = [child for child in map(_canonical, found) if child.text or child.attrib or len(child)]
    if found.tag in FIELDS:
        children.sort(key=lambda child: FIELDS[found.tag].index(child.tag))
    if found.tag == "AdjustList":
        children.sort(key=lambda child: (int(child.attrib["SignalGroupNo"]), child.attrib["Oper"]))
    made.text = text or None
    made.extend(children)
    return made


def kind_of(name: str) -> str:
    """The kind of an object by its name.

    Raises:
        BadInput: it is no name of an object.
    """
    kind, _, number = name.partition(".")
    if kind not in NUMBERS or not re.fullmatch("[1-9][0-9]{0,3}", number, re.ASCII):
        raise BadInput(f"{name[:50]!r} is no object of GA/T 1049.2: names are such as PlanParam.3")
    return kind


def object_in(name: str, text: str, cross_id: str) -> ET.Element:
    """The object that a holding has under a name.

    Raises:
        BadInput: the text holds no such object, or not in its canonical form.
    """
    kind_of(name)
    try:
        found = ET.fromstring(text)
    except ET.ParseError:
        raise BadInput(f"{name}: its text is not XML") from None
    if named(found, cross_id, name) != (name, text):
        raise BadInput(f"{name}: its text is of another object, or not in canonical form")
    return found


def renumbered(found: ET.Element, number: int) -> ET.Element:
    """A copy with another number."""
    made = copy.deepcopy(found)
    field = made.find(NUMBERS[found.tag])
    assert field is not None, "the schema wants it"
    field.text = str(number)
    return made


def same_but_number(one: str, other: str) -> bool:
    """Whether two texts are the same object but for its number."""
    bare = [ET.tostring(renumbered(ET.fromstring(text), 0)) for text in (one, other)]
    return bare[0] == bare[1]


def steps(held: Mapping[str, str], target: Mapping[str, str], cross_id: str) -> Iterator[tuple[str, Oper, ET.Element]]:
    """What leads from one to the other at the objects that ``target`` names, where an empty text means no such object.

    What is referred to is set before what refers to it, and deleted after it; deletions come last.

    Yields:
        Name, operation, and command of each step.

    Raises:
        BadInput: an object is not what its name says.
    """
    order = list(NUMBERS)
    changed = [name for name, text in target.items() if held.get(name, "") != text]
    for name in sorted((name for name in changed if target[name]), key=lambda name: order.index(kind_of(name))):
        oper = Oper.MODIFY if held.get(name) else Oper.ADD
        yield name, oper, command(object_in(name, target[name], cross_id), oper)
    gone = [name for name in changed if not target[name]]
    for name in sorted(gone, key=lambda name: order.index(kind_of(name)), reverse=True):
        yield name, Oper.DELETE, command(object_in(name, held[name], cross_id), Oper.DELETE)
