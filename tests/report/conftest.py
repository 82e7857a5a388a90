"""A small real evaluation, and the report that is made of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband.evaluation import Result, SubjectResult, evaluate, load, resolve, save
from greenband.report.cases import Case, gather
from greenband.report.page import write_report
from greenband.report.sample import Order, Sample, record
from greenband.report.view import Chapter
from greenband.scenario import Scenario


@pytest.fixture(scope="session")
def road(
    shixin_short: Scenario, shorten: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory
) -> Scenario:
    """A scenario folder of its own, as an import makes it."""
    folder = tmp_path_factory.mktemp("road") / "short"
    shutil.copytree(shixin_short.folder, folder)
    short = shorten(shixin_short, duration_s=240, warmup_s=120).model_copy(update={"folder": folder})
    short.save()
    return short


@pytest.fixture(scope="session")
def case(road: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A fixed plan and max-pressure on a short period of four junctions, at two demands, as read from a file."""
    file = tmp_path_factory.mktemp("results") / "r.json"
    subjects = [resolve("existing"), resolve("maxpressure")]
    save([evaluate(subjects, road, "AM", (0,), demand=factor) for factor in (1.0, 0.8)], file)
    (found,) = gather(load(file))
    return found


@pytest.fixture(scope="session")
def samples(case: Case, road: Scenario) -> dict[str, Sample]:
    """A recorded run of each of the two."""
    return {subject.name: record(Order(case.base, subject, road)) for subject in case.compared}


@pytest.fixture(scope="session")
def chapter(case: Case, road: Scenario, samples: dict[str, Sample]) -> Chapter:
    return Chapter(case, road, samples)


@pytest.fixture(scope="session")
def page(chapter: Chapter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report([chapter], path)
    return path


@pytest.fixture
def bare() -> Result:
    """What the contract alone promises, with names that would break careless markup."""
    name = "</script><img src=x onerror=alert(1)>"
    subjects = (
        SubjectResult("existing", {"delay_s": [50.0, 60.0], "speed_kmh": [20.0, 21.0]}, 0),
        SubjectResult(name, {"delay_s": [40.0, 45.0], "speed_kmh": [25.0, 26.0]}, 1),
    )
    return Result("nowhere <b>&", "AM", (0, 1), subjects)
