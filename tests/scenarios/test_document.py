"""The scenarios' pages are those that ``make docs`` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenband.scenarios import available, load
from greenband.scenarios.document import page

DOCS = Path(__file__).parents[2] / "docs" / "scenarios"


@pytest.mark.parametrize("name", available())
def test_the_page_is_current_and_names_every_figure(name: str) -> None:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert text == page(name), "run make docs"
    for figure in load(name, people=True, ebikes=True).assumptions:
        assert f"| {figure.figure} |" in text
