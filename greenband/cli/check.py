"""``greenband check``: every rule that a plan must keep, with its source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from greenband import registry
from greenband.cli.common import err, read_whole_table
from greenband.errors import BadInput
from greenband.files import write_text
from greenband.plan.rules import (
    RULES,
    Finding,
    Profile,
    Waiver,
    against,
    broken_form,
    check_table,
    load_profile,
    load_waivers,
)
from greenband.plan.tables import Table as AnyTable

__all__ = ["counts", "judged", "run"]


def run(
    paths: Sequence[Path], profile: str, waivers: Path | None, scenario: str | None, out: Path | None, rules: bool
) -> bool:
    """Print what is broken; returns whether nothing is."""
    if rules:
        err.print(_rules())
        return True
    if not paths:
        raise BadInput("name a plan file, or --rules for the list of rules")
    asked, accepted = load_profile(profile), load_waivers(waivers) if waivers else []
    found = {path: _judged(path, scenario, asked, accepted) for path in paths}
    for path, findings in found.items():
        _show(path, findings, asked)
    if out is not None:
        report = [{"plan": str(path), "findings": [asdict(f) for f in findings]} for path, findings in found.items()]
        write_text(out, json.dumps({"profile": asked.name, "plans": report}, indent=1, ensure_ascii=False) + "\n")
    return not any(counts(finding) for findings in found.values() for finding in findings)


def _judged(path: Path, scenario: str | None, profile: Profile, waivers: Sequence[Waiver]) -> list[Finding]:
    file = path / "plan.json" if path.is_dir() else path
    if file.suffix == ".json" and (findings := broken_form(file)):
        return findings
    return judged(read_whole_table(path, scenario), scenario, profile, waivers)


def judged(table: AnyTable, scenario: str | None, profile: Profile, waivers: Sequence[Waiver]) -> list[Finding]:
    """What breaks a rule; junctions are held against their network where that is at hand."""
    found = check_table(table, profile, waivers)
    try:
        home = registry.scenario(scenario or table.provenance.scenario)
    except BadInput:
        if scenario is not None:
            raise
        return found
    return [*found, *against(table, home, waivers)]


def counts(finding: Finding) -> bool:
    """Whether it is an error that nobody has waived."""
    return finding.severity == "error" and not finding.waived


def _show(path: Path, findings: Sequence[Finding], profile: Profile) -> None:
    errors = sum(map(counts, findings))
    verdict = f"{errors} broken" if errors else "no rule broken"
    err.print(
        f"{path}: {verdict}, {len(findings) - errors} warnings and waivers; profile {profile.name}", soft_wrap=True
    )
    if not findings:
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("rule", "junction", "plan", "where", "found", "required", ""):
        table.add_column(column, overflow="fold")
    for finding in findings:
        state = f"waived by {finding.waived}" if finding.waived else finding.severity
        place = (finding.rule, finding.junction, finding.plan, finding.place)
        table.add_row(*map(escape, (*place, finding.measured, finding.required, state)))
    err.print(table)
    for rule in dict.fromkeys(finding.rule for finding in findings):
        err.print(f"  {rule}: {RULES[rule].title}. {RULES[rule].source}", soft_wrap=True)


def _rules() -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("rule", "asks for", "source"):
        table.add_column(column, overflow="fold")
    for rule in RULES.values():
        table.add_row(rule.id, escape(rule.title), escape(rule.source))
    return table
