"""A batch export as a user runs it: junctions by the thousand, in every format, in two processes.

    python benchmarks/export.py [--scenario shixin_full] [--plans 12,25,50] [--jobs 2]
                                [--out benchmarks/results/export.md]

A plan file holds 20 junctions with a green wave's plan for AM, OFF and PM. All are made from the scenario's, but none
is another's copy: each corridor has its own ids, bearing and offsets, and each plan other greens. Each batch runs twice
and must give the same bytes. CPU seconds and the peak are those of all processes, the program's start included; the
peak is that of the largest. What a format costs is measured in one process, without starting it.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from greenband.files import write_text
from greenband.processes import cores

JUNCTIONS = 20  # of a plan file
TURN_DEG = 7  # from one corridor to the next
LENGTH_M = 20_000  # of a corridor
PROGRAM = [sys.executable, "-c", "from greenband.cli import main; main()"]
MB = 1e6

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Batch:
    """What a run of the program took and wrote."""

    junctions: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    files: int
    bytes: int
    digest: str


@dataclass
class Cost:
    """CPU and wall seconds of a format, with the files that it wrote and their bytes."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    files: int = 0
    bytes: int = 0


def elsewhere(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What ``work`` returns in a fresh process: a child's peak counts from what its parent has in memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def make_plans(scenario: str, count: int, folder: Path) -> list[Path]:
    """Write so many plan files."""
    from greenband import registry
    from greenband.evaluation import resolve
    from greenband.formats import json
    from greenband.plan.describe import described
    from greenband.plan.model import PlanSet
    from greenband.plan.planner import Planner

    found, planner = registry.scenario(scenario), resolve("greenwave").make()
    assert isinstance(planner, Planner)
    base = described(planner.plan_set(found, ["AM", "OFF", "PM"]), found).model_dump(mode="json")
    paths = [folder / f"corridor_{number:03d}.json" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        json.write(PlanSet.model_validate(_corridor(base, number)), path)
    return paths


def _corridor(base: dict[str, Any], number: int) -> dict[str, Any]:
    """The base's junctions, then its first again until there are enough, under other ids and with other greens."""
    draw, originals = random.Random(number), list(base["junctions"])
    origin = {**base["provenance"], "scenario": f"corridor {number}"}  # whose network is not at hand
    made = {**base, "provenance": origin, "junctions": {}, "plans": {period: {} for period in base["plans"]}}
    for place in range(JUNCTIONS):
        again, nth = divmod(place, len(originals))
        original, prefix = originals[nth], f"C{number:03d}.{again}."
        signal, known = f"{prefix}{original}", base["junctions"][original]
        moved = {**known, "signal": signal, "number": place + 1, "y_m": known["y_m"] + again * LENGTH_M}
        made["junctions"][signal] = _junction(moved, prefix, number * TURN_DEG)
        for period, plans in base["plans"].items():
            made["plans"][period][signal] = _plan(plans[original], known, signal, prefix, draw)
    return made


def _junction(known: dict[str, Any], prefix: str, turned_deg: int) -> dict[str, Any]:
    """The junction under other names, turned clockwise with the whole corridor."""
    angle, x, y = math.radians(turned_deg), known["x_m"], known["y_m"]
    turned = {
        "x_m": round(x * math.cos(angle) + y * math.sin(angle), 1),
        "y_m": round(y * math.cos(angle) - x * math.sin(angle), 1),
    }
    groups = [
        {
            **group,
            "movement": _renamed(group["movement"], prefix),
            "bearing": (group["bearing"] + turned_deg) % 360,
        }
        for group in known["groups"]
    ]
    names = {key: f"{prefix}{known[key]}" for key in ("name_en", "name_zh")}
    return {**known, **names, **turned, "groups": groups}


def _plan(
    known: dict[str, Any], junction: dict[str, Any], signal: str, prefix: str, draw: random.Random
) -> dict[str, Any]:
    """The plan under other ids, with some seconds of green moved between stages within their limits."""
    stages = [
        {**stage, "movements": [_renamed(movement, prefix) for movement in stage["movements"]]}
        for stage in known["stages"]
    ]
    limits = [junction["stages"][stage["stage"]] for stage in stages]
    for _ in stages:
        giver, taker = draw.sample(range(len(stages)), 2) if len(stages) > 1 else (0, 0)
        spare = stages[giver]["green_s"] + stages[giver]["green_flash_s"] - limits[giver]["min_green_s"]
        room = limits[taker]["max_green_s"] - stages[taker]["green_s"] - stages[taker]["green_flash_s"]
        moved = draw.randint(0, max(0, min(spare, room)))
        stages[giver]["green_s"] -= moved
        stages[taker]["green_s"] += moved
    return {**known, "signal": signal, "offset_s": draw.randrange(known["cycle_s"]), "stages": stages}


def _renamed(movement: str, prefix: str) -> str:
    return ">".join(f"{prefix}{edge}" for edge in movement.split(">"))


def export(paths: list[Path], out: Path, jobs: int) -> Batch:
    """Run the program; the folder must be new.

    Raises:
        SystemExit: it failed, or a format refused a plan.
    """
    command = [*PROGRAM, "export", *map(str, paths), "--format", "all", "--jobs", str(jobs), "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    taken = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the program failed with {process.returncode}:\n{said}")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(out).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return Batch(
        junctions=JUNCTIONS * len(paths),
        wall_s=taken,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / MB,
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        digest=whole.hexdigest(),
    )


def by_format(paths: list[Path], out: Path) -> dict[str, Cost]:
    """What reading and each format costs, one plan file after the other; the first warms up and does not count."""
    from greenband import formats

    costs: dict[str, Cost] = {}
    for number, path in enumerate(paths):
        begin = time.perf_counter(), time.process_time()
        plans = formats.read_plan(path)
        _add(costs, "read", begin, [])
        for name, (module, place) in formats.FORMATS.items():
            begin = time.perf_counter(), time.process_time()
            _add(costs, name, begin, import_module(module).export(plans, out / path.stem / place))
        if number == 0:
            costs.clear()
    return costs


def _add(costs: dict[str, Cost], name: str, begin: tuple[float, float], written: list[Path]) -> None:
    cost = costs.setdefault(name, Cost())
    cost.wall_s += time.perf_counter() - begin[0]
    cost.cpu_s += time.process_time() - begin[1]
    cost.files += len(written)
    cost.bytes += sum(path.stat().st_size for path in written)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--scenario", default="shixin_full")
    parser.add_argument("--plans", default="12,25,50", help=f"plan files of {JUNCTIONS} junctions in a batch")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the program")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    counts, load = [int(count) for count in options.plans.split(",")], os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = elsewhere(make_plans, options.scenario, max(counts), folder)
        batches = []
        for count in counts:
            first, again = (export(paths[:count], folder / f"{count}.{run}", options.jobs) for run in (1, 2))
            if first.digest != again.digest:
                raise SystemExit(f"{count} plan files: the second run wrote other bytes than the first")
            batches += [first, again]
            print(f"{first.junctions} junctions: {first.wall_s:.1f} s, again {again.wall_s:.1f} s", flush=True)
        costs = elsewhere(by_format, paths[: min(counts) + 1], folder / "formats")
    command = f"python benchmarks/export.py --scenario {options.scenario} --plans {options.plans} --jobs {options.jobs}"
    text = (
        f"`{command}`, {cores()} cores, load average {load:.1f} from other work; every batch twice, with the same bytes"
    )
    text += _table(batches, costs, JUNCTIONS * min(min(counts), max(counts) - 1))
    print(text)
    if options.out:
        write_text(options.out, text)


def _table(batches: list[Batch], costs: dict[str, Cost], measured: int) -> str:
    text = "\n\n| junctions | wall s | CPU s | peak of a process MB | files | MB |\n|---|---|---|---|---|---|\n"
    for batch in batches:
        text += f"| {batch.junctions:,} | {batch.wall_s:.1f} | {batch.cpu_s:.1f} | {batch.peak_mb:.0f}"
        text += f" | {batch.files:,} | {batch.bytes / MB:.1f} |\n"
    text += f"\nBy format, in one process, {measured} junctions:\n\n"
    text += "| | CPU ms a junction | wall ms a junction | files | kB a junction |\n|---|---|---|---|---|\n"
    for name, cost in costs.items():
        text += f"| {name} | {1000 * cost.cpu_s / measured:.1f} | {1000 * cost.wall_s / measured:.1f}"
        text += f" | {cost.files:,} | {cost.bytes / measured / 1000:.1f} |\n"
    whole = [sum(getattr(cost, field) for cost in costs.values()) for field in ("cpu_s", "wall_s")]
    return text + f"| all | {' | '.join(f'{1000 * seconds / measured:.1f}' for seconds in whole)} | | |\n"


if __name__ == "__main__":
    main()
