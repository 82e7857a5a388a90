"""Approaches by point of the compass, and movements by codes such as ``NBL``, as UTDF and GMNS name them.

``NB`` is traffic that travels north. Every approach gets a direction of its own: the one nearest to its bearing, the
four main ones before the four between where both are about as near.
"""

from __future__ import annotations

from collections.abc import Iterable

from scipy.optimize import linear_sum_assignment

from greenband.errors import BadInput
from greenband.plan.junction import Junction, SignalGroup

__all__ = ["DIRECTIONS", "approach_of", "directions", "exit_of", "lane_groups", "nearest_direction"]

DIRECTIONS = {"NB": 0, "SB": 180, "EB": 90, "WB": 270, "NE": 45, "NW": 315, "SE": 135, "SW": 225}
MAIN_ROAD_LEAD_DEG = 10  # roads 27 degrees off north are still called north, as people on the spot do


def approach_of(group: SignalGroup) -> str:
    """The edge from which a vehicle group comes."""
    return group.movement.partition(">")[0]


def exit_of(group: SignalGroup) -> str:
    """The edge into which a vehicle group goes."""
    return group.movement.partition(">")[2]


def nearest_direction(bearing: float) -> str:
    """The direction for a bearing alone."""
    return min(DIRECTIONS, key=lambda name: _misfit(bearing, name))


def directions(junction: Junction) -> dict[str, str]:
    """Each approach edge's direction, such as ``NB``.

    Raises:
        BadInput: there are more approaches than directions.
    """
    bearings = {approach_of(group): group.bearing for group in _vehicles(junction)}
    if len(bearings) > len(DIRECTIONS):
        raise BadInput(f"junction {junction.signal}: {len(bearings)} approaches, but there are names for 8 directions")
    if not bearings:
        return {}
    costs = [[_misfit(bearing, name) for name in DIRECTIONS] for bearing in bearings.values()]
    _, chosen = linear_sum_assignment(costs)
    names = list(DIRECTIONS)
    return {edge: names[column] for edge, column in zip(bearings, chosen, strict=True)}


def _misfit(bearing: float, name: str) -> float:
    return abs((bearing - DIRECTIONS[name] + 180) % 360 - 180) + (0 if name.endswith("B") else MAIN_ROAD_LEAD_DEG)


def _vehicles(junction: Junction) -> Iterable[SignalGroup]:
    for group in junction.groups:
        if group.kind == "vehicle":
            if not approach_of(group) or not exit_of(group):
                raise BadInput(
                    f"junction {junction.signal}: movement {group.movement!r} of signal group {group.number} must be"
                    " from>to to be told by approach and turn"
                )
            yield group


def lane_groups(junction: Junction) -> dict[str, tuple[SignalGroup, ...]]:
    """Vehicle groups by code such as ``NBL``, ``NBT``, ``NBR`` or ``NBU``; one movement's groups stand together.

    Where two movements of an approach turn the same way, the sharper one is ``NBL2`` or ``NBR2``: SUMO lists links from
    the kerb to the middle of the road.

    Raises:
        BadInput: an approach has more movements of a turn than there are codes.
    """
    of_turn: dict[tuple[str, str], dict[str, list[SignalGroup]]] = {}
    named = directions(junction)
    for group in _vehicles(junction):
        way = named[approach_of(group)], group.turn
        of_turn.setdefault(way, {}).setdefault(group.movement, []).append(group)
    found = {}
    for (direction, turn), movements in of_turn.items():
        letter = _letter(turn, junction.left_hand)
        if len(movements) > (2 if letter in "LR" else 1):
            raise BadInput(
                f"junction {junction.signal}: movements {', '.join(movements)} are all {direction}{letter}, which"
                " UTDF and GMNS cannot tell apart"
            )
        outward = list(movements.values())[:: -1 if turn == "near" else 1]
        for number, groups in enumerate(outward, 1):
            found[f"{direction}{letter}{number if number > 1 else ''}"] = tuple(groups)
    return found


def _letter(turn: str, left_hand: bool) -> str:
    near, far = ("L", "R") if left_hand else ("R", "L")
    return {"through": "T", "near": near, "far": far, "back": "U"}[turn]
