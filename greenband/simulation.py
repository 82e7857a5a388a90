"""One SUMO session: start, advance, show lamps, close.

libsumo runs SUMO inside this process and is the default; it allows one session a process. TraCI runs it as a process of
its own: for the GUI, for a second session, or for a SUMO on another machine.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from greenband import programs as sumo_programs
from greenband import sumo
from greenband.errors import BadInput, SimulationError, UnknownName
from greenband.fidelity import options
from greenband.incident import Incident
from greenband.meso import QueueLamps
from greenband.programs import Program
from greenband.scenario import Scenario

__all__ = ["Backend", "InductionLoop", "Records", "Simulation"]

Backend = str  # auto, libsumo, traci, gui, or host:port
BACKENDS = ("auto", "libsumo", "traci", "gui")
_labels = itertools.count()
_libsumo_taken = False


@dataclass(frozen=True)
class Records:
    """Files that SUMO writes in a session: ``trips`` per vehicle, and ``lamps`` per second and signal.

    In meso, where vehicles obey other lamps (see ``meso``), ``lamps`` are those that were asked for, not SUMO's record.
    With ``passages`` also ``routes``, which say when each vehicle left each edge; with ``emissions`` trips have theirs.
    ``followed`` are edges on which ``positions`` say every other second where every fourth vehicle is.
    """

    folder: Path
    passages: bool = False
    emissions: bool = False
    followed: tuple[str, ...] = ()

    @property
    def trips(self) -> Path:
        """SUMO tripinfo output, with unfinished and never departed vehicles."""
        return self.folder / "trips.xml"

    @property
    def statistics(self) -> Path:
        """SUMO statistic output: teleports, collisions."""
        return self.folder / "statistics.xml"

    @property
    def routes(self) -> Path:
        """SUMO vehroute output with exit times, of vehicles under way too."""
        return self.folder / "routes.xml"

    @property
    def positions(self) -> Path:
        """SUMO fcd output: lane and place on it of the vehicles that are followed."""
        return self.folder / "positions.xml"

    def lamps(self, signal: str) -> Path:
        """SUMO SaveTLSStates output of one signal, under a name that any file system takes, however long the id."""
        digest = hashlib.sha1(signal.encode(), usedforsecurity=False).hexdigest()[:12]
        return self.folder / f"lamps_{re.sub(r'[^A-Za-z0-9]+', '_', signal)[:60]}_{digest}.xml"


@dataclass(frozen=True)
class InductionLoop:
    """A line across a lane (SUMO's E1 detector), ``position_m`` from its start, that counts what crosses it."""

    id: str
    lane: str
    position_m: float


class Simulation:
    """A running SUMO session of one scenario, period and seed. Use as a context manager or call ``close``.

    Args:
        scenario, period, seed: what to run; the seed fixes arrivals and driver behaviour.
        demand: factor on all flows.
        records: where SUMO keeps trips and displayed lamps; None keeps nothing, which is faster.
        loops: induction loops to lay; what they count is asked of ``api.inductionloop``.
        programs: programs that SUMO is to run instead of the network's; nobody else may ``show`` lamps there.
        incident: what happens on the road.
        backend: ``auto`` takes libsumo, or TraCI where this process already runs a session; ``libsumo``, ``traci`` or
            ``gui`` ask for one; ``host:port`` is a SUMO that waits there, started with ``--remote-port`` on any
            network, which sees this machine's files.

    Raises:
        UnknownName: there is no such backend.
        BadInput: the scenario is to be simulated in a way that knows no lanes, and something here is about lanes.
        SimulationError: SUMO cannot be started or reached.
    """

    def __init__(
        self,
        scenario: Scenario,
        period: str,
        seed: int,
        *,
        demand: float = 1.0,
        records: Records | None = None,
        loops: Sequence[InductionLoop] = (),
        programs: Sequence[Program] = (),
        incident: Incident | None = None,
        backend: Backend = "auto",
    ) -> None:
        if backend not in BACKENDS and not re.fullmatch(r"[^:]*:\d{1,5}", backend):
            raise UnknownName("backend", backend, [*BACKENDS, "host:port"])
        if scenario.fidelity == "meso" and (loops or programs or incident):
            what = "loops" if loops else "signals that SUMO controls" if programs else "incidents"
            raise BadInput(f"{scenario.name}: {what} need lanes, which fidelity meso does not have")
        self.scenario = scenario
        self.period = scenario.period(period)
        self._scratch = tempfile.TemporaryDirectory(prefix="greenband-")
        self._libsumo, self._remote = False, ":" in backend
        self._queue_lamps = QueueLamps() if scenario.fidelity == "meso" else None
        self._records, self._until_s = records, self.period.start_s
        try:
            command = self._command(period, seed, demand, records, loops, programs, incident)
            self.api = self._connect(command, backend)
        except BaseException:
            self._scratch.cleanup()
            raise
        self._open = True

    @property
    def now(self) -> int:
        """Simulation time in whole seconds."""
        return int(self.api.simulation.getTime())

    def advance(self, until_s: int) -> None:
        """Run until a time in seconds.

        Raises:
            SimulationError: SUMO ended on the way.
        """
        if self._queue_lamps is not None:
            self._start_queues(self._queue_lamps, until_s)
        self._run(until_s)

    def show(self, signal: str, lamps: str) -> None:
        """Display a lamp string at a signal from now on."""
        if self._queue_lamps is not None:
            lamps = self._queue_lamps.ask(signal, lamps, self.now)
        self.api.trafficlight.setRedYellowGreenState(signal, lamps)

    def _start_queues(self, lamps: QueueLamps, until_s: int) -> None:
        """Run to the last moment before ``until_s`` at which a queue that was held starts, and let it go."""
        while True:
            for signal, obeyed in lamps.starting(self.now):
                self.api.trafficlight.setRedYellowGreenState(signal, obeyed)
            start = lamps.next_start(self.now)
            if start >= until_s:
                return
            self._run(int(start))

    def _run(self, until_s: int) -> None:
        self._until_s = until_s
        try:
            self.api.simulationStep(float(until_s))
        except Exception as error:  # libsumo and traci raise different classes, both for a SUMO that is gone
            raise SimulationError(f"SUMO ended before {until_s} s: {error}") from error

    def pending(self) -> int:
        """Vehicles that should have departed but found no room."""
        return len(self.api.simulation.getPendingVehicles())

    def close(self) -> None:
        """End the session; SUMO completes its output files."""
        if not self._open:
            return
        self._open = False
        try:
            if self._queue_lamps is not None and self._records is not None:
                for signal in self.scenario.network.signals:
                    self._queue_lamps.write(signal, self._records.lamps(signal), self._until_s)
        finally:
            self._end()

    def _end(self) -> None:
        global _libsumo_taken
        try:
            if self._remote:  # nobody waits for that SUMO's end: loading anew makes it complete its files now
                self.api.load(["--net-file", str(self.scenario.folder / self.scenario.network_file)])
            self.api.close()
        except Exception as error:  # libsumo and traci raise different classes, both for a SUMO that is gone
            raise SimulationError(f"SUMO ended before it was closed: {error}") from error
        finally:
            if self._libsumo:
                _libsumo_taken = False
            self._scratch.cleanup()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _command(
        self,
        period: str,
        seed: int,
        demand: float,
        records: Records | None,
        loops: Sequence[InductionLoop],
        programs: Sequence[Program],
        incident: Incident | None,
    ) -> list[str]:
        scenario, scratch = self.scenario, Path(self._scratch.name)
        routes = scratch / "routes.rou.xml"
        scenario.demand(period).write(routes, self.period.start_s, self.period.end_s, seed, demand)
        additional = [str(scenario.folder / name) for name in scenario.additional_files]
        command = _options(scenario.write_network(scratch), routes, self.period.start_s, seed)
        command += options(scenario.fidelity)
        if loops:
            laid = scratch / "loops.add.xml"
            _write_loops(laid, loops, self.period.end_s)
            additional.append(str(laid))
        if programs:
            loaded = scratch / "programs.add.xml"
            sumo_programs.write(loaded, programs)
            additional.append(str(loaded))
        if incident is not None:
            incident.write(scratch / "incident.add.xml")
            additional.append(str(scratch / "incident.add.xml"))
        if records is not None:
            records.folder.mkdir(parents=True, exist_ok=True)
            if self._queue_lamps is None:
                recorder = scratch / "lamps.add.xml"
                _write_lamp_recorder(recorder, list(scenario.network.signals), records)
                additional.append(str(recorder))
            command += ["--tripinfo-output", str(records.trips), "--statistic-output", str(records.statistics)]
            command += ["--tripinfo-output.write-unfinished", "true", "--tripinfo-output.write-undeparted", "true"]
            if records.passages:
                command += ["--vehroute-output", str(records.routes), "--vehroute-output.exit-times", "true"]
                command += ["--vehroute-output.write-unfinished", "true", "--vehroute-output.last-route", "true"]
            if records.emissions:
                command += ["--device.emissions.probability", "1"]
            if records.followed:
                edges = scratch / "followed.txt"
                edges.write_text("".join(f"edge:{edge}\n" for edge in records.followed), encoding="utf-8")
                command += ["--fcd-output", str(records.positions), "--fcd-output.attributes", "id,lane,pos"]
                command += ["--fcd-output.filter-edges.input-file", str(edges), "--fcd-output.skip-empty", "true"]
                command += ["--device.fcd.probability", "0.25", "--device.fcd.deterministic", "true"]
                command += ["--device.fcd.period", "2"]
        return [*command, "--additional-files", ",".join(additional)] if additional else command

    def _connect(self, command: list[str], backend: Backend) -> Any:
        global _libsumo_taken
        if backend == "libsumo" and _libsumo_taken:
            raise SimulationError("libsumo already runs a session in this process; close it or use backend=traci")
        if backend == "libsumo" or (backend == "auto" and not _libsumo_taken):
            import libsumo

            _start(libsumo, ["sumo", *command])
            self._libsumo = _libsumo_taken = True
            return libsumo
        if self._remote:
            return _waiting(backend, command)
        import traci

        label = f"greenband-{next(_labels)}"
        program = sumo.binary("sumo-gui" if backend == "gui" else "sumo")
        gui = ["--start", "--quit-on-end"] if backend == "gui" else []
        _start(traci, [program, *command, *gui], label=label)
        return traci.getConnection(label)


def _waiting(address: str, command: list[str]) -> Any:
    """Connect to a SUMO that waits at ``host:port`` and have it load these files."""
    import traci

    label, (host, _, port) = f"greenband-{next(_labels)}", address.rpartition(":")
    try:
        traci.init(port=int(port), host=host or "localhost", numRetries=3, label=label)
        connection = traci.getConnection(label)
        connection.load(command)
    except Exception as error:  # traci raises bare socket, Fatal and TraCI errors here
        raise SimulationError(f"no SUMO that loads the scenario at {address}: {error}") from error
    return connection


def _options(network: Path, routes: Path, begin_s: int, seed: int) -> list[str]:
    return [
        *("--net-file", str(network), "--route-files", str(routes)),
        *("--begin", str(begin_s), "--seed", str(seed % 2**31)),
        *("--time-to-teleport", "-1", "--collision.action", "warn", "--no-step-log", "true", "--no-warnings", "true"),
        *("--duration-log.disable", "true", "--xml-validation", "never"),
    ]


def _start(module: Any, command: Sequence[str], **kwargs: Any) -> None:
    try:
        module.start(list(command), **kwargs)
    except Exception as error:  # libsumo and traci raise different classes
        raise SimulationError(f"SUMO could not be started: {error}") from error


def _write_lamp_recorder(path: Path, signals: Sequence[str], records: Records) -> None:
    root = ET.Element("additional")
    for signal in signals:
        ET.SubElement(
            root, "timedEvent", type="SaveTLSStates", source=signal, dest=str(records.lamps(signal).absolute())
        )
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _write_loops(path: Path, loops: Sequence[InductionLoop], end_s: int) -> None:
    """One interval over the whole run, so that counts add up; SUMO's own output goes nowhere (``NUL`` everywhere)."""
    root = ET.Element("additional")
    for loop in loops:
        place = {"id": loop.id, "lane": loop.lane, "pos": f"{loop.position_m:.2f}"}
        ET.SubElement(root, "inductionLoop", place, period=str(end_s), file="NUL")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
