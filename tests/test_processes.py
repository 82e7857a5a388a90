"""Processes that run SUMO: what they start with, and what the one that starts them keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from greenband import processes
from greenband.errors import SimulationError, UnknownName
from greenband.processes import allocator, sumo_processes


@pytest.mark.skipif(sys.platform != "linux", reason="preloading is Linux's")
def test_the_allocator_takes_over_malloc() -> None:
    """mimalloc tells of itself on stderr, if asked to, once it serves a process."""
    with sumo_processes():
        told = subprocess.run(
            [sys.executable, "-c", "pass"],
            env={**os.environ, "MIMALLOC_VERBOSE": "1"},
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert "mimalloc: " in told.stderr
    assert "ERROR" not in told.stderr


def test_children_have_it_and_the_parent_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Path("/some/libmimalloc.so")
    monkeypatch.setattr(processes, "allocator", lambda: library)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    main, before = sys.modules["__main__"], dict(os.environ)
    with sumo_processes():
        assert (os.environ["LD_PRELOAD"], os.environ["OMP_NUM_THREADS"]) == (str(library), "1")
        assert sys.modules["__main__"] is not main
    assert dict(os.environ) == before
    assert sys.modules["__main__"] is main


def test_what_is_preloaded_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "allocator", lambda: Path("/some/libmimalloc.so"))
    monkeypatch.setenv("LD_PRELOAD", "/other/lib.so")
    with sumo_processes():
        assert os.environ["LD_PRELOAD"] == "/some/libmimalloc.so /other/lib.so"
    assert os.environ["LD_PRELOAD"] == "/other/lib.so"


def test_without_the_package_the_systems_allocator_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "allocator", lambda: None)
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    with sumo_processes():
        assert "LD_PRELOAD" not in os.environ


@pytest.mark.parametrize("place", ["with space", "with:colon"])
def test_a_path_that_cannot_be_preloaded_is_not(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / place / "cmeel.prefix" / "lib" / "libmimalloc.so"
    file.parent.mkdir(parents=True)
    file.touch()

    class Installed:
        def locate_file(self, path: str) -> Path:
            return tmp_path / place / path

    monkeypatch.setattr(processes, "distribution", lambda _: Installed())
    monkeypatch.setattr(sys, "platform", "linux")
    allocator.cache_clear()
    try:
        assert allocator() is None
    finally:
        allocator.cache_clear()


@pytest.mark.skipif(not processes.can_copy(), reason="processes are copied on Linux only")
class TestInACopy:
    """A copy has all that its process had, and hands back no more than the outcome."""

    def test_what_it_changes_stays_there(self) -> None:
        kept = [1]

        def change(more: int) -> tuple[int, list[int]]:
            kept.append(more)
            return os.getpid(), kept

        copy, found = processes.in_a_copy(change, 2)
        assert copy != os.getpid()
        assert (kept, found) == ([1], [1, 2])

    def test_an_error_comes_back(self) -> None:
        def refuse() -> None:
            raise UnknownName("prior", "wav", ["wave"])

        with pytest.raises(UnknownName, match="did you mean 'wave'"):
            processes.in_a_copy(refuse)

    @pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)])
    def test_an_unexpected_end_is_said(self, end: Callable[[], None]) -> None:
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        before = children.read_text()
        with pytest.raises(SimulationError, match="its SUMO process ended unexpectedly"):
            processes.in_a_copy(end)
        assert children.read_text() == before  # it was waited for, so there is none

    def test_what_cannot_be_handed_back_is_an_error(self) -> None:
        with pytest.raises(Exception, match="pickle"):
            processes.in_a_copy(lambda: lambda: 1)


def test_threads_of_libraries_wait_leniently_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    processes.lenient_threads()
    assert os.environ["GOMP_SPINCOUNT"] == "5"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    processes.lenient_threads()
    assert 0 < int(os.environ["GOMP_SPINCOUNT"]) < 10_000
