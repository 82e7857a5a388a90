"""Every subject on the RESCO maps under RESCO's settings, and a check of the yardstick itself.

    python benchmarks/resco.py [--maps cologne1,cologne3,cologne8,ingolstadt1] [--seeds 1:11] [--jobs 2]
                               [--subjects webster,sotl] [--out benchmarks/results/resco.md]

The maps are those inside the installed package sumo-rl; their licences do not allow copies of them elsewhere. RESCO's
settings (Ault and Sharon, NeurIPS Datasets and Benchmarks 2021): a decision every 10 s, yellow 3 s, no all-red, no
minimum or maximum green, detectors that reach 200 m (max-wave 50 m). Delay is time loss plus departure delay over all
scheduled vehicles, those that never departed counted to the end. Two rows are simulated by SUMO alone: the network's
own program as it came, with its own yellow, and the same made actuated with greens of 5 to 60 s. Subjects that SUMO
runs have the same bounds on green. Two rows are max-wave and max-pressure to the letter (greedy.py): what differs
between them and greenband's own is how vehicles are counted and ties are broken, not how they are simulated.

Each map's table is written once it is done, and runs of greenband's subjects that are done are kept in
``runs/benchmarks/resco``, so that the command, given again, goes on; delete the folder to simulate anew.

RESCO's published figures belong to SUMO 1.9 and cannot be compared. ``REFERENCE`` holds what an independent
implementation measured with SUMO 1.28: mean and standard deviation over ten seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any
from xml.etree import ElementTree as ET

import greedy

from greenband import registry, sumo
from greenband.errors import BadInput, SimulationError
from greenband.evaluation import Subject, evaluate, parse_seeds
from greenband.evaluation.store import Store
from greenband.evaluation.workers import run_each
from greenband.files import write_text
from greenband.metrics import read_travel
from greenband.scenario import Scenario
from greenband.scenarios.foreign import import_network
from greenband.scenarios.sources import choose
from greenband.sensing import SensingConfig
from greenband.signals import SignalTiming
from greenband.simulation import Records

PERIOD = "all"
MAPS = ("cologne1", "cologne3", "cologne8", "ingolstadt1")
REFERENCE = {
    "own program": {
        "cologne1": (42.58, 0.65), "cologne3": (36.11, 1.08), "cologne8": (48.60, 0.81), "ingolstadt1": (29.94, 0.83),
    },
    "maxwave": {
        "cologne1": (19.43, 1.05), "cologne3": (19.95, 1.21), "cologne8": (17.60, 0.43), "ingolstadt1": (15.27, 0.68),
    },
    "maxpressure": {
        "cologne1": (23.63, 0.43), "cologne3": (23.88, 0.61), "cologne8": (30.75, 16.1), "ingolstadt1": (14.08, 0.80),
    },
    "own program, actuated": {
        "cologne1": (63.91, 5.11), "cologne3": (35.76, 2.36), "cologne8": (40.86, 3.20), "ingolstadt1": (22.33, 2.33),
    },
}  # fmt: skip
TO_THE_LETTER = {"max-wave to the letter": "maxwave", "max-pressure to the letter": "maxpressure"}  # the same rules
RULES: dict[str, type[greedy.MaxWave]] = {"maxwave": greedy.MaxWave, "maxpressure": greedy.MaxPressure}
LEGEND = (
    "Mean and standard deviation over the seeds. Measured independently: by another implementation, SUMO 1.28, ten"
    " seeds; yes where our mean is within its standard deviation. To the letter: the rules as simple scripts have them,"
    " see greedy.py; maxwave and maxpressure are greenband's own, by its cameras. No vehicle is teleported: where"
    " vehicles block each other within a junction, one seed lifts the mean far above the median."
)
DECISION_S = 10
FREE = SignalTiming(
    yellow_s=3,
    all_red_s=0,
    min_green_through_s=1,
    min_green_turn_s=1,
    max_green_s=3600,
    max_red_s=36000,
    green_flash_s=0,
)
BOUNDED = replace(FREE, min_green_through_s=5, min_green_turn_s=5, max_green_s=60)
BY_SUMO = ("actuated", "coordinated", "delaybased")  # need bounds on green to decide within
KNOWN = Path("benchmarks", "results", "resco.json")
KEPT = Store(Path("runs", "benchmarks", "resco"))
RANGE_M = {"maxwave": 50.0}  # 200 m for all others
ACTUATED = {"minDur": "5", "maxDur": "60"}


def sources(name: str) -> tuple[Path, Path]:
    """Network and routes of a map in the installed package.

    Raises:
        BadInput: the package is not installed.
    """
    spec = importlib.util.find_spec("sumo_rl")
    if spec is None or not spec.submodule_search_locations:
        raise BadInput("the package sumo-rl, which holds the maps, is not installed: pip install sumo-rl")
    folder = Path(spec.submodule_search_locations[0], "nets", "RESCO", name)
    return folder / f"{name}.net.xml", folder / f"{name}.rou.xml"


def window(name: str) -> tuple[int, int]:
    """Begin and end of a map's simulation in s."""
    config = sources(name)[0].with_name(f"{name}.sumocfg")
    times = {
        item.tag: int(float(item.get("value", "")))
        for item in ET.parse(config).iter()
        if item.get("value", "").isdigit()
    }
    return times["begin"], times["end"]


def imported(name: str, folder: Path, timing: SignalTiming = FREE) -> Scenario:
    """The map as a scenario, under RESCO's limits by default, in a folder of its own; as it is if it is there.

    Raises:
        BadInput: it is there with other limits, or the package with the maps is not installed.
    """
    if (folder / name).is_dir():
        known = registry.scenario(str(folder / name))
        if known.timing != timing:
            raise BadInput(f"{folder / name}: has other limits; remove it")
        return known
    network, _ = sources(name)
    source = choose(None, network.with_name(f"{name}.sumocfg"), None, folder)
    scenario: Scenario = import_network(source, folder / name, name, timing=timing).scenario
    return scenario


def alone(name: str, seed: int, folder: Path, actuated: bool) -> float:
    """Delay in s/veh when SUMO runs the network's own programs."""
    network, routes = sources(name)
    begin, end = window(name)
    records = Records(folder)
    if actuated:
        network = _actuated(network, folder)
    done = subprocess.run(
        [
            *(sumo.binary("sumo"), "--net-file", str(network), "--route-files", str(routes)),
            *("--begin", str(begin), "--end", str(end), "--seed", str(seed), "--time-to-teleport", "-1"),
            *("--tripinfo-output", str(records.trips), "--tripinfo-output.write-unfinished"),
            *("--tripinfo-output.write-undeparted", "--no-step-log", "--no-warnings", "--duration-log.disable"),
        ],
        capture_output=True,
        text=True,
        env=sumo.environment(),
        check=False,
    )
    if done.returncode:
        raise BadInput(f"{name}: SUMO failed: {done.stderr.strip()}")
    return mean(trip.delay_s for trip in read_travel(records, end).within(begin, end).trips)


def _actuated(network: Path, folder: Path) -> Path:
    tree = ET.parse(network)
    for logic in tree.getroot().findall("tlLogic"):
        logic.set("type", "actuated")
        for phase in logic.findall("phase"):
            state = phase.get("state", "")
            if "y" not in state and set(state) & set("Gg"):
                phase.attrib.update(ACTUATED)
    path = folder / network.name
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return path


def by_sumo(name: str, seeds: Sequence[int], jobs: int, actuated: bool) -> list[float]:
    """Delay per seed of the network's own programs."""

    def one(seed: int) -> float:
        with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
            return alone(name, seed, Path(folder), actuated)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, seeds))


def to_the_letter(which: str, scenario: Scenario, seeds: Sequence[int], jobs: int) -> tuple[list[float], int]:
    """Delay per seed and broken safety rules of a rule that asks SUMO itself.

    Raises:
        SimulationError: SUMO failed.
    """
    rule = RULES[TO_THE_LETTER[which]]
    done: dict[int, tuple[float, int]] = {}
    tasks = [greedy.Task(rule, scenario, PERIOD, seed, DECISION_S) for seed in seeds]
    for place, outcome in run_each(greedy.run_one, tasks, jobs):
        if isinstance(outcome, SimulationError):
            raise outcome
        done[place] = outcome
    return [done[k][0] for k in range(len(tasks))], sum(violations for _, violations in done.values())


def subject(name: str) -> Subject:
    """A controller under RESCO's settings: its decisions every 10 s if it decides at all."""
    config: dict[str, Any] = {"_target_": "greenband.registry.controller", "name": name}
    if "interval_s" in registry.config("controller", name):
        config = {**config, "interval_s": DECISION_S}
    return Subject(name, config=config, sensing=SensingConfig(RANGE_M.get(name, 200.0)))


def measured(
    name: str, subjects: Sequence[str], seeds: Sequence[int], jobs: int
) -> Iterator[tuple[str, list[float], int]]:
    """Subject, delay per seed and broken safety rules, for every subject that fits the map."""
    yield "own program", by_sumo(name, seeds, jobs, actuated=False), 0
    yield "own program, actuated", by_sumo(name, seeds, jobs, actuated=True), 0
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        scenario = imported(name, Path(folder))
        for which in TO_THE_LETTER:
            yield which, *to_the_letter(which, scenario, seeds, jobs)
        for which in subjects:
            try:
                held = scenario.model_copy(update={"timing": BOUNDED}) if which in BY_SUMO else scenario
                (done,) = evaluate([subject(which)], held, PERIOD, seeds, jobs=jobs, store=KEPT).subjects
            except BadInput as error:
                print(f"{name}: {which} is left out: {error}", flush=True)
                continue
            yield which, done.per_seed["delay_s"], done.violations


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--maps", default=",".join(MAPS))
    parser.add_argument("--seeds", default="1:11")
    parser.add_argument("--subjects", default=",".join(name for name in registry.names("controller")))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds, subjects = parse_seeds(options.seeds), options.subjects.split(",")
    found: dict[str, dict[str, list[float]]] = {}
    text = f"`python benchmarks/resco.py --seeds {options.seeds}`, SUMO {sumo.version_string()}\n\n{LEGEND}\n"
    for name in options.maps.split(","):
        found[name] = {}
        text += f"\n## {name}\n\n"
        text += "| subject | delay s/veh | median | measured independently | violations |\n|---|---|---|---|---|\n"
        for which, delays, violations in measured(name, subjects, seeds, options.jobs):
            found[name][which] = delays
            text += row(name, which, delays, violations)
            print(text.splitlines()[-1], flush=True)
        if options.out:
            write_text(options.out, text)
            write_text(options.out.with_suffix(".json"), json.dumps(as_json(found, seeds), indent=1) + "\n")


def row(name: str, which: str, delays: Sequence[float], violations: int) -> str:
    """A line of a map's table; ``yes`` where the mean is no farther from the reference than that one's spread."""
    spread = stdev(delays) if len(delays) > 1 else 0.0
    known = REFERENCE.get(TO_THE_LETTER.get(which, which), {}).get(name)
    held = ""
    if known:
        within = "yes" if abs(mean(delays) - known[0]) <= known[1] else "no"
        held = f"{known[0]:.2f} ± {known[1]:.2f}: {within}"
    broken = "" if which.startswith("own program") else str(violations)
    return f"| {which} | {mean(delays):.2f} ± {spread:.2f} | {median(delays):.2f} | {held} | {broken} |\n"


def as_json(found: Mapping[str, Mapping[str, Sequence[float]]], seeds: Sequence[int]) -> dict[str, object]:
    """Delays per map, subject and seed."""
    return {"sumo": sumo.version_string(), "seeds": list(seeds), "delay_s": found}


def delays_of(name: str) -> Mapping[str, Sequence[float]]:
    """Delay per seed in s/veh of all subjects on a map, from the committed results."""
    found: dict[str, dict[str, list[float]]] = json.loads(KNOWN.read_text(encoding="utf-8"))["delay_s"]
    return found[name]


if __name__ == "__main__":
    main()
