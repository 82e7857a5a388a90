"""SUMO processes of a vector environment, spoken to over pipes.

This module is what such a process imports, so it stays clear of torch: a process with few libraries and one thread
starts sooner, and SUMO runs faster in it, since the C++ runtime then needs no atomic reference counts.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from greenband.envs.session import EpisodeConfig, Session
from greenband.errors import GreenbandError, SimulationError
from greenband.processes import sumo_processes
from greenband.scenario import Scenario

__all__ = ["Worker", "start_workers"]


def start_workers(scenario: Scenario, config: EpisodeConfig, processes: int) -> list[Worker]:
    """Start SUMO processes for a scenario; what to do about an interrupt is for this process to say."""
    context = mp.get_context("spawn")
    workers = []
    with sumo_processes():
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, scenario, config), daemon=True)
            process.start()
            theirs.close()
            workers.append(Worker(process, ours))
    return workers


@dataclass
class Worker:
    """The parent's end of one SUMO process."""

    process: Any
    pipe: Connection

    def send(self, message: tuple[str, Any]) -> None:
        """Send a command with its value.

        Raises:
            SimulationError: the process is gone.
        """
        try:
            self.pipe.send(message)
        except OSError as error:
            raise SimulationError("a SUMO process ended unexpectedly") from error

    def receive(self) -> Any:
        """Wait for the answer.

        Raises:
            SimulationError: the process is gone.
            GreenbandError: what went wrong there.
        """
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise SimulationError("a SUMO process ended unexpectedly") from error
        if isinstance(answer, GreenbandError):
            raise answer
        return answer

    def stop(self) -> None:
        """Ask the process to end, and make sure that it does."""
        with contextlib.suppress(OSError):
            self.pipe.send(("close", None))
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
        self.pipe.close()


def _work(pipe: Connection, scenario: Scenario, config: EpisodeConfig) -> None:
    """The body of a SUMO process: answer until told to close or the parent is gone."""
    session = None
    try:
        session = Session(scenario, config)
        while True:
            command, value = pipe.recv()
            if command == "close":
                return
            pipe.send(session.reset(value) if command == "reset" else session.step(value))
    except GreenbandError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        if session is not None:
            session.close()
