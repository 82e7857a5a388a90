"""What the environment costs beside plain SUMO, and what a second process gains.

    python benchmarks/overhead.py [--scenario shixin] [--rounds 7] [--pairs 3] [--out benchmarks/results/overhead.md]

Both sides simulate the same files, seed and signal timings: first a run with a fixed stage sequence records the lamps
of every second; plain ``sumo`` then replays exactly these as a static program. The other side is the SB3 VecEnv with
5 s decisions, all observations and rewards. Both times include starting SUMO and loading its files. Two plain ``sumo``
at once show what the machine itself gains from its second core. Sides alternate round by round and the table gives the
median of the rounds' ratios: on a shared machine one run varies by a fifth, so few rounds say little.
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
Pair = tuple[float, float]  # seconds of plain SUMO and of the environment

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
    parser.add_argument("--rounds", type=int, default=7, help="of one process beside one plain sumo")
    parser.add_argument("--pairs", type=int, default=3, help="of two processes beside two plain sumo")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario = registry.scenario(options.scenario)
    ones: list[Pair] = []
    twos: list[Pair] = []
    with tempfile.TemporaryDirectory() as name:
        command = plain_command(scenario, "AM", SEED, Path(name))
        for number in range(max(options.rounds, options.pairs)):
            if number < options.rounds:
                ones.append((time_plain(command), time_env(scenario, 1)))
                print(f"one  {ones[-1][0]:.2f} {ones[-1][1]:.2f}", flush=True)
            if number < options.pairs:
                twos.append((time_plain(command, copies=2), time_env(scenario, 2)))
                print(f"two  {twos[-1][0]:.2f} {twos[-1][1]:.2f}", flush=True)
    text = _table(f"--scenario {options.scenario} --rounds {options.rounds} --pairs {options.pairs}", ones, twos)
    print(text)
    if options.out:
        write_text(options.out, text)


def _table(arguments: str, ones: list[Pair], twos: list[Pair]) -> str:
    """One process against one plain ``sumo``; the throughput of two of each against that of one of the same round."""
    text = (
        f"`python benchmarks/overhead.py {arguments}`, SUMO {sumo.version_string()}, AM,"
        " 600 s of warm-up and one hour, 5 s decisions, fixed stage sequence, 2 cores\n\n"
        "| round | plain sumo s | VecEnv s | overhead |\n|---|---|---|---|\n"
    )
    for k, (plain, env) in enumerate(ones, 1):
        text += f"| {k} | {plain:.1f} | {env:.1f} | {env / plain:.3f} |\n"
    text += f"| median | | | **{median(env / plain for plain, env in ones):.3f}** |\n"
    text += "\n| round | two plain s | VecEnv, 2 processes s | gain of two plain | gain of two processes |\n"
    text += "|---|---|---|---|---|\n"
    gains = [(2 * one[0] / two[0], 2 * one[1] / two[1]) for one, two in zip(ones, twos, strict=False)]
    for k, ((plain, env), gain) in enumerate(zip(twos, gains, strict=True), 1):
        text += f"| {k} | {plain:.1f} | {env:.1f} | {gain[0]:.2f} | {gain[1]:.2f} |\n"
    return text + f"| median | | | {median(g[0] for g in gains):.2f} | **{median(g[1] for g in gains):.2f}** |\n"


if __name__ == "__main__":
    main()
