"""Results as text for other programs and documents: CSV, JSON, Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from greenband.evaluation.results import Result, SubjectResult, to_text
from greenband.evaluation.statistics import interquartile_mean, known, median
from greenband.metrics import METRICS, find_metric

__all__ = ["FORMATS", "best", "to_csv", "to_markdown"]

SHOWN = (
    *("delay_s", "delay_median_s", "delay_p95_s", "mainline_speed_kmh", "speed_kmh", "side_delay_s", "stops"),
    *("gridlock_share", "queue_max_veh", "red_wait_max_s", "green_arrivals_share", "pedestrian_delay_s", "co2_g_km"),
)
COLUMNS = (
    *("greenband", "sumo"),
    *("scenario", "period", "demand", "sensing", "incident", "subject", "metric", "unit", "seeds"),
    *("mean", "ci95_low", "ci95_high", "median", "iqm"),
    *("difference", "difference_ci95_low", "difference_ci95_high", "wilcoxon_p"),
)


def to_csv(results: Sequence[Result]) -> str:
    """A row per result, subject and metric; ``difference`` is to the first subject, paired by seed."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    for result in results:
        table.writerows(_summaries(result))
    return out.getvalue()


def to_markdown(results: Sequence[Result]) -> str:
    """A table per result: a row a subject, mean and 95 % interval, the best of a column in bold."""
    return "\n".join(_markdown(result) for result in results)


def best(result: Result, metric: str) -> set[str]:
    """Subjects with the best mean of a metric; none where all are alike, or where less is neither better nor worse."""
    sign = find_metric(metric).better
    means = {s.name: s.mean(metric) * sign for s in result.subjects if metric in s.per_seed}
    means = {name: value for name, value in means.items() if math.isfinite(value)}
    if not sign or len(set(means.values())) < 2:
        return set()
    return {name for name, value in means.items() if value == max(means.values())}


FORMATS: Mapping[str, Callable[[Sequence[Result]], str]] = {"csv": to_csv, "json": to_text, "markdown": to_markdown}


def _summaries(result: Result) -> Iterator[dict[str, Any]]:
    for subject in result.subjects:
        for metric, values in subject.per_seed.items():
            row: dict[str, Any] = {
                "greenband": result.greenband,
                "sumo": result.sumo,
                "scenario": result.scenario,
                "period": result.period,
                "demand": result.demand,
                "sensing": result.sensing,
                "incident": result.incident,
                "subject": subject.name,
                "metric": metric,
                "unit": find_metric(metric).unit,
                "seeds": len(known(values)),
                "mean": subject.mean(metric),
                "median": median(values),
                "iqm": interquartile_mean(values),
            }
            row["ci95_low"], row["ci95_high"] = subject.ci95(metric) or (None, None)
            if subject is not result.subjects[0] and metric in result.subjects[0].per_seed:
                row["difference"], interval = result.paired(subject, metric)
                row["difference_ci95_low"], row["difference_ci95_high"] = interval or (None, None)
                row["wilcoxon_p"] = result.p_value(subject, metric)
            yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _markdown(result: Result) -> str:
    shown = [metric for metric in SHOWN if any(metric in subject.per_seed for subject in result.subjects)]
    heads = [f"{METRICS[metric].label}, {METRICS[metric].unit}" for metric in shown]
    lines = [f"{result.title}\n", f"| subject | {' | '.join(heads)} | violations |", "|---" * (len(shown) + 2) + "|"]
    winners = {metric: best(result, metric) for metric in shown}
    for subject in result.subjects:
        cells = (_cell(subject, metric, subject.name in winners[metric]) for metric in shown)
        lines.append(f"| {subject.name} | {' | '.join(cells)} | {subject.violations} |")
    return "\n".join(lines) + "\n"


def _cell(subject: SubjectResult, metric: str, winner: bool) -> str:
    if metric not in subject.per_seed:
        return ""
    digits, interval = METRICS[metric].digits, subject.ci95(metric)
    if not math.isfinite(subject.mean(metric)):
        return ""
    text = f"{subject.mean(metric):.{digits}f}"
    text = f"**{text}**" if winner else text
    return text if interval is None else f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
