"""What the environment costs beside plain SUMO, and what a second process gains.

    python benchmarks/overhead.py [--scenario shixin] [--rounds 4] [--pairs 3] [--out benchmarks/results/overhead.md]

Both sides simulate the same files, seed and signal timings: first a run with a fixed stage sequence records the lamps
of every second; plain ``sumo`` then replays exactly these as a static program. The other side is the SB3 VecEnv with
5 s decisions, all observations and rewards. Both times include starting SUMO and loading its files.

On a shared machine the same run varies by a third from one minute to the next, so for the overhead both sides run at
once, a core each, and change cores every round; the side that is done first starts again, so that the other never has
the machine to itself. For the gain of a second process, two episodes run in turn in one process and at once in two;
plain ``sumo`` beside them shows what the machine itself gains from its second core. The tables give medians of the
rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
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
    """The environment on given seeds, one a process, so that it runs the traffic that plain SUMO runs."""

    def __init__(self, scenario: Scenario, seeds: Sequence[int] = (SEED,)) -> None:
        self._episodes = tuple(seeds)
        super().__init__(scenario, processes=len(seeds))

    def _next_seed(self, k: int) -> int:
        return self._episodes[k]


def time_env(scenario: Scenario, seeds: Sequence[int]) -> float:
    """Seconds from reset to the end of one episode a seed, all at once, stepping by the fixed sequence."""
    env = _FixedSeedEnv(scenario, seeds)
    try:
        env.reset()  # the processes are up and have their files
        return _episode(env, _decisions(scenario))
    finally:
        env.close()


def _episode(env: CorridorVecEnv, decisions: int) -> float:
    start = time.perf_counter()
    env.reset()
    for decision in range(decisions - 1):  # the last one would start the next episode
        env.step(np.full(env.num_envs, stage_of(decision)))
    return time.perf_counter() - start


def time_both(command: list[str], scenario: Scenario, cores: tuple[int, int]) -> Pair:
    """Seconds of plain ``sumo`` on the first core and of the environment on the second, running at once."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores[1]})  # the environment's process inherits it
    env = _FixedSeedEnv(scenario)
    try:
        env.reset()
        plain = _Plain(command, cores[0])
        taken = _episode(env, _decisions(scenario))
        return plain.stop(), taken
    finally:
        env.close()
        os.sched_setaffinity(0, everywhere)


class _Plain:
    """Plain ``sumo`` on one core, over and over until stopped."""

    def __init__(self, command: list[str], core: int) -> None:
        self._command, self._core, self._stopping = command, core, False
        self._first: float | None = None
        self._process = self._start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._since = time.perf_counter()
        process = subprocess.Popen(self._command, env=sumo.environment(), stdout=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {self._core})
        return process

    def _run(self) -> None:
        while True:
            self._process.wait()
            self._first = self._first or time.perf_counter() - self._since
            if self._stopping:
                return
            self._process = self._start()

    def stop(self) -> float:
        """Wait for the first run, end any later one; returns the seconds that the first took."""
        self._stopping = True
        if self._first is not None:
            self._process.terminate()
        self._thread.join()
        assert self._first is not None
        return self._first


def _decisions(scenario: Scenario) -> int:
    span = scenario.period("AM")
    return (span.end_s - span.start_s) // 5


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin")
    parser.add_argument("--rounds", type=int, default=4, help="of one process beside one plain sumo")
    parser.add_argument("--pairs", type=int, default=3, help="of two episodes in turn and at once")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scenario = registry.scenario(options.scenario)
    with tempfile.TemporaryDirectory() as name:
        command = plain_command(scenario, "AM", SEED, Path(name))
        cores = sorted(os.sched_getaffinity(0))[:2]
        sides = []
        for number in range(options.rounds):
            a, b = cores if number % 2 == 0 else cores[::-1]
            sides.append(_told("at once", time_both(command, scenario, (a, b))))
        gains = []
        for _ in range(options.pairs):
            seeds = SEED, SEED + 1
            turns = _told("in turn", (2 * time_plain(command), sum(time_env(scenario, [seed]) for seed in seeds)))
            gains.append((turns, _told("at once", (time_plain(command, copies=2), time_env(scenario, seeds)))))
    text = _table(f"--scenario {options.scenario} --rounds {options.rounds} --pairs {options.pairs}", sides, gains)
    print(text)
    if options.out:
        write_text(options.out, text)


def _told(label: str, pair: Pair) -> Pair:
    print(f"{label}: plain sumo {pair[0]:.1f} s, VecEnv {pair[1]:.1f} s", flush=True)
    return pair


def _table(arguments: str, sides: list[Pair], gains: list[tuple[Pair, Pair]]) -> str:
    text = (
        f"`python benchmarks/overhead.py {arguments}`, SUMO {sumo.version_string()}, AM,"
        " 600 s of warm-up and one hour, 5 s decisions, fixed stage sequence, 2 cores\n\n"
    )
    if sides:
        text += "Both at once, a core each:\n\n| round | plain sumo s | VecEnv s | overhead |\n|---|---|---|---|\n"
        for k, (plain, env) in enumerate(sides, 1):
            text += f"| {k} | {plain:.1f} | {env:.1f} | {env / plain:.3f} |\n"
        text += f"| median | | | **{median(env / plain for plain, env in sides):.3f}** |\n\n"
    if gains:
        text += "Two episodes, in turn and at once:\n\n"
        text += "| round | plain sumo, in turn s | at once s | gain | VecEnv, 1 process s | 2 processes s | gain |\n"
        text += "|---|---|---|---|---|---|---|\n"
        ratios = [(turns[0] / both[0], turns[1] / both[1]) for turns, both in gains]
        for k, ((turns, both), (plain, env)) in enumerate(zip(gains, ratios, strict=True), 1):
            text += (
                f"| {k} | {turns[0]:.1f} | {both[0]:.1f} | {plain:.2f} | {turns[1]:.1f} | {both[1]:.1f} | {env:.2f} |\n"
            )
        middle = [median(ratio[side] for ratio in ratios) for side in (0, 1)]
        text += f"| median | | | {middle[0]:.2f} | | | **{middle[1]:.2f}** |\n"
    return text


if __name__ == "__main__":
    main()
