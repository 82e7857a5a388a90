"""SUMO processes of a vector environment.

This module is what such a process imports, so it stays clear of torch: a process with few libraries and one thread
starts sooner, and SUMO runs faster in it, since the C++ runtime then needs no atomic reference counts.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing as mp
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

from greenband.envs.cycles import open_session
from greenband.envs.session import EpisodeConfig
from greenband.errors import GreenbandError, SimulationError
from greenband.processes import sumo_processes
from greenband.scenario import Scenario

__all__ = ["REPLACEMENTS", "Link", "ProcessLink", "Worker"]

REPLACEMENTS = 2  # for one answer; a process that dies at the same place again and again would die there for ever
LOG = logging.getLogger(__name__)


class Link(Protocol):
    """How to speak to a process that runs episodes. The process ends with the link, and a link with the process."""

    def send(self, command: str, value: Any) -> None:
        """Ask for something; OSError if it is known that nobody is there."""

    def receive(self) -> Any:
        """Wait for an answer; EOFError or OSError if none will come."""

    def stop(self) -> None:
        """End the process."""


class ProcessLink:
    """A process of this machine, at the other end of a pipe."""

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with sumo_processes():  # what to do about an interrupt from the keyboard is for this process to say
            self.process = context.Process(target=_work, args=(theirs, scenario, config), daemon=True)
            self.process.start()
        theirs.close()

    def send(self, command: str, value: Any) -> None:
        """Ask for something."""
        _send(self._pipe, (command, value))

    def receive(self) -> Any:
        """Wait for an answer."""
        return self._pipe.recv()

    def stop(self) -> None:
        """Ask the process to end, and make sure that it does."""
        with contextlib.suppress(OSError):
            _send(self._pipe, ("close", None))
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
        self._pipe.close()


class Worker:
    """Runs episodes of a scenario in a SUMO process, for which it stands.

    A process that dies, or whose SUMO fails, is replaced. The new one is told all that the old one was told in this
    episode, seed and actions, so that it comes to the same place: who waits for the answer notices nothing but the
    delay, and a warning in the log.
    """

    def __init__(
        self,
        scenario: Scenario,
        config: EpisodeConfig,
        link: Callable[[Scenario, EpisodeConfig], Link] = ProcessLink,
    ) -> None:
        self._make: Callable[[], Link] = lambda: link(scenario, config)
        self._episode: list[tuple[str, Any]] = []  # commands of this episode
        self._start()

    @property
    def episode(self) -> tuple[tuple[int, int], list[Any]]:
        """Seed and lesson of this episode, and the actions so far."""
        (_, begun), *steps = self._episode
        return begun, [actions for _, actions in steps]

    def send(self, command: str, value: Any) -> None:
        """Ask for something: ``reset`` with a seed and a lesson, or ``step`` with the signals' actions."""
        if command == "reset":
            self._episode, self._told, self._heard = [], 0, 0
        self._episode.append((command, value))
        with contextlib.suppress(OSError):  # who waits for the answer finds out
            self._tell()

    def receive(self) -> Any:
        """Wait for the answer to the last command.

        Raises:
            SimulationError: the process is gone or its SUMO failed, and so did those that replaced it.
            GreenbandError: what went wrong there.
        """
        for replaced in range(REPLACEMENTS + 1):
            try:
                return self._answer()
            except (EOFError, OSError):
                error = SimulationError("a SUMO process ended unexpectedly")
            except SimulationError as failure:
                error = failure
            if replaced < REPLACEMENTS:
                LOG.warning("%s: replaced, its episode repeated up to decision %d", error, len(self._episode) - 1)
                self.stop()
                self._start()
        raise error

    def stop(self) -> None:
        """End the process."""
        self.link.stop()

    def _start(self) -> None:
        """A fresh process."""
        self.link = self._make()
        self._told = self._heard = 0

    def _answer(self) -> Any:
        """The last answer, once the process has been told all of the episode."""
        while True:
            if self._told == self._heard:
                self._tell()
            answer = self.link.receive()
            if isinstance(answer, GreenbandError):
                raise answer
            self._heard += 1
            if self._heard == len(self._episode):
                return answer

    def _tell(self) -> None:
        self.link.send(*self._episode[self._told])
        self._told += 1


def _work(pipe: Connection, scenario: Scenario, config: EpisodeConfig) -> None:
    """The body of a SUMO process: answer until told to close or the parent is gone."""
    session = None
    try:
        session = open_session(scenario, config)
        gc.freeze()  # what is there now stays: no need to look through it over and over
        while True:
            command, value = pipe.recv()
            if command == "close":
                return
            _send(pipe, session.reset(*value) if command == "reset" else session.step(value))
    except GreenbandError as error:
        _send(pipe, error)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        if session is not None:
            session.close()


def _send(pipe: Connection, value: Any) -> None:
    """What ``pipe.send`` does, but for the table of special pickling that it makes anew each time."""
    pipe.send_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
