"""The rows of a timing table 配时方案表, one per plan and stage, as the CSV files and the workbook both have them.

Headings follow the usual Chinese timing table, with English after them; times are whole seconds. Minimum and maximum
count green and green flash together, as limits do. Walk and its flash are those of the stage's crossing that takes
longest. Only the columns in ``READ`` are read back, each cell checked; the others are for people.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from greenband.errors import BadInput
from greenband.formats import wording
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

__all__ = ["COLUMNS", "ORIGIN", "PER_PLAN", "READ", "Row", "origin_cells", "plan_of", "provenance_of", "stage_rows"]

COLUMNS = {
    "signal": "路口编号 Junction",
    "junction_name": "路口名称 Junction name",
    "number": "方案号 Plan no.",
    "name": "方案名称 Plan name",
    "period": "时段 Period",
    "times": "运行时段 Times of day",
    "mode": "控制方式 Control mode",
    "cycle_s": "周期 Cycle (s)",
    "offset_s": "相位差 Offset (s)",
    "reference": "协调相位 Reference stage",
    "stage": "阶段号 Stage no.",
    "stage_name": "阶段名称 Stage name",
    "flows": "放行流向 Released flows",
    "movements": "流向编号 Movement ids",
    "green_s": "绿灯 Green (s)",
    "green_flash_s": "绿闪 Green flash (s)",
    "yellow_s": "黄灯 Yellow (s)",
    "all_red_s": "全红 All-red (s)",
    "walk_s": "行人绿 Walk (s)",
    "walk_flash_s": "行人绿闪 Ped flash (s)",
    "duration_s": "阶段时长 Stage time (s)",
    "min_green_s": "最小绿 Min green (s)",
    "max_green_s": "最大绿 Max green (s)",
}
PER_PLAN = ("signal", "junction_name", "number", "name", "period", "times", "mode", "cycle_s", "offset_s", "reference")
READ = (
    *("signal", "name", "period", "cycle_s", "offset_s", "reference", "stage", "stage_name", "movements"),
    *("green_s", "green_flash_s", "yellow_s", "all_red_s", "duration_s"),
)
ORIGIN = {
    "subject": "来源 Made by",
    "scenario": "场景 Scenario",
    "seeds": "随机种子 Seeds",
    "greenband": "greenband",
    "sumo": "SUMO",
    "note": "备注 Note",
    "approved_by": "批准 Approved by",
}
MODE = "固定配时 fixed time"
BETWEEN = " | "  # SUMO allows no bar in an id


def stage_rows(plans: PlanSet, signal: str) -> Iterator[dict[str, object]]:
    """The rows of a junction, by the names of their columns: plan after plan, in the order of the stages.

    Raises:
        BadInput: an id holds a bar, which separates ids in a cell.
    """
    periods = [(period, of[signal]) for period, of in plans.plans.items() if signal in of]
    for number, (period, plan) in enumerate(periods, 1):
        of_plan = {
            "signal": signal,
            "junction_name": wording.names(plans, signal)[0],
            "number": number,
            "name": plan.name,
            "period": period,
            "times": wording.times_of_day(plans, signal, period),
            "mode": MODE,
            "cycle_s": plan.cycle_s,
            "offset_s": plan.offset_s,
            "reference": plan.stages[0].stage + 1,
        }
        for stage in plan.stages:
            yield {**of_plan, **_stage_cells(plans, signal, stage), **_limit_cells(plans, signal, stage)}


def _stage_cells(plans: PlanSet, signal: str, stage: StageTiming) -> dict[str, object]:
    if any("|" in movement or not movement.strip() == movement != "" for movement in stage.movements):
        raise BadInput(f"junction {signal}: a movement id in {list(stage.movements)} cannot stand in a timing table")
    return {
        "stage": stage.stage + 1,
        "stage_name": stage.name,
        "flows": wording.flows(plans, signal, stage),
        "movements": BETWEEN.join(stage.movements),
        "green_s": stage.green_s,
        "green_flash_s": stage.green_flash_s,
        "yellow_s": stage.yellow_s,
        "all_red_s": stage.all_red_s,
        "duration_s": stage.duration_s,
    }


def _limit_cells(plans: PlanSet, signal: str, stage: StageTiming) -> dict[str, object]:
    junction = plans.junctions.get(signal)
    if junction is None:
        return dict.fromkeys(("walk_s", "walk_flash_s", "min_green_s", "max_green_s"), "")
    known = junction.stages[stage.stage]
    longest = max(known.walks, key=lambda walk: walk.walk_s + walk.flash_s, default=None)
    return {
        "walk_s": longest.walk_s if longest else "",
        "walk_flash_s": longest.flash_s if longest else "",
        "min_green_s": known.min_green_s,
        "max_green_s": known.max_green_s,
    }


def origin_cells(origin: Provenance) -> dict[str, str]:
    """Where a plan set comes from, as text by the names in ``ORIGIN``."""
    return {**origin.model_dump(exclude={"seeds"}), "seeds": " ".join(str(seed) for seed in origin.seeds)}


@dataclass(frozen=True)
class Row(ABC):
    """A row as read. It knows the place of each cell, so that every complaint can name it."""

    path: Path
    number: int
    cells: Mapping[str, str]

    @abstractmethod
    def place(self, column: str) -> str:
        """Where in the file a cell stands."""

    @property
    def within(self) -> str:
        """The part of the file that holds the row, with a comma after it; empty where a file is one table."""
        return ""

    def fail(self, column: str, allowed: str) -> NoReturn:
        """Raise BadInput for a cell."""
        raise BadInput(f"{self.path}: {self.place(column)}: {self.cells[column]!r} is not allowed: {allowed}")

    def whole(self, column: str, least: int = 0) -> int:
        """A whole number of at least ``least``.

        Raises:
            BadInput: the cell holds anything else.
        """
        text = self.cells[column].strip()
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
            self.fail(column, f"it must be a whole number from {least} up")
        return int(text)


def plan_of(rows: Sequence[Row], signal: str, period: str) -> TimingPlan:
    """The plan in a junction's rows of a period.

    Raises:
        BadInput: naming place, value and what is allowed.
    """
    first = rows[0]
    for row in rows[1:]:
        for column in ("name", "cycle_s", "offset_s", "reference"):
            if row.cells[column] != first.cells[column]:
                row.fail(column, f"row {first.number} of the same plan has {first.cells[column]!r}")
    stages = tuple(_stage(row) for row in rows)
    if first.whole("reference", 1) != stages[0].stage + 1:
        first.fail("reference", f"it must be the first stage of the plan, {stages[0].stage + 1}")
    cycle, offset, name = first.whole("cycle_s", 1), first.whole("offset_s"), first.cells["name"]
    try:
        return TimingPlan(signal=signal, name=name, cycle_s=cycle, offset_s=offset, stages=stages)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        place = f"{first.within}rows {first.number} to {rows[-1].number}, period {period}"
        raise BadInput(f"{first.path}: {place}: {message}") from error


def _stage(row: Row) -> StageTiming:
    movements = row.cells["movements"]
    stage = StageTiming(
        stage=row.whole("stage", 1) - 1,
        name=row.cells["stage_name"],
        movements=tuple(movements.split(BETWEEN)) if movements else (),
        green_s=row.whole("green_s"),
        green_flash_s=row.whole("green_flash_s"),
        yellow_s=row.whole("yellow_s"),
        all_red_s=row.whole("all_red_s"),
    )
    if row.whole("duration_s") != stage.duration_s:
        row.fail("duration_s", f"green, flash, yellow and all-red of this row sum to {stage.duration_s}")
    return stage


def provenance_of(row: Row) -> Provenance:
    """Where a plan set comes from, of a row with the columns in ``ORIGIN``.

    Raises:
        BadInput: the seeds are not whole numbers.
    """
    seeds = row.cells["seeds"].split()
    if not all(re.fullmatch(r"-?[0-9]{1,18}", seed) for seed in seeds):
        row.fail("seeds", "it must be whole numbers with a blank between")
    texts = {key: row.cells[key] for key in ORIGIN if key != "seeds"}
    return Provenance(seeds=tuple(int(seed) for seed in seeds), **texts)
