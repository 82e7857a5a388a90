"""A city of junctions with plans, and its controllers, which are stand-ins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from greenband.field import connections
from greenband.field.desk import Desk
from greenband.field.inventory import load
from greenband.field.ntcip import NtcipDriver
from greenband.field.ntcip.transaction import Waits
from greenband.field.stand_ins.ntcip import Faults, Settings, StandIn, User
from greenband.formats import ntcip
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.junction import Junction, SignalGroup, StageDefinition
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

City = Callable[..., PlanSet]
APPROACHES = (("s", 0), ("n", 180), ("w", 90), ("e", 270))
STAGES = ((1, 3), (2, 4), (5, 7), (6, 8))  # through and far turns of the main road, then of the side road
AM, PM = ((0, 30), (1, 12), (2, 20), (3, 12)), ((1, 12), (0, 40), (3, 12), (2, 21))  # stages with their greens in s


def _group(number: int, come: str, bearing: int, turn: str) -> SignalGroup:
    return SignalGroup.model_validate(
        {
            "number": number,
            "movement": f"{come}>{turn}",
            "bearing": bearing,
            "turn": turn,
            "speed_ms": 14,
            "crossing_m": 20,
        }
    )


def _junction(signal: str, number: int) -> Junction:
    both = [(come, bearing, turn) for come, bearing in APPROACHES for turn in ("through", "far")]
    apart = (pair for pair in combinations(range(1, 9), 2) if pair not in STAGES and pair not in ((1, 2), (3, 4)))
    return Junction(
        signal=signal,
        number=number,
        yellow_s=3,
        all_red_s=2,
        max_red_s=180,
        groups=tuple(_group(nth, *one) for nth, one in enumerate(both, 1)),
        stages=tuple(StageDefinition(name=str(green), green=green, min_green_s=5, max_green_s=60) for green in STAGES),
        conflicts=tuple(apart),
    )


def _plan(signal: str, greens: Sequence[tuple[int, int]], more_s: int, offset_s: int) -> TimingPlan:
    stages = tuple(
        StageTiming(
            stage=stage,
            name=str(STAGES[stage]),
            green_s=green_s - 3 + more_s,
            green_flash_s=3,
            yellow_s=3,
            all_red_s=2,
        )
        for stage, green_s in greens
    )
    return TimingPlan(
        signal=signal, name="t", cycle_s=sum(one.duration_s for one in stages), offset_s=offset_s, stages=stages
    )


def _city(count: int = 1, more_s: int = 0, night: bool = False) -> PlanSet:
    names = [f"X{number:03d}" for number in range(1, count + 1)]
    greens = {"AM": AM, "PM": PM} | ({"night": AM[::-1]} if night else {})
    rest = DayPlan(switches=(Switch(at_min=0, plan="PM"), Switch(at_min=540, plan=[*greens][-1])))
    work = DayPlan(switches=(Switch(at_min=0, plan="PM"), Switch(at_min=435, plan="AM")))
    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none", greenband="0"),
        plans={
            plan: {name: _plan(name, order, more_s, nth % 50) for nth, name in enumerate(names)}
            for plan, order in greens.items()
        },
        junctions={name: _junction(name, nth) for nth, name in enumerate(names, 1)},
        day_plans={"work": work, "rest": rest},
        schedule=(
            ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
            ScheduleRow(day_plan="rest", weekdays=(6, 7)),
        ),
    )


@pytest.fixture(scope="session")
def city() -> City:
    """Makes plans of so many junctions that keep all rules; others with more green, or with a plan more."""
    return _city


AUTH, PRIVACY = "auth-secret-Xq7", "privacy-secret-Zw9"
WAITS = Waits(verify_s=0.5, settle_s=1.0)


@dataclass
class Fleet:
    """NTCIP stand-ins for all junctions of a plan set, which they hold; those with a fault come first in the inventory.

    ``files`` are their inventory and secrets, written once they are served.
    """

    folder: Path
    plans: PlanSet
    faults: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)
    stand_ins: dict[str, StandIn] = field(init=False)

    def __post_init__(self) -> None:
        user = User("operator", AUTH, PRIVACY)
        self.stand_ins = {}
        for name in sorted(self.plans.junctions, key=lambda name: name not in self.faults):
            faults, state = Faults.of(self.faults.get(name, "")), self.folder / f"{name}.state.json"
            settings = Settings((user,), name=name, faults=faults, state=state if name in self.faults else None)
            self.stand_ins[name] = StandIn(settings, ntcip.objects(self.plans, name))

    @property
    def inventory(self) -> Path:
        return self.folder / "controllers.yaml"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Answer, on free ports."""
        try:
            for one in self.stand_ins.values():
                await one.start()
            yield
        finally:
            for one in self.stand_ins.values():
                await one.stop()

    def write(self) -> None:
        """Write the inventory, once ports are known, and the secrets."""
        secrets = self.folder / "secrets.yaml"
        secrets.touch(mode=0o600)
        secrets.write_text(yaml.safe_dump({"auth": AUTH, "privacy": PRIVACY}))
        defaults = {"user": "operator", "auth": {"secret": "auth"}, "privacy": {"secret": "privacy"}}
        controllers = [
            {"junction": name, "address": f"127.0.0.1:{one.port}", "engine_id": one.engine_id.hex()}
            for name, one in self.stand_ins.items()
        ]
        content = {
            "secrets": "secrets.yaml",
            "defaults": {**defaults, "timeout_s": 0.5, "retries": 3, **self.more},
            "controllers": controllers,
        }
        self.inventory.write_text(yaml.safe_dump(content))

    @contextmanager
    def in_a_thread(self) -> Iterator[None]:
        """Answer, and have an inventory, while something else is done."""
        ready, loops, over = threading.Event(), list[asyncio.AbstractEventLoop](), asyncio.Event()

        async def serve() -> None:
            async with self.served():
                self.write()
                loops.append(asyncio.get_running_loop())
                ready.set()
                await over.wait()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(30)
            yield
        finally:
            loops[0].call_soon_threadsafe(over.set)
            thread.join()

    async def repair(self, name: str) -> None:
        """Start one of those with a fault anew, with what it has stored, and without the fault."""
        old = self.stand_ins[name]
        await old.stop()
        self.stand_ins[name] = StandIn(replace(old.settings, port=old.port, faults=Faults()))
        await self.stand_ins[name].start()

    def desk(self) -> Desk:
        """The desk of an operator."""
        self.write()
        return Desk(load(self.inventory))

    def held(self, name: str, plans: PlanSet) -> dict[str, str]:
        """What a stand-in holds at the objects of a plan set."""
        held = self.stand_ins[name].held()
        return {item.name: held[item.name] for item in ntcip.objects(plans, name)}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers do not wait long for a controller that verifies or settles."""
    monkeypatch.setattr(connections, "NtcipDriver", partial(NtcipDriver, waits=WAITS))


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[..., Fleet]:
    """Makes controllers: of a plan set, with faults by junction, in a folder, with more defaults of the inventory."""

    def made(plans: PlanSet, faults: Mapping[str, str] | None = None, folder: Path = tmp_path, **more: object) -> Fleet:
        folder.mkdir(exist_ok=True)
        return Fleet(folder, plans, faults or {}, more)

    return made
