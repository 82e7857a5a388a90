"""Numbers of NEMA phases, and so their rings: the usual ones where the approaches allow it, else in order of groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from greenband.plan.blocks import Block, NoRings
from greenband.plan.junction import Junction

__all__ = ["Numbers", "numbered", "ring_of"]

PHASES_OF_A_RING = 4
THROUGH = (2, 4, 6, 8)  # clockwise
FAR_TURN = {2: 5, 4: 7, 6: 1, 8: 3}  # of the approach with this through phase


@dataclass(frozen=True)
class Numbers:
    """Blocks by phase number, ring 1 up to 4; whether the numbers are the usual ones; and the main road's phases."""

    blocks: Mapping[int, Block]
    standard: bool
    main: tuple[int, ...]


def numbered(junction: Junction, cycle_s: int, blocks: Sequence[Block]) -> Numbers:
    """Number the blocks so that none of a ring overlap.

    Raises:
        NoRings: more than two must be green at the same time, or a ring would have more than four.
    """
    usual = _one_ring_rests(cycle_s, _usual(junction, cycle_s, blocks))
    main = [number for number in (2, 6) if number in usual]
    if main and not _overlapping(cycle_s, usual) and len(_rings_alone(cycle_s, usual)) < 2:
        return Numbers(usual, True, tuple(main))
    found = _in_two_rings(cycle_s, _merged(blocks))
    first = _main_blocks(junction, list(found.values()))
    return Numbers(found, False, tuple(number for number, block in found.items() if block in first))


def ring_of(number: int) -> int:
    """The ring of a phase."""
    return 1 if number <= PHASES_OF_A_RING else 2


def _main_blocks(junction: Junction, blocks: Sequence[Block]) -> list[Block]:
    """Those of the junction's first stage that has any."""
    found = ([block for block in blocks if stage.going & set(block.groups)] for stage in junction.stages)
    return next(main for main in found if main)


def _usual(junction: Junction, cycle_s: int, blocks: Sequence[Block]) -> dict[int, Block]:
    """Blocks by their usual numbers; none where the approaches do not fit these."""
    vehicles = [block for block in blocks if block.approach]
    found: dict[int, Block] = {}
    for approach in dict.fromkeys(block.approach for block in vehicles):
        of_one = sorted((b for b in vehicles if b.approach == approach), key=lambda b: (_only_far(b), b.start))
        if len(of_one) == 1 and _alone(cycle_s, of_one[0], blocks) and {"through", "far"} <= of_one[0].turns:
            of_one = _divided(junction, of_one[0])
        through = THROUGH[round((of_one[0].bearing - _main_bearing(junction, vehicles)) % 360 / 90) % 4]
        if through in found or not all(_only_far(block) for block in of_one[1:]) or len(of_one) > 2:
            return {}
        found.update(zip((through, FAR_TURN[through]), of_one, strict=False))
    spare = (number for number in range(1, 2 * PHASES_OF_A_RING + 1) if number not in found)
    return found | dict(zip(spare, (block for block in blocks if not block.approach), strict=False))


def _main_bearing(junction: Junction, vehicles: Sequence[Block]) -> int:
    """The bearing of the main road, that of the junction's first stage with a phase, as it goes north or east."""
    bearing = min(_main_blocks(junction, vehicles), key=lambda block: min(block.groups)).bearing
    return bearing if (bearing + 45) % 360 < 180 else (bearing + 180) % 360


def _only_far(block: Block) -> bool:
    return block.turns <= {"far", "back"}


def _alone(cycle_s: int, block: Block, blocks: Iterable[Block]) -> bool:
    return not any(other is not block and _overlap(cycle_s, block, other) for other in blocks)


def _divided(junction: Junction, block: Block) -> list[Block]:
    """An approach that is green alone as two phases that run together, one in each ring."""
    turning = tuple(number for number in block.groups if junction.group(number).turn in ("far", "back"))
    others = tuple(number for number in block.groups if number not in turning)
    return [
        replace(block, groups=others, turns=block.turns - {"far", "back"}),
        replace(block, groups=turning, turns=block.turns & {"far", "back"}, walk=0, clearance=0),
    ]


def _rings_alone(cycle_s: int, blocks: Mapping[int, Block]) -> set[int]:
    """Rings with phases beside which the other one rests; of two rings nothing would say which phase comes first."""
    return {ring_of(number) for number, block in blocks.items() if _alone(cycle_s, block, blocks.values())}


def _one_ring_rests(cycle_s: int, blocks: Mapping[int, Block]) -> dict[int, Block]:
    """Phases that are on alone moved to ring 1, to the number of their far-side turn, if some lie there already."""
    if len(_rings_alone(cycle_s, blocks)) < 2:
        return dict(blocks)
    moved = {
        number: FAR_TURN[number]
        for number in (6, 8)
        if number in blocks and FAR_TURN[number] not in blocks and _alone(cycle_s, blocks[number], blocks.values())
    }
    return {moved.get(number, number): block for number, block in blocks.items()}


def _overlapping(cycle_s: int, blocks: Mapping[int, Block]) -> bool:
    pairs = combinations(blocks.items(), 2)
    return any(ring_of(m) == ring_of(n) and _overlap(cycle_s, one, other) for (m, one), (n, other) in pairs)


def _overlap(cycle_s: int, one: Block, other: Block) -> bool:
    return (other.start - one.start) % cycle_s < one.duration or (one.start - other.start) % cycle_s < other.duration


def _merged(blocks: Sequence[Block]) -> list[Block]:
    """Blocks with the same green as one, by their lowest groups."""
    alike: dict[tuple[int, int], Block] = {}
    for block in blocks:
        same = alike.get((block.start, block.green))
        alike[block.start, block.green] = _joined(same, block) if same else block
    return sorted(alike.values(), key=lambda block: min(block.groups))


def _joined(one: Block, other: Block) -> Block:
    if one.walk and other.walk and one.walk != other.walk:
        raise NoRings(f"signal groups {_list(one)} and {_list(other)} walk {one.walk} and {other.walk} s in one phase")
    groups, turns = (*one.groups, *other.groups), one.turns | other.turns
    clearance = max(one.clearance, other.clearance)
    return replace(one, groups=groups, turns=turns, walk=max(one.walk, other.walk), clearance=clearance)


def _list(block: Block) -> str:
    return ", ".join(str(number) for number in sorted(block.groups))


def _in_two_rings(cycle_s: int, blocks: Sequence[Block]) -> dict[int, Block]:
    """Blocks that overlap lie in different rings; those that meet none lie in ring 1."""
    ring: dict[int, int] = {}
    for first in range(len(blocks)):
        waiting = [(first, 1)] if first not in ring else []
        while waiting:
            k, wanted = waiting.pop()
            if ring.setdefault(k, wanted) != wanted:
                raise NoRings(
                    f"more than two phases would be on at once: that of signal groups {_list(blocks[k])} and others"
                )
            meets = [m for m in range(len(blocks)) if m != k and _overlap(cycle_s, blocks[k], blocks[m])]
            waiting += [(m, 3 - wanted) for m in meets if ring.get(m) != 3 - wanted]
    found = {}
    for side in (1, 2):
        members = [block for k, block in enumerate(blocks) if ring[k] == side]
        if len(members) > PHASES_OF_A_RING:
            raise NoRings(f"ring {side} would hold {len(members)} phases, and it has {PHASES_OF_A_RING}")
        found.update({PHASES_OF_A_RING * (side - 1) + k: block for k, block in enumerate(members, 1)})
    return found
