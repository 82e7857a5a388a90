"""Results as a table on stderr, within 100 columns."""

from __future__ import annotations

import math

from rich.table import Table

from greenband.cli.common import err
from greenband.evaluation import Result, SubjectResult
from greenband.metrics import METRICS

__all__ = ["show"]

SHOWN = ("delay_s", "mainline_speed_kmh", "speed_kmh", "stops", "delay_p95_s")


def show(result: Result) -> None:
    """Print means, intervals and paired differences to the first subject; the best mean of a column is bold."""
    shown = [name for name in SHOWN if name in result.subjects[0].per_seed]
    title = f"{result.scenario} {result.period}, {len(result.seeds)} seeds, SUMO {result.sumo}"
    title += "" if result.demand == 1 else f", demand × {result.demand:g}"
    title += "" if result.sensing is None else f", sensing {result.sensing}"
    table = Table(title=title, title_justify="left")
    table.add_column("subject", no_wrap=True)
    for name in shown:
        table.add_column(f"{METRICS[name].label}\n{METRICS[name].unit}", justify="right")
    table.add_column("viola-\ntions", justify="right")
    best = {name: _best(result, name) for name in shown}
    for subject in result.subjects:
        cells = [_cell(subject, name, subject.name in best[name]) for name in shown]
        table.add_row(subject.name, *cells, str(subject.violations))
    err.print(table)
    for subject in result.subjects:
        if subject.collisions or subject.teleports:
            err.print(f"{subject.name}: {subject.collisions} collisions, {subject.teleports} teleports")
    for subject in result.subjects[1:]:
        for name in ("delay_s", "mainline_speed_kmh"):
            if name in subject.per_seed and name in result.subjects[0].per_seed:
                err.print(_difference(result, subject, name), soft_wrap=True)


def _best(result: Result, metric: str) -> set[str]:
    sign = METRICS[metric].better
    means = {s.name: s.mean(metric) * sign for s in result.subjects if math.isfinite(s.mean(metric))}
    return {name for name, value in means.items() if value == max(means.values())} if len(means) > 1 else set()


def _cell(subject: SubjectResult, metric: str, best: bool) -> str:
    digits, interval = METRICS[metric].digits, subject.ci95(metric)
    text = f"{subject.mean(metric):.{digits}f}"
    text = f"[bold]{text}[/bold]" if best else text
    return text if interval is None else f"{text}\n[dim]±{(interval[1] - interval[0]) / 2:.{digits}f}[/dim]"


def _difference(result: Result, subject: SubjectResult, metric: str) -> str:
    mean, interval = result.paired(subject, metric)
    base, m = result.subjects[0], METRICS[metric]
    share = 100 * mean / base.mean(metric)
    text = f"{subject.name} against {base.name}: {m.label} {mean:+.{m.digits}f} {m.unit} ({share:+.1f} %)"
    return text if interval is None else f"{text}, 95 % interval {interval[0]:+.2f} to {interval[1]:+.2f}"
