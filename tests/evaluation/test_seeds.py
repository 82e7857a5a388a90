"""Seeds from text."""

from __future__ import annotations

import pytest

from greenband.errors import BadInput
from greenband.evaluation import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0:3", (0, 1, 2)),
        ("7", (7,)),
        (" 1 , 5:7 ", (1, 5, 6)),
        ("10000:10002,3", (10000, 10001, 3)),
        ("2 : 4", (2, 3)),
    ],
)
def test_ranges_numbers_and_lists(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a:b", "3:3", "5:2", "1,,2", "-1", "0:-1", "1.5", "0:10:2", "1;2", "٣:x"])
def test_anything_else_is_named(text: str) -> None:
    with pytest.raises(BadInput, match="seeds"):
        parse_seeds(text)


def test_a_seed_twice_is_taken_once() -> None:
    """Repeated runs are no new evidence and would make intervals too narrow."""
    assert parse_seeds("0:3,1,0:2") == (0, 1, 2)
