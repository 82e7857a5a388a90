"""Sessions: repeatable, one libsumo session a process with TraCI beside it, and clear errors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import libsumo
import pytest
import sumolib

from greenband import simulation, sumo
from greenband.errors import BadInput, SimulationError, UnknownName
from greenband.scenario import Scenario
from greenband.simulation import Records, Simulation


def trips(scenario: Scenario, seed: int, folder: Path, backend: simulation.Backend = "auto") -> list[dict[str, str]]:
    """Trip records of a run, without what names the run."""
    records = Records(folder)
    with Simulation(scenario, "AM", seed, records=records, backend=backend) as session:
        session.advance(scenario.period("AM").end_s)
    return [item.attrib for item in ET.parse(records.trips).getroot()]


def test_a_seed_repeats_the_run_on_either_backend(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    short = shorten(jincheng, duration_s=100)
    first = trips(short, 4, tmp_path / "first")
    assert len(first) > 50
    assert trips(short, 4, tmp_path / "again") == first
    assert trips(short, 4, tmp_path / "traci", "traci") == first
    assert trips(short, 5, tmp_path / "other") != first


def test_time_runs_from_warm_up_and_lamps_are_shown(jincheng: Scenario) -> None:
    with Simulation(jincheng, "AM", 0) as session:
        assert session.now == jincheng.period("AM").start_s == 27000 - 600
        session.show("J11", "r" * 20)
        session.advance(session.now + 7)
        assert session.now == 26407
        assert session.api.trafficlight.getRedYellowGreenState("J11") == "r" * 20


def test_a_lamp_record_has_a_file_name_for_any_signal(tmp_path: Path) -> None:
    """Ids of joined junctions outgrow what file systems take; a colon would make SUMO look for a socket."""
    names = ["cluster_" + "_".join(str(n) for n in range(100)), "0/1", "0:1", "0_1", "路口"]
    files = {Records(tmp_path).lamps(name).name for name in names}
    assert len(files) == len(names)
    assert all(len(name) < 100 and name.isascii() and ":" not in name and "/" not in name for name in files)


def test_a_second_session_falls_back_to_traci(jincheng: Scenario) -> None:
    with Simulation(jincheng, "AM", 0) as first:
        assert first.api is libsumo
        with pytest.raises(SimulationError, match="libsumo already runs a session"):
            Simulation(jincheng, "AM", 0, backend="libsumo")
        with Simulation(jincheng, "AM", 0) as second:
            assert second.api is not libsumo
            second.advance(second.now + 5)
            assert (first.now, second.now) == (26400, 26405)
            first.advance(first.now + 1)
    with Simulation(jincheng, "AM", 0, backend="libsumo") as third:
        assert third.api is libsumo


@pytest.mark.parametrize("backend", ["libsumo", "traci"])
def test_closing_twice_does_no_harm(backend: simulation.Backend, jincheng: Scenario) -> None:
    session = Simulation(jincheng, "AM", 0, backend=backend)
    session.close()
    session.close()
    with Simulation(jincheng, "AM", 0, backend="libsumo") as after:
        assert after.now == 26400


@pytest.mark.parametrize("backend", ["libsumo", "traci"])
def test_a_broken_network_is_an_error_and_leaves_the_backend_free(
    backend: simulation.Backend, jincheng: Scenario, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(jincheng.folder, folder)
    network = folder / jincheng.network_file
    network.write_text(network.read_text(encoding="utf-8")[:5000], encoding="utf-8")
    broken = Scenario.load(folder)
    with pytest.raises((SimulationError, BadInput)):
        Simulation(broken, "AM", 0, backend=backend)
    with Simulation(jincheng, "AM", 0, backend="libsumo") as after:
        after.advance(after.now + 1)


def test_an_unknown_backend_names_the_nearest(jincheng: Scenario) -> None:
    with pytest.raises(UnknownName, match=r"host:port.*did you mean 'libsumo'"):
        Simulation(jincheng, "AM", 0, backend="libsum")


def test_a_waiting_sumo_runs_the_scenario_as_its_own(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    short = shorten(jincheng, duration_s=100)
    port = sumolib.miscutils.getFreeSocketPort()
    network = str(short.folder / short.network_file)
    command = [sumo.binary("sumo"), "-n", network, "--remote-port", str(port), "--no-warnings", "--no-step-log"]
    with subprocess.Popen(command, env=sumo.environment(), stdout=subprocess.DEVNULL) as waiting:
        remote = trips(short, 4, tmp_path / "remote", f"127.0.0.1:{port}")
        assert waiting.wait(timeout=20) == 0
    assert remote == trips(short, 4, tmp_path / "here")


def test_nobody_at_the_address_is_an_error(jincheng: Scenario) -> None:
    with pytest.raises(SimulationError, match=r"at 127\.0\.0\.1:1:"):
        Simulation(jincheng, "AM", 0, backend="127.0.0.1:1")


def test_scratch_files_are_removed(jincheng: Scenario) -> None:
    session = Simulation(jincheng, "AM", 0)
    scratch = Path(session._scratch.name)
    assert (scratch / "routes.rou.xml").is_file()
    session.close()
    assert not scratch.exists()


def test_lamp_files_of_signals_with_slashes_stay_in_the_folder(tmp_path: Path) -> None:
    assert Records(tmp_path).lamps("a/b").parent == tmp_path
