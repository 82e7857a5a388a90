"""``greenband report``: results as one HTML file for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenband import registry
from greenband.cli.common import counting, err, processes
from greenband.errors import BadInput, GreenbandError, UnknownName
from greenband.evaluation import Result, load
from greenband.evaluation.workers import run_each
from greenband.report.cases import Case, gather
from greenband.report.sample import Order, Sample, record
from greenband.report.texts import LANGUAGES, Text, say
from greenband.scenario import Scenario

__all__ = ["run"]


def run(results: Sequence[Path], out: Path, language: str, scenario: str | None, jobs: int) -> None:
    """Simulate the first seed of each case's reference and best subject once more, then write the file."""
    if language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)
    if out.is_dir():
        raise BadInput(f"--out {out}: is a folder")
    cases = gather(result for path in results for result in load(path))
    roads = [_road(case.base, scenario) for case in cases]
    samples, notes = _record(cases, [road if isinstance(road, Scenario) else None for road in roads], processes(jobs))
    _write(cases, roads, samples, notes, out, language)
    err.print(f"report in {out}", soft_wrap=True)


def _road(result: Result, named: str | None) -> Scenario | Text:
    """The result's scenario, or why it is not at hand.

    Raises:
        BadInput: the one that was named is another.
    """
    try:
        found = registry.scenario(named or result.scenario)
        found.period(result.period)
    except GreenbandError as error:
        if named:
            raise
        return say("no_scenario", reason=f"{error} (--scenario)")
    if found.name != result.scenario:
        raise BadInput(f"--scenario {named}: is {found.name}, but the result is of {result.scenario}")
    return found


def _record(
    cases: Sequence[Case], roads: Sequence[Scenario | None], jobs: int
) -> tuple[list[dict[str, Sample]], list[list[Text]]]:
    """Samples by subject, and what could not be sampled, case by case."""
    orders = [
        (number, Order(case.base, subject, road))
        for number, (case, road) in enumerate(zip(cases, roads, strict=True))
        if road is not None
        for subject in case.compared
    ]
    samples: list[dict[str, Sample]] = [{} for _ in cases]
    notes: list[list[Text]] = [[] for _ in cases]
    with counting("simulating again", len(orders)) as step:
        for place, outcome in run_each(_attempt, [order for _, order in orders], jobs):
            number, order = orders[place]
            if isinstance(outcome, Sample):
                samples[number][order.subject.name] = outcome
            else:
                notes[number].append(say("no_sample", subject=order.subject.name, reason=outcome))
            step()
    return samples, notes


def _attempt(order: Order) -> Sample | BadInput:
    """A sample, or why there is none, which costs its figures and not the report."""
    try:
        return record(order)
    except BadInput as error:
        return error


def _write(
    cases: Sequence[Case],
    roads: Sequence[Scenario | Text],
    samples: Sequence[dict[str, Sample]],
    notes: Sequence[list[Text]],
    out: Path,
    language: str,
) -> None:
    from greenband.report.page import write_report
    from greenband.report.view import Chapter

    chapters = [
        Chapter(case, road, found, told) if isinstance(road, Scenario) else Chapter(case, None, {}, [road, *told])
        for case, road, found, told in zip(cases, roads, samples, notes, strict=True)
    ]
    write_report(chapters, out, "zh" if language == "zh" else "en")
