"""docs/cli.md says what the program says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_reference_is_generated_from_the_help_texts(tmp_path: Path) -> None:
    target = tmp_path / "cli.md"
    command = [sys.executable, "-m", "typer", "greenband.cli.app", "utils", "docs", "--name", "greenband"]
    subprocess.run([*command, "--output", str(target)], check=True, capture_output=True)
    assert (ROOT / "docs" / "cli.md").read_text() == target.read_text(), "run make docs"
