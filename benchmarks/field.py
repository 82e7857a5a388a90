"""Downloads to controllers that are stand-ins on 127.0.0.1, in a process of their own, over SNMPv3 with authPriv.

    python benchmarks/field.py [--plan benchmarks/results/shixin_plan.json] [--controllers 200] [--runs 10]
                               [--parallel 32] [--out benchmarks/results/field.md]

The controllers hold nothing at first. Each is read and its backup kept, written to in a transaction, read back and
compared, and asked whether it runs its plan; every step is on disk and in the journal before the next. Times are those
of one process, from opening the inventory to the last entry of the journal, without starting the program; CPU seconds
are also those of the stand-ins. In the last row some controllers fail in ways that cost time, and they come first.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import cryptography
import yaml

from greenband import __version__
from greenband.field.batch import Batch
from greenband.field.desk import Desk
from greenband.field.download import Result
from greenband.field.inventory import load
from greenband.field.stand_ins.ntcip import Faults, Settings, StandIn, User
from greenband.files import write_text
from greenband.formats import json, ntcip
from greenband.plan.model import PlanSet
from greenband.processes import cores

FAILING = ("silent", "crash=commit,restart=inf", "verify=no", "corrupt=splitTime", "alarm")
FAILING_SHARE = 10  # one in so many
SECRETS = {"auth": "auth-of-the-benchmark", "privacy": "privacy-of-the-benchmark"}
WELL = (Result.DONE, Result.HELD)


@dataclass(frozen=True)
class Run:
    """A batch: wall and CPU seconds, until when the last of the healthy was done, and objects set at each."""

    controllers: int
    well: int
    wall_s: float
    healthy_s: float
    cpu_s: float
    stand_ins_cpu_s: float
    objects: int


def city(plans: PlanSet, count: int) -> PlanSet:
    """So many junctions, which are those of a plan set again and again under other names."""
    names = list(plans.junctions)
    copies = {f"C{number:03d}": names[number % len(names)] for number in range(1, count + 1)}
    junctions = {
        new: plans.junctions[old].model_copy(update={"signal": new, "number": number})
        for number, (new, old) in enumerate(copies.items(), 1)
    }
    made = {
        period: {new: of[old].model_copy(update={"signal": new}) for new, old in copies.items()}
        for period, of in plans.plans.items()
    }
    return plans.model_copy(update={"junctions": junctions, "plans": made})


def serve(plans: PlanSet, faults: Mapping[str, str], pipe: Connection) -> None:
    """Be the controllers until told to end; tell ports first, and at the end who does not hold the plan."""
    user = User("operator", SECRETS["auth"], SECRETS["privacy"])
    made = {
        name: StandIn(Settings((user,), name=name, faults=Faults.of(faults.get(name, "")))) for name in plans.junctions
    }

    async def work() -> None:
        for one in made.values():
            await one.start()
        pipe.send({name: (one.port, one.engine_id.hex()) for name, one in made.items()})
        while await asyncio.to_thread(pipe.recv):
            pipe.send(time.process_time())
        for one in made.values():
            await one.stop()

    asyncio.run(work())
    wanted = {name: {item.name: item.text for item in ntcip.objects(plans, name)} for name in made}
    pipe.send([name for name, one in made.items() if not wanted[name].items() <= one.held().items()])


class Served:
    """Controllers in another process."""

    def __init__(self, pipe: Connection, desk_at: Path) -> None:
        self.inventory, self._pipe = desk_at, pipe

    def cpu_s(self) -> float:
        """CPU seconds of their process."""
        self._pipe.send(True)
        used: float = self._pipe.recv()
        return used

    def others(self) -> list[str]:
        """End; who does not hold the plan."""
        self._pipe.send(False)
        found: list[str] = self._pipe.recv()
        return found


@contextmanager
def served(plans: PlanSet, folder: Path, faults: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Start controllers, and write their inventory, the failing ones first."""
    pipe, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(plans, faults or {}, theirs))
    process.start()
    try:
        ports = sorted(pipe.recv().items(), key=lambda pair: pair[0] not in (faults or {}))
        rows = [
            {"junction": name, "address": f"127.0.0.1:{port}", "engine_id": engine} for name, (port, engine) in ports
        ]
        defaults = {"user": "operator", "timeout_s": 0.5, "auth": {"secret": "auth"}, "privacy": {"secret": "privacy"}}
        (folder / "secrets.yaml").touch(mode=0o600)
        inventory = {"secrets": "secrets.yaml", "defaults": defaults, "controllers": rows}
        write = {"secrets.yaml": SECRETS, "controllers.yaml": inventory}
        for name, content in write.items():
            (folder / name).write_text(yaml.safe_dump(content))
        yield Served(pipe, folder / "controllers.yaml")
    finally:
        process.join(10)
        process.kill()


def download(plans: PlanSet, controllers: Served, only: list[str] | None, parallel: int) -> Run:
    """As ``greenband field push`` does it."""
    inventory_of = load(controllers.inventory)
    theirs, own, start, began = controllers.cpu_s(), time.process_time(), time.perf_counter(), time.time()
    desk = Desk(inventory_of.only(only) if only else inventory_of)
    with desk.records.lock("push"), desk.records.journal(desk.secrets) as journal:
        batch = desk.records.new_batch("push", plans)
        keeper = desk.keeper(journal, batch, "push", plans.content_hash)
        keeper.listed(desk.controllers)
        outcomes = asyncio.run(Batch(keeper, parallel).push(desk.of(plans)))
        wall_s = time.perf_counter() - start
        used = time.process_time() - own, controllers.cpu_s() - theirs
        ends = [one for one in journal.entries(batch=batch) if one.step == "ended" and one.result in WELL]
        if journal.fault():
            raise SystemExit(f"the journal is not whole: {journal.fault()}")
    healthy = [name for name, one in outcomes.items() if one.well]
    sizes = [len(one.after) for one in outcomes.values() if one.well and one.after is not None]
    done_s = max(datetime.fromisoformat(one.at).timestamp() for one in ends) - began
    return Run(len(outcomes), len(healthy), wall_s, done_s, *used, objects=min(sizes))


def measured(plans: PlanSet, controllers: int, runs: int, parallel: int) -> tuple[list[Run], Run, Run]:
    """One controller some times, all at once, and all with some that fail."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("one", "all", "failing")]
        for folder in folders:
            folder.mkdir()
        several = city(plans, runs)
        with served(several, folders[0]) as one:
            each = [download(several, one, [junction], parallel) for junction in several.junctions]
            _see(one, 0)
        many = city(plans, controllers)
        with served(many, folders[1]) as fleet:
            at_once = download(many, fleet, None, parallel)
            _see(fleet, 0)
        failing = list(many.junctions)[::FAILING_SHARE]
        faults = {junction: FAILING[number % len(FAILING)] for number, junction in enumerate(failing)}
        with served(many, folders[2], faults) as fleet:
            with_faults = download(many, fleet, None, parallel)
            _see(fleet, len(failing))
    return each, at_once, with_faults


def _see(controllers: Served, most: int) -> None:
    if len(others := controllers.others()) != most:
        raise SystemExit(f"{len(others)} controllers do not hold the plan, and {most} should not: {others}")


def _row(what: str, run: Run) -> str:
    numbers = f"{run.wall_s:.2f} | {run.healthy_s:.2f} | {run.cpu_s:.2f} | {run.stand_ins_cpu_s:.2f}"
    return f"| {what} | {run.well} of {run.controllers} | {numbers} |\n"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--plan", type=Path, default=Path("benchmarks/results/shixin_plan.json"))
    parser.add_argument("--controllers", type=int, default=200)
    parser.add_argument("--runs", type=int, default=10, help="downloads to one controller")
    parser.add_argument("--parallel", type=int, default=32)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    plans = json.read(options.plan)
    each, at_once, with_faults = measured(plans, options.controllers, options.runs, options.parallel)
    median = sorted(each, key=lambda run: run.wall_s)[len(each) // 2]
    walls = [run.wall_s for run in each]
    text = (
        f"`python benchmarks/field.py --plan {options.plan} --controllers {options.controllers} --runs {options.runs}"
        f" --parallel {options.parallel}`, {cores()} cores, load average {load_before:.1f} before and"
        f" {os.getloadavg()[0]:.1f} after; greenband {__version__}, Python {platform.python_version()}, cryptography"
        f" {cryptography.__version__}, {sys.platform}. {median.objects} objects a controller at least.\n\n"
        "| | hold and run the plan | wall s | healthy ones done after s | CPU s | CPU s of the stand-ins |\n"
        "|---|---|---|---|---|---|\n"
    )
    text += _row(f"one controller, median of {len(each)} ({min(walls):.2f} to {max(walls):.2f} s)", median)
    text += _row(f"{at_once.controllers} controllers, {options.parallel} at a time", at_once)
    text += _row(f"the same, one in {FAILING_SHARE} failing ({', '.join(FAILING)})", with_faults)
    print(text)
    print(f"median of one: {statistics.median(walls):.2f} s")
    if options.out:
        write_text(options.out, text)


if __name__ == "__main__":
    main()
