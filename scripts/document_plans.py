"""Write the JSON Schema of plan files to docs/plan.schema.json."""

from __future__ import annotations

from pathlib import Path

from greenband.files import write_text
from greenband.plan.model import PlanSet

write_text(Path(__file__).parents[1] / "docs" / "plan.schema.json", PlanSet.schema_text())
