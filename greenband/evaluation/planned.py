"""Subjects that make plans do so once, before any run, and not again in every process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from greenband.evaluation.subjects import Subject
from greenband.formats import json as plan_json
from greenband.plan.planner import Planner, Watch, unwatched
from greenband.scenario import Scenario

__all__ = ["settled"]


@contextmanager
def settled(
    subjects: Sequence[Subject],
    scenario: Scenario,
    periods: Sequence[str],
    jobs: int = 1,
    watch: Watch = unwatched,
) -> Iterator[list[Subject]]:
    """The subjects, with the plans that they make in place of those that make plans; for as long as the context lasts.

    Raises:
        BadInput: a subject's files cannot be used, or it can make no plan for the scenario.
        SimulationError: SUMO failed where plans are made by simulation.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        ready = []
        for number, subject in enumerate(subjects):
            planner = subject.make() if subject.plan is None else None
            if isinstance(planner, Planner):
                path = Path(folder) / f"{number}.json"
                plan_json.write(planner.plan_set(scenario, periods, jobs, watch), path)
                ready.append(replace(subject, config=None, plan=path))
            else:
                ready.append(subject)
        yield ready
