from __future__ import annotations

import pytest

from greenband.errors import BadInput
from greenband.plan.cycles import feasible_cycles, least_greens
from greenband.signals import Limits


def test_feasible_cycles_by_hand() -> None:
    one = Limits(3, 2, (15, 8), max_green_s=40, max_red_s=180)
    assert feasible_cycles({"a": one}) == (33, 90)
    tight = Limits(3, 2, (10, 10), max_green_s=90, max_red_s=30)
    # greens of at least C - 30 each and C - 10 in all: C = 50
    assert feasible_cycles({"a": one, "b": tight}) == (33, 50)
    with pytest.raises(BadInput, match=r"signal slow needs at least 95 s .* signal b allows at most 50 s"):
        feasible_cycles({"slow": Limits(3, 2, (45, 40)), "b": tight})


def test_least_greens_by_hand() -> None:
    # At 100 s a stage with 15 s of green would be red for 85 s; 80 s are allowed, so each has 20 s or more.
    assert least_greens(Limits(3, 2, (15, 25), max_red_s=80), 100) == [20, 25]
    assert least_greens(Limits(3, 2, (15,), max_red_s=80), 100) == [15]
