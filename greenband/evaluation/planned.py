"""Subjects as they were when an evaluation began.

Those that make plans do so once, before any run, and not again in every process. Files of plans and policies are
copied, so that all runs read the same ones even if a training goes on meanwhile.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from greenband import formats
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
    """The subjects on copies of their files, and with the plans that they make in place of those that make plans.

    The copies last as long as the context.

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
                ready.append(_copied(subject, Path(folder, f"{number}")))
        yield ready


def _copied(subject: Subject, folder: Path) -> Subject:
    """The subject on copies of its files, if it has any."""
    folder.mkdir()
    if subject.plan is not None:
        plan_json.write(formats.read_table(subject.plan), folder / "plan.json")
        return replace(subject, plan=folder / "plan.json")
    if subject.config is None or "folder" not in subject.config:
        return subject
    for path in Path(subject.config["folder"]).iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    return replace(subject, config={**subject.config, "folder": str(folder)})
