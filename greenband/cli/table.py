"""Results as tables on stderr, within 100 columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.bar import Bar
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from greenband.cli.common import err
from greenband.evaluation import PlaceResult, Result, SubjectResult
from greenband.evaluation.texts import best
from greenband.metrics import METRICS
from greenband.plan.calendar import DAY_MIN, clock
from greenband.plan.model import PlanSet

__all__ = ["show", "show_day", "show_junctions"]

SPEED = "mainline_speed_kmh"
SHOWN = ("delay_s", SPEED, "speed_kmh", "stops", "delay_p95_s", "gridlock_share")
COMPARED = ("delay_s", SPEED)
SUBJECTS_ACROSS = 5
BAR_WIDTH = 6


def show(result: Result) -> None:
    """Print means with their intervals, a bar for mainline speed, and paired differences to the first subject.

    The best mean of a column is bold and starred.
    """
    shown = [name for name in SHOWN if all(name in subject.per_seed for subject in result.subjects)]
    table = _table(f"{result.title}: mean, 95 % interval, * best" if len(result.seeds) > 1 else result.title)
    table.add_column("subject", overflow="fold", min_width=12, max_width=17)
    for name in shown:
        words = [*METRICS[name].label.split(), METRICS[name].unit]
        table.add_column("\n".join(words), justify="right", no_wrap=True, vertical="top")
        if name == SPEED:
            table.add_column("", width=BAR_WIDTH, no_wrap=True)
    table.add_column("viola-\ntions", justify="right")
    winners = {name: best(result, name) for name in shown}
    for subject in result.subjects:
        cells: list[RenderableType] = []
        for name in shown:
            cells.append(_cell(subject, name, subject.name in winners[name]))
            if name == SPEED:
                cells.append(_bar(subject, result.subjects))
        table.add_row(escape(subject.name), *cells, str(subject.violations))
    err.print(table)
    err.print()
    _remarks(result)
    for subject in result.subjects[1:]:
        for name in COMPARED:
            if name in result.compared(subject) and math.isfinite(result.paired(subject, name)[0]):
                err.print(escape(_difference(result, subject, name)), soft_wrap=True)


def show_junctions(result: Result, names: Mapping[str, str]) -> None:
    """Print control delay, level of service and longest queue of every junction; ``names`` by signal, where known."""
    for k in range(0, len(result.subjects), SUBJECTS_ACROSS):
        subjects = result.subjects[k : k + SUBJECTS_ACROSS]
        title = f"{result.scenario} {result.period}: delay s/veh, level of service, longest queue veh"
        table = _table(title)
        table.add_column("junction", overflow="ellipsis", no_wrap=True, max_width=26)
        for subject in subjects:
            table.add_column(escape(subject.name), justify="right", overflow="fold", max_width=13)
        for row in zip(*(subject.at("junction") for subject in subjects), strict=True):
            label = f"{row[0].id} {names.get(row[0].id, '')}".strip()
            table.add_row(escape(label), *(_junction(place, row) for place in row))
        err.print(table)
        err.print()


def show_day(plans: PlanSet) -> None:
    """Print which plan is in force when on a plain Monday, with its cycle, or the shortest and the longest."""
    name = plans.plain_day or ""
    table = _table(name)
    for heading in ("plan", "from", "to"):
        table.add_column(heading)
    table.add_column("cycle s", justify="right")
    switches = plans.day_plans[name].switches
    ends = [*(switch.at for switch in switches[1:]), clock(DAY_MIN)]
    for switch, end in zip(switches, ends, strict=True):
        cycles = sorted({plan.cycle_s for plan in plans.plans[switch.plan].values()})
        text = "-".join(str(cycle) for cycle in dict.fromkeys((cycles[0], cycles[-1])))
        table.add_row(escape(switch.plan), switch.at, end, text)
    err.print(table)
    err.print()


def _table(title: str) -> Table:
    err.print(escape(title), style="italic", soft_wrap=True)
    return Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def _remarks(result: Result) -> None:
    for subject in result.subjects:
        if subject.collisions or subject.teleports:
            err.print(f"{escape(subject.name)}: {subject.collisions} collisions, {subject.teleports} teleports")
    for lost in result.retried:
        err.print(f"{escape(lost.subject)}, seed {lost.seed}: {lost.reason}; done at the second attempt")
    for lost in result.failed:
        err.print(f"{escape(lost.subject)}, seed {lost.seed}: {lost.reason} twice; the seed counts for no subject")


def _cell(subject: SubjectResult, metric: str, winner: bool) -> str:
    digits, interval = METRICS[metric].digits, subject.ci95(metric)
    if not math.isfinite(subject.mean(metric)):
        return "-"
    text = f"{subject.mean(metric):.{digits}f}"
    text = f"[bold]*{text}[/bold]" if winner else text
    return text if interval is None else f"{text}\n[dim]{interval[0]:.{digits}f}–{interval[1]:.{digits}f}[/dim]"


def _bar(subject: SubjectResult, subjects: Sequence[SubjectResult]) -> Bar:
    speeds = [speed if math.isfinite(speed) else 0.0 for speed in (s.mean(SPEED) for s in (subject, *subjects))]
    return Bar(max(speeds) or 1.0, 0, speeds[0], width=BAR_WIDTH)


def _junction(place: PlaceResult, row: Sequence[PlaceResult]) -> str:
    delay = place.means["control_delay_s"]
    text = f"{delay:.1f} {place.level_of_service or '-'} {place.means['queue_max_veh']:3.0f}"
    winner = len(row) > 1 and delay == min(other.means["control_delay_s"] for other in row)
    return f"[bold]*{text}[/bold]" if winner else text


def _difference(result: Result, subject: SubjectResult, metric: str) -> str:
    mean, interval = result.paired(subject, metric)
    base, m, p = result.subjects[0], METRICS[metric], result.p_value(subject, metric)
    text = f"{subject.name} against {base.name}: {m.label} {mean:+.{m.digits}f} {m.unit}"
    text += f" ({100 * mean / base.mean(metric):+.1f} %)" if base.mean(metric) else ""
    text += "" if interval is None else f", 95 % {interval[0]:+.2f} to {interval[1]:+.2f}"
    return text if p is None else f"{text}, p {p:.2g}"
