"""Rules that a plan set must keep before a controller gets it, each with its id and source.

``check`` gives every place where a rule is broken; a plan file whose form alone breaks one is read by ``check_file``.
Waivers, from a YAML file, leave a finding in the report without counting it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenband.errors import BadInput, UnknownName
from greenband.plan.actuated import ActuatedSet
from greenband.plan.describe import junctions
from greenband.plan.model import PlanSet
from greenband.plan.responsive import ResponsiveLibrary
from greenband.plan.rules import corridor, lamps, timing
from greenband.plan.rules.actuated import check_actuated
from greenband.plan.rules.finding import Finding, Judge, Rule
from greenband.plan.rules.network import as_built
from greenband.plan.rules.profile import PROFILES, Profile, read_yaml
from greenband.plan.rules.profile import load as load_profile
from greenband.plan.tables import Table, model_of
from greenband.scenario import Scenario

__all__ = [
    "PROFILES",
    "RULES",
    "Finding",
    "Profile",
    "Waiver",
    "against",
    "broken_form",
    "check",
    "check_table",
    "load_profile",
    "load_waivers",
]


def _by_form(plans: PlanSet, profile: Profile) -> Iterator[Finding]:
    """Kept by every plan that could be read at all; see ``broken_form``."""
    yield from ()


def _rule(id: str, title: str, source: str, judge: Judge) -> Rule:
    return Rule(id, title, source, judge)


RULES = {
    rule.id: rule
    for rule in (
        _rule("yellow", "yellow 黄灯", "ITE kinematic formula, NCHRP Report 731; MUTCD 4D.26; GB 14886", timing.yellow),
        _rule("all-red", "red clearance 全红", "NCHRP Report 731; MUTCD 4D.26", timing.all_red),
        _rule("pedestrians", "walk and clearance on foot 行人", "MUTCD 4E.06", timing.pedestrians),
        _rule("min-green", "green within minimum and maximum", "junction's limits", timing.min_green),
        _rule("green-flash", "green flash 绿闪", "local custom; GA/T 1049.2 GreenFlashLen", timing.green_flash),
        _rule("minimum-service", "stage time of minimum service", "NTCIP 1202, splitTime", timing.minimum_service),
        _rule("max-red", "longest red", "junction's limits", timing.max_red),
        _rule("sums", "stages add up to the cycle", "NTCIP 1202, patternCycleTime", _by_form),
        _rule("offset", "0 <= offset < cycle", "NTCIP 1202, patternOffsetTime", _by_form),
        _rule("force-offs", "force-offs in order, rest until the yield point", "FHWA-HOP-08-024, chapter 6", _by_form),
        _rule("reference", "reference point of the offset declared", "UTDF 8, Referenced To", _by_form),
        _rule("resolution", "whole seconds", "NTCIP 1202, splitTime", _by_form),
        _rule("cycle", "cycle within limits", "NTCIP 1202 (255 s); GA/T 1049.2 (30 to 300 s)", corridor.cycles),
        _rule(
            "coordination", "one cycle, or half of it, in a group", "Brennan et al., TRR 2311", corridor.coordination
        ),
        _rule(
            "conflicts", "no two streams in each other's way", "conflict matrix 绿冲突; MUTCD 4D.05", lamps.conflicts
        ),
        _rule("lamps", "lamp strings show what the stages say", "plan model", lamps.lamps),
        _rule("flows", "stages name what they release", "plan model", lamps.flows),
        _rule("stages", "stages exist, each once", "plan model", _by_form),
        _rule("service", "every signal group has its green", "permissive turns and overlaps kept", lamps.service),
        _rule(
            "schedule", "a plan at every minute of every day", "NTCIP 1201 time base; GA/T 1049.2", corridor.schedule
        ),
        _rule("transitions", "few changes of plan", "FHWA-HOP-08-024, 7.5", corridor.transitions),
        _rule("release", "origin and approval", "agency practice", corridor.release),
        _rule("network", "groups, stages and conflicts of the network", "SUMO network of the scenario", _by_form),
        _rule("form", "a plan file as its schema has it", "docs/plan.schema.json", _by_form),
    )
}
FORMS = {"int_from_float": "resolution", "literal_error": "reference", "int_type": "resolution"}


class Waiver(BaseModel):
    """A finding that an agency accepts; fields left empty fit every junction or plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    junction: str = ""
    plan: str = ""
    reason: str = Field(min_length=1)
    by: str = Field(min_length=1)

    def fits(self, finding: Finding) -> bool:
        """Whether it is for this finding."""
        return self.rule == finding.rule and self.junction in ("", finding.junction) and self.plan in ("", finding.plan)


def against(table: Table, scenario: Scenario, waivers: Sequence[Waiver] = ()) -> list[Finding]:
    """Where a table's junctions are not as the scenario's network has them."""
    return _known(waivers, list(as_built(table.junctions, junctions(scenario), scenario.name)))


def check(plans: PlanSet, profile: Profile, waivers: Sequence[Waiver] = ()) -> list[Finding]:
    """Every finding, waived ones included, rule after rule.

    Raises:
        BadInput: the set has no junctions or schedule to judge it by.
    """
    if not plans.whole:
        raise BadInput("the plan set has no junctions or no schedule; name its scenario")
    return _known(waivers, [finding for rule in RULES.values() for finding in rule.judge(plans, profile)])


def check_table(table: Table, profile: Profile, waivers: Sequence[Waiver] = ()) -> list[Finding]:
    """Every finding on a table of any kind; of a library the rules on its plans, which no day plan need use.

    Raises:
        BadInput: as ``check``.
    """
    if isinstance(table, ActuatedSet):
        return _known(waivers, list(check_actuated(table, profile)))
    if isinstance(table, ResponsiveLibrary):
        unused = "no day plan uses it"  # the library chooses by traffic
        return [found for found in check(table.plan_set(), profile, waivers) if found.measured != unused]
    return check(table, profile, waivers)


def _known(waivers: Sequence[Waiver], found: Sequence[Finding]) -> list[Finding]:
    """Each finding once, with the waiver that fits it."""
    return [_waived(finding, waivers) for finding in dict.fromkeys(found)]


def _waived(finding: Finding, waivers: Sequence[Waiver]) -> Finding:
    for waiver in waivers:
        if waiver.fits(finding):
            return replace(finding, waived=f"{waiver.by}: {waiver.reason}")
    return finding


def broken_form(path: Path) -> list[Finding]:
    """What is wrong with a JSON plan file that cannot be read as a plan set; nothing if it can."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            return []
        data.pop("content_hash", None)
        model_of(data).model_validate(data)
    except ValidationError as error:
        return [_form(fault) for fault in error.errors()]
    except (OSError, ValueError, AttributeError, RecursionError, BadInput):
        return []  # no plan file at all, as reading it says
    return []


def _form(fault: object) -> Finding:
    assert isinstance(fault, dict)
    where = [str(part) for part in fault["loc"]]
    context, kind = fault.get("ctx", {}), fault["type"]
    rule = kind if kind in RULES else FORMS.get(kind, "form")
    junction = where[2] if where[:1] == ["plans"] and len(where) > 2 else ""
    if where[:1] == ["junctions"] and len(where) > 1:
        junction = where[1]
    plan = where[1] if where[:1] == ["plans"] and len(where) > 1 else ""
    required = str(context.get("required") or context.get("expected") or fault["msg"])
    measured = str(context.get("measured") or "") or _short(fault.get("input"))
    return Finding(rule, junction, plan, ".".join(where), measured, required)


def _short(value: object) -> str:
    return repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__


def load_waivers(path: Path) -> list[Waiver]:
    """Waivers from a YAML file: a list of rule, reason and by, with junction and plan where they are for one alone.

    Raises:
        BadInput: the file cannot be used.
        UnknownName: a waiver is for no rule.
    """
    data = read_yaml(path)
    if not isinstance(data, list):
        raise BadInput(f"{path}: not a list of waivers")
    found = []
    for number, row in enumerate(data, 1):
        try:
            found.append(Waiver.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"{path}: waiver {number}: {field}: {first['msg']}") from error
        if found[-1].rule not in RULES:
            raise UnknownName(f"{path}: waiver {number}: rule", found[-1].rule, RULES)
    return found
