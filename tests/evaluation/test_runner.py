"""Runs in parallel processes: paired, the same for any number of them, monitored, and sure to come to an end."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenband.errors import BadInput, SimulationError, UnknownName
from greenband.evaluation import Result, Subject, evaluate, resolve
from greenband.evaluation.runner import Task, run_all, run_one
from greenband.evaluation.store import Store
from greenband.metrics import METRICS
from greenband.scenario import Scenario


@pytest.fixture(scope="module")
def short(jincheng: Scenario, shorten: Callable[..., Scenario]) -> Scenario:
    return shorten(jincheng, duration_s=200, warmup_s=100)


@pytest.fixture(scope="module")
def result(short: Scenario) -> Result:
    """Two subjects on three seeds, two processes."""
    steps: list[None] = []
    found = evaluate(
        [resolve("existing"), resolve("maxpressure")],
        short,
        "AM",
        (0, 1, 5),
        jobs=2,
        progress=lambda: steps.append(None),
    )
    assert len(steps) == 6
    return found


def test_subjects_are_paired_on_the_same_seeds(result: Result, short: Scenario) -> None:
    assert (result.scenario, result.period, result.seeds, result.demand) == ("jincheng", "AM", (0, 1, 5), 1.0)
    assert [subject.name for subject in result.subjects] == ["existing", "maxpressure"]
    for subject in result.subjects:
        assert set(subject.per_seed) <= set(METRICS)
        assert all(len(values) == 3 for values in subject.per_seed.values())
        assert all(map(math.isfinite, subject.per_seed["delay_s"]))
        assert len(set(subject.per_seed["delay_s"])) == 3
        assert (subject.violations, subject.collisions, subject.teleports) == (0, 0, 0)
    alone = run_one(Task(resolve("maxpressure"), short, "AM", 1))
    junction, *others = result.subject("maxpressure").places
    assert (junction.level, junction.id) == ("junction", "J11")
    assert {place.level for place in others} == {"movement", "direction"}
    assert junction.means["control_delay_s"] == pytest.approx(sum(junction.per_seed["control_delay_s"]) / 3)
    assert junction.per_seed["control_delay_s"][1] == alone.places[0].values["control_delay_s"]
    assert {name: values[1] for name, values in result.subject("maxpressure").per_seed.items()} == alone.metrics
    deltas = [b - a for a, b in zip(*(result.subjects[k].per_seed["delay_s"] for k in (0, 1)), strict=True)]
    mean, interval = result.paired(result.subjects[1], "delay_s")
    assert mean == pytest.approx(sum(deltas) / 3)
    assert interval is not None
    assert min(deltas) <= interval[0] <= mean <= interval[1] <= max(deltas)


def test_the_number_of_processes_does_not_matter(result: Result, short: Scenario) -> None:
    again = evaluate([resolve("existing"), resolve("maxpressure")], short, "AM", (0, 1, 5), jobs=1)
    assert again == result


def test_more_demand_more_delay(result: Result, short: Scenario) -> None:
    light = evaluate([resolve("existing")], short, "AM", (0, 1, 5), demand=0.3, jobs=1)
    assert light.demand == 0.3
    assert light.subjects[0].mean("throughput_veh") < 0.6 * result.subjects[0].mean("throughput_veh")
    assert light.subjects[0].mean("delay_s") < result.subjects[0].mean("delay_s")


def test_all_subjects_can_be_given_the_same_sensing(result: Result, short: Scenario) -> None:
    """Loops change what max-pressure does and leave a plan as it is."""
    loops = evaluate([resolve("existing"), resolve("maxpressure")], short, "AM", (0, 1, 5), sensing="loops")
    assert (result.sensing, loops.sensing) == (None, "loops")
    assert loops.subject("existing") == result.subject("existing")
    assert loops.subject("maxpressure") != result.subject("maxpressure")
    assert loops.subject("maxpressure").violations == 0
    with pytest.raises(UnknownName, match=r"unknown sensing 'feild'.*did you mean 'field'"):
        evaluate([resolve("existing")], short, "AM", (0,), sensing="feild")


def test_every_run_of_every_controller_is_safe(shixin_short: Scenario, shorten: Callable[..., Scenario]) -> None:
    short = shorten(shixin_short, duration_s=200, warmup_s=100)
    adaptive = ("maxpressure", "maxwave", "sotl", "actuated", "coordinated", "delaybased")
    tasks = [Task(resolve(name), short, "AM", 3) for name in ("existing", *adaptive)]
    for run in run_all(tasks, jobs=2):
        assert run.violations == ()
        assert set(run.executed) == set(short.network.signals)
        assert all(len(log) > 2 and log[0][0] == short.period("AM").start_s for log in run.executed.values())


HOSTILE = """
import os, signal
from pathlib import Path

class Hostile:
    \"\"\"Each run takes a letter from a file and kills its own process if that is an x; else it asks for nothing.\"\"\"

    interval_s = 30
    blind = True

    def __init__(self, file):
        self.file = Path(file)

    def reset(self, scenario, period):
        left = self.file.read_text()
        self.file.write_text(left[1:])
        self.dies = left.startswith("x")

    def decide(self, measurement):
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Subject]:
    """A subject that kills its process in runs marked x, in a module that other processes find."""
    (tmp_path / "hostile_controller.py").write_text(HOSTILE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def make(runs: str) -> Subject:
        (tmp_path / "left").write_text(runs, encoding="utf-8")
        return Subject("hostile", config={"_target_": "hostile_controller.Hostile", "file": str(tmp_path / "left")})

    return make


def test_a_killed_process_costs_a_second_attempt(hostile: Callable[[str], Subject], short: Scenario) -> None:
    """The figures are those of a run that was never killed, and the attempt is reported."""
    steps: list[None] = []
    subjects = [resolve("existing"), hostile("x")]
    found = evaluate(subjects, short, "AM", (0, 1), jobs=1, progress=lambda: steps.append(None))
    assert [(lost.subject, lost.seed) for lost in found.retried] == [("hostile", 0)]
    assert "ended unexpectedly" in found.retried[0].reason
    assert (found.failed, found.seeds, len(steps)) == ((), (0, 1), 4)
    untroubled = evaluate([resolve("existing"), hostile("")], short, "AM", (0, 1), jobs=1)
    assert found.subjects == untroubled.subjects


def test_a_seed_lost_twice_is_left_out_for_all(hostile: Callable[[str], Subject], short: Scenario) -> None:
    steps: list[None] = []
    subjects = [resolve("existing"), hostile("x--x")]
    found = evaluate(subjects, short, "AM", (4, 0, 1), jobs=1, progress=lambda: steps.append(None))
    assert [(lost.subject, lost.seed) for lost in found.failed] == [("hostile", 4)]
    assert (found.retried, found.seeds, len(steps)) == ((), (0, 1), 6)
    assert all(len(values) == 2 for subject in found.subjects for values in subject.per_seed.values())
    untroubled = evaluate([resolve("existing"), hostile("")], short, "AM", (0, 1), jobs=1)
    assert found.subjects == untroubled.subjects


def test_processes_that_always_die_are_an_error_not_a_hang(hostile: Callable[[str], Subject], short: Scenario) -> None:
    started = time.monotonic()
    with pytest.raises(SimulationError, match="no seed is left, its SUMO process ended unexpectedly"):
        evaluate([hostile("xxxx")], short, "AM", (0, 1), jobs=1)
    assert time.monotonic() - started < 60


def test_runs_that_are_kept_are_not_done_again(short: Scenario, tmp_path: Path) -> None:
    store, subjects = Store(tmp_path / "runs"), [resolve("existing")]
    whole = evaluate(subjects, short, "AM", (0, 1), jobs=1, store=store)
    assert len(store) == 2
    assert evaluate(subjects, short, "AM", (0, 1), jobs=1) == whole
    kept = store.get(Task(subjects[0], short, "AM", 1))
    assert kept is not None
    store.put(Task(subjects[0], short, "AM", 1), replace(kept, metrics={**kept.metrics, "delay_s": -5.0}))
    again = evaluate(subjects, short, "AM", (0, 1), jobs=1, store=store)
    assert again.subjects[0].per_seed["delay_s"] == [whole.subjects[0].per_seed["delay_s"][0], -5.0]
    longer = evaluate(subjects, short, "AM", (0, 1, 2), jobs=1, store=store)
    assert (len(store), longer.subjects[0].per_seed["delay_s"][1]) == (3, -5.0)


@pytest.mark.parametrize(
    ("subjects", "seeds", "period", "message"),
    [
        ((), (0,), "AM", "at least one subject"),
        (("existing",), (), "AM", "at least one subject and one seed"),
        (("existing", "existing"), (0,), "AM", "two subjects have the same name"),
        (("existing",), (0,), "XM", "unknown period of jincheng 'XM'"),
    ],
)
def test_what_cannot_be_evaluated(
    subjects: tuple[str, ...], seeds: tuple[int, ...], period: str, message: str, short: Scenario
) -> None:
    with pytest.raises(BadInput, match=message):
        evaluate([resolve(name) for name in subjects], short, period, seeds)


def test_jobs_must_be_positive(short: Scenario) -> None:
    with pytest.raises(BadInput, match="jobs must be at least 1, not 0"):
        run_all([Task(resolve("existing"), short, "AM", 0)], jobs=0)


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({"_target_": "greenband.registry.controller", "name": "nobody"}, UnknownName, "unknown controller 'nobody'"),
        ({"_target_": "greenband.agents.classical.MaxPressure", "interval_s": 0}, BadInput, "interval_s"),
        ({"_target_": "greenband.agents.nothing.At"}, BadInput, "greenband.agents.nothing"),
    ],
)
def test_errors_come_back_from_the_process(
    config: dict[str, Any], kind: type[BadInput], message: str, short: Scenario
) -> None:
    with pytest.raises(kind, match=message):
        run_all([Task(Subject("wrong", config=config), short, "AM", 0)], jobs=1)


def test_nothing_is_left_in_the_temporary_folder(
    short: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_all([Task(resolve("maxpressure"), short, "AM", 0)], jobs=1)
    assert os.listdir(tmp_path) == []
