"""The engineer's timing sheet 配时方案表 as an Excel workbook (Office Open XML, ISO/IEC 29500), ready to print on A4.

The first sheet, 总览 Overview, says where the plans come from and lists junctions, day plans 时段方案 and the schedule
调度. Each junction has a sheet of its own: a row per plan and stage with the columns of ``greenband.formats.table``,
the sums of each plan, and a picture of every stage. Times are whole seconds. What holds for a whole plan (cycle,
offset, name) stands in its first row alone. A sum that does not add up turns red in Excel.

An engineer may change the plans, the day plans and the schedule and give the workbook back. It is then read with every
cell checked; as with the CSV tables, the cell with the hash of what was changed must be emptied. Junctions with their
groups and conflicts are not in a workbook, so a plan set read from it has none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.formats.table import COLUMNS, ORIGIN
from greenband.plan.model import PlanSet

__all__ = ["calendar_hash", "export", "read"]

OVERVIEW = "总览 Overview"
BLOCKS = {  # of the overview, each with its columns
    "origin": "来源 Provenance",
    "junctions": "路口 Junctions",
    "day_plans": "时段方案 Day plans",
    "schedule": "调度 Schedule",
}
ORIGIN_ROWS = {
    **ORIGIN,
    "whole_hash": "内容校验 Content hash",
    "plans_hash": "方案校验 Plan set hash",
    "calendar_hash": "时段校验 Day plan hash",
}
JUNCTION_COLUMNS = {
    "number": "序号 No.",
    "sheet": "工作表 Sheet",
    "signal": "路口编号 Junction",
    "name_zh": "路口名称 Name (zh)",
    "name_en": "路口英文名 Name (en)",
    "coordination": "协调组 Coordination group",
    "green_flash_s": "绿闪 Green flash (s)",
    "yellow_s": "黄灯 Yellow (s)",
    "all_red_s": "全红 All-red (s)",
    "max_red_s": "最长红灯 Max red (s)",
}
DAY_PLAN_COLUMNS = {
    "day_plan": "时段方案 Day plan",
    "begin": "起 From",
    "end": "止 To",
    "period": "时段 Period",
    "name": "方案名称 Plan name",
    "cycle_s": "周期 Cycle (s)",
}
SCHEDULE_COLUMNS = {
    "day_plan": "时段方案 Day plan",
    "weekdays": "星期 Weekdays (1 = 周一 Monday)",
    "first": "首日 First day (MM-DD)",
    "last": "末日 Last day (MM-DD)",
    "name": "名称 Name",
}
SUM = "合计 Sum"
PICTURES = "阶段图 Stages"
STAGE_COLUMNS = {key: COLUMNS[key] for key in COLUMNS if key != "movements"} | {"movements": COLUMNS["movements"]}


def export(plans: PlanSet, path: Path) -> list[Path]:
    """Write the workbook.

    Raises:
        BadInput: a text holds what a workbook cannot (control characters, more than 32,767 characters).
    """
    from greenband.formats.sheet_writing import workbook  # openpyxl takes its time

    write_bytes(path, workbook(plans), durable=False)
    return [path]


def read(path: Path) -> PlanSet:
    """Read a workbook that ``export`` wrote and an engineer or Excel may have changed: all but the junctions.

    Raises:
        BadInput: naming file, sheet, cell, value and what is allowed; or plans or day plans were altered and their hash
            is still there.
    """
    from greenband.formats.sheet_reading import plan_set

    try:
        with path.open("rb") as file:
            return plan_set(path, file)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error


def calendar_hash(plans: PlanSet) -> str:
    """SHA-256 of day plans and schedule."""
    said = plans.model_dump(mode="json", include={"day_plans", "schedule"})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
