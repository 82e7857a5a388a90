"""Which cycles a signal's limits allow, and the least green of each stage at one of them."""

from __future__ import annotations

from collections.abc import Mapping

from greenband.errors import BadInput
from greenband.signals import Limits

__all__ = ["feasible_cycles", "least_greens", "longest_cycle_s"]


def feasible_cycles(limits: Mapping[str, Limits]) -> tuple[int, int]:
    """Shortest and longest common cycle in s at which every signal can keep its limits.

    Raises:
        BadInput: there is none; the message names the two signals that exclude each other.
    """
    shortest = {name: sum(g + lim.intergreen_s for g in lim.min_green_s) for name, lim in limits.items()}
    longest = {name: longest_cycle_s(lim) for name, lim in limits.items()}
    slow, fast = max(shortest, key=lambda n: shortest[n]), min(longest, key=lambda n: longest[n])
    if shortest[slow] > longest[fast]:
        raise BadInput(
            f"no common cycle: signal {slow} needs at least {shortest[slow]} s for its minimum greens,"
            f" signal {fast} allows at most {longest[fast]} s by its maximum green and maximum red"
        )
    return shortest[slow], longest[fast]


def longest_cycle_s(limits: Limits) -> int:
    """Longest cycle of a signal in s: all stages at maximum green, and none red for longer than the maximum red.

    A stage is red for the cycle less its own green. If every stage has ``C - max_red`` of green or more, the cycle C is
    at least their sum with the intergreens; a longer cycle would leave some stage red too long.
    """
    n, between = len(limits.min_green_s), limits.intergreen_s
    by_green = n * (limits.max_green_s + between)
    if n == 1:
        return by_green
    cycles = range(by_green, 0, -1)
    return next((c for c in cycles if _fits(limits, c)), 0)


def _fits(limits: Limits, cycle_s: int) -> bool:
    """Whether greens exist that fill the cycle within minima, maximum green and maximum red."""
    floors = least_greens(limits, cycle_s)
    available = cycle_s - len(floors) * limits.intergreen_s
    return max(floors) <= limits.max_green_s and sum(floors) <= available <= len(floors) * limits.max_green_s


def least_greens(limits: Limits, cycle_s: int) -> list[int]:
    """Least green per stage in s: its minimum, and enough that it is not red for longer than the maximum red."""
    if len(limits.min_green_s) == 1:
        return list(limits.min_green_s)
    return [max(least, cycle_s - limits.max_red_s) for least in limits.min_green_s]
