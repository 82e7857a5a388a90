"""The two READMEs say the same: as many headings of the same levels, the same commands, figures and links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def code(text: str) -> list[str]:
    """Commands in fenced blocks, without their remarks, and in the running text."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return lines + sorted(re.findall(r"`([^`]+)`", rest))


def headings(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) \S", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)]


def figures(text: str) -> list[list[str]]:
    """Numbers in the rows of tables."""
    return [re.findall(r"[-+]?\d+\.\d+", line) for line in text.splitlines() if line.startswith("| ")]


def links(text: str) -> list[str]:
    return sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.zh-CN.md"})


def test_same_headings() -> None:
    assert len(headings(ENGLISH)) >= 5
    assert headings(ENGLISH) == headings(CHINESE)


def test_same_commands() -> None:
    assert "make demo" in code(ENGLISH)
    assert code(ENGLISH) == code(CHINESE)


def test_same_figures() -> None:
    assert sum(map(len, figures(ENGLISH))) > 10
    assert figures(ENGLISH) == figures(CHINESE)


def test_same_links_and_all_lead_somewhere() -> None:
    assert links(ENGLISH) == links(CHINESE)
    assert [link for link in links(ENGLISH) if "://" not in link and not (ROOT / link).exists()] == []
