"""Shared fixtures. Built scenarios live in a temporary folder that all test processes share, not the user's cache."""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("GREENBAND_CACHE", str(Path(tempfile.gettempdir()) / f"greenband-tests-{getpass.getuser()}"))

from greenband.scenario import Scenario
from greenband.scenarios import load

Shorten = Callable[..., Scenario]


@pytest.fixture(scope="session")
def jincheng() -> Scenario:
    """One junction."""
    scenario: Scenario = load("jincheng")
    return scenario


@pytest.fixture(scope="session")
def shixin_short() -> Scenario:
    """Four junctions."""
    scenario: Scenario = load("shixin_short")
    return scenario


@pytest.fixture(scope="session")
def shixin() -> Scenario:
    """Eleven junctions."""
    scenario: Scenario = load("shixin")
    return scenario


@pytest.fixture(scope="session")
def shorten() -> Shorten:
    """A function that gives a scenario with one period cut short."""

    def cut(scenario: Scenario, period: str = "AM", duration_s: int = 300, warmup_s: int = 100) -> Scenario:
        short = scenario.period(period).model_copy(update={"duration_s": duration_s, "warmup_s": warmup_s})
        return scenario.model_copy(update={"periods": {period: short}})

    return cut


@pytest.fixture(scope="session")
def tiny(jincheng: Scenario, shorten: Shorten, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario folder of one junction and a period of 80 s."""
    folder = tmp_path_factory.mktemp("scenarios") / "tiny"
    shutil.copytree(jincheng.folder, folder)
    shorten(jincheng, duration_s=60, warmup_s=20).model_copy(update={"name": "tiny", "folder": folder}).save()
    return folder


@pytest.fixture(scope="module")
def ray_alone() -> Iterator[None]:
    """No other test process has a Ray cluster: beside another one that started, Ray has been seen to crash."""
    with (Path(tempfile.gettempdir()) / f"greenband-tests-{getpass.getuser()}.ray").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
