"""What the environment costs beside plain SUMO, and what a second process gains.

    python benchmarks/overhead.py [--scenario shixin] [--rounds 3] [--out benchmarks/results/overhead.md]

Both sides simulate the same files, seed and signal timings: first a run with a fixed stage sequence records the lamps
of every second; plain ``sumo`` then replays exactly these as a static program. The other side is the SB3 VecEnv with
5 s decisions, all observations and rewards. Both times include starting SUMO and loading its files. Two plain ``sumo``
at once show what the machine itself gains from its second core. Sides alternate round by round; the table gives the
median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from xml.etree import ElementTree as ET

import numpy as np

from greenband import registry, sumo
from greenband.control import ControlLoop
from greenband.envs.vector import CorridorVecEnv
from greenband.files import write_text
from greenband.scenario import Scenario
from greenband.simulation import Records

SEED = 20_000
HOLD = 6  # decisions a stage is asked for


def stage_of(decision: int) -> int:
    """The fixed stage sequence, the same at every signal."""
    return (decision // HOLD) % 4


def record_lamps(scenario: Scenario, period: str, seed: int, folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Run the stage sequence once; per signal the displayed lamps as (seconds, state)."""
    loop, records = ControlLoop(scenario, period), Records(folder / "records")
    loop.reset(seed, records=records)
    decision = 0
    while not loop.done:
        loop.step(dict.fromkeys(loop.interlocks, stage_of(decision)), 5)
        decision += 1
    loop.close()
    return {name: _runs(records.lamps(name)) for name in scenario.network.signals}


def _runs(path: Path) -> list[tuple[int, str]]:
    runs: list[tuple[int, str]] = []
    for item in ET.parse(path).getroot():
        state = item.attrib["state"]
        runs = [*runs[:-1], (runs[-1][0] + 1, state)] if runs and runs[-1][1] == state else [*runs, (1, state)]
    return runs


def plain_command(scenario: Scenario, period: str, seed: int, folder: Path) -> list[str]:
    """A ``sumo`` command line on the same demand, with the recorded lamps as static programs."""
    span = scenario.period(period)
    lamps = record_lamps(scenario, period, seed, folder)
    root = ET.Element("additional")
    for name, runs in lamps.items():
        logic = ET.SubElement(root, "tlLogic", id=name, type="static", programID="replay", offset=str(span.start_s))
        for seconds, state in runs:
            ET.SubElement(logic, "phase", duration=str(seconds), state=state)
    programs, routes = folder / "programs.add.xml", folder / "routes.rou.xml"
    ET.ElementTree(root).write(programs)
    scenario.demand(period).write(routes, span.start_s, span.end_s, seed)
    additional = [str(scenario.folder / name) for name in scenario.additional_files]
    return [
        *(sumo.binary("sumo"), "-n", str(scenario.folder / scenario.network_file), "-r", str(routes)),
        *("-a", ",".join([*additional, str(programs)]), "-b", str(span.start_s), "-e", str(span.end_s)),
        *(
            "--seed",
            str(seed),
            "--time-to-teleport",
            "-1",
            "--collision.action",
            "warn",
            "--no-step-log",
            "true",
            "--no-warnings",
            "true",
        ),
        *("--duration-log.disable", "true", "--xml-validation", "never"),
    ]


def time_plain(command: list[str], copies: int = 1) -> float:
    """Seconds until all of so many ``sumo`` processes, started at once, have ended."""
    start = time.perf_counter()
    running = [subprocess.Popen(command, env=sumo.environment(), stdout=subprocess.DEVNULL) for _ in range(copies)]
    if any(process.wait() for process in running):
        raise SystemExit("sumo failed")
    return time.perf_counter() - start


class _FixedSeedEnv(CorridorVecEnv):  # type: ignore[misc]  # seen as Any from outside its folder
    """The environment on given seeds, so that it runs the traffic that plain SUMO runs."""

    def _next_seed(self, k: int) -> int:
        return SEED + k


def time_env(scenario: Scenario, processes: int) -> float:
    """Seconds from reset to the end of one episode in each process, stepping by the fixed sequence."""
    env = _FixedSeedEnv(scenario, processes=processes)
    try:
        env.reset()  # the processes are up and have their files
        start = time.perf_counter()
        env.reset()
        for decision in range(_decisions(scenario) - 1):  # the last one would start the next episode
            env.step(np.full(env.num_envs, stage_of(decision)))
        return time.perf_counter() - start
    finally:
        env.close()


def _decisions(scenario: Scenario) -> int:
    span = scenario.period("AM")
    return (span.end_s - span.start_s) // 5


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario = registry.scenario(options.scenario)
    rows: list[tuple[float, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        command = plain_command(scenario, "AM", SEED, Path(name))
        for number in range(options.rounds):
            plain, one = time_plain(command), time_env(scenario, 1)
            pair, two = time_plain(command, copies=2), time_env(scenario, 2)
            rows.append((plain, one, pair, two, one / plain, 2 * plain / pair, 2 * one / two))
            print(f"round {number + 1}: {' '.join(f'{value:.2f}' for value in rows[-1])}", flush=True)
    text = _table(options.scenario, rows)
    print(text)
    if options.out:
        write_text(options.out, text)


def _table(name: str, rows: list[tuple[float, ...]]) -> str:
    head = (
        f"`python benchmarks/overhead.py --scenario {name} --rounds {len(rows)}`, SUMO {sumo.version_string()}, AM,"
        " 600 s of warm-up and one hour, 5 s decisions, fixed stage sequence, 2 cores\n\n"
        "| round | plain sumo s | VecEnv s | two plain s | VecEnv, 2 processes s | overhead | gain of two plain |"
        " gain of two processes |\n|---|---|---|---|---|---|---|---|\n"
    )
    lines = [
        f"| {k} | {' | '.join(f'{seconds:.1f}' for seconds in r[:4])} | {r[4]:.3f} | {r[5]:.2f} | {r[6]:.2f} |\n"
        for k, r in enumerate(rows, 1)
    ]
    overhead, ceiling, gain = (median(row[k] for row in rows) for k in (4, 5, 6))
    return head + "".join(lines) + f"| median | | | | | **{overhead:.3f}** | {ceiling:.2f} | **{gain:.2f}** |\n"


if __name__ == "__main__":
    main()
