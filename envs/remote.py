"""A SUMO process of a vector environment on another machine, by Ray."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from greenband import registry
from greenband.cluster import connect
from greenband.envs.session import EpisodeConfig
from greenband.envs.worker import Worker
from greenband.errors import BadInput, GreenbandError
from greenband.scenario import Scenario

__all__ = ["RayLink"]


class RayLink:
    """Speaks to a SUMO process that an actor keeps, as ``ProcessLink`` does to one of this machine.

    The actor replaces a process that dies; the actor's own end is an end of the link.

    Raises:
        BadInput: there is no cluster.
    """

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        self._ray = connect()
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0)(_Keeper).remote(scenario, config)
        self._answers: deque[Any] = deque()

    def send(self, command: str, value: Any) -> None:
        """Ask for something."""
        self._answers.append(self._actor.answer.remote(command, value))

    def receive(self) -> Any:
        """Wait for the answer to the first question that has none yet.

        Raises:
            EOFError: the actor is gone.
        """
        try:
            return self._ray.get(self._answers.popleft())
        except self._ray.exceptions.RayActorError as error:
            raise EOFError("an actor of the Ray cluster ended unexpectedly") from error

    def stop(self) -> None:
        """End the actor and its process."""
        if self._ray.is_initialized():
            self._ray.kill(self._actor)

    @property
    def place(self) -> tuple[str, int]:
        """Ray's name of the machine that the actor is on, and the number of its process there."""
        found: tuple[str, int] = self._ray.get(self._actor.place.remote())
        return found


class _Keeper:
    """The actor."""

    def __init__(self, scenario: Scenario, config: EpisodeConfig) -> None:
        self._error: GreenbandError | None = None
        try:
            self._worker = Worker(_here(scenario), config)
        except GreenbandError as error:
            self._error = error

    def answer(self, command: str, value: Any) -> Any:
        """The worker's, or the error in its place."""
        if self._error is not None:
            return self._error
        try:
            self._worker.send(command, value)
            return self._worker.receive()
        except GreenbandError as error:
            return error

    def place(self) -> tuple[str, int]:
        import ray

        return str(ray.get_runtime_context().get_node_id()), os.getpid()


def _here(scenario: Scenario) -> Scenario:
    """The scenario as this machine has it: a shipped one is built where its folder is missing.

    Raises:
        BadInput: it is missing and cannot be built.
    """
    if (scenario.folder / scenario.network_file).is_file():
        return scenario
    road = scenario.at("micro")
    if road.name.partition("+")[0] in registry.names("scenario"):
        built = registry.scenario(road.name).at(scenario.fidelity)
        if built.model_copy(update={"folder": scenario.folder}) == scenario:
            return built
    raise BadInput(f"{scenario.folder}: the scenario is not on every machine of the cluster")
