"""NEMA's dual ring of phases, made of a junction's stages where they fit one.

Phases of a ring follow each other; the two rings run side by side and meet at two barriers, so that of two stages that
serve the same two opposite approaches, say left turns then through, each approach moves on by itself. Numbers are the
usual ones: ring 1 holds phases 1 to 4, ring 2 phases 5 to 8; 1, 2, 5 and 6 lie before the first barrier. A stage that
cannot be parted is one phase of both rings.

Source: FHWA, Traffic Signal Timing Manual, FHWA-HOP-08-024, 2008, chapter 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenband.errors import BadInput
from greenband.network import Signal

__all__ = ["RingPhase", "Rings", "rings_of"]

Side = tuple[tuple[int, int], tuple[int, int]]  # phases before a barrier: per ring two, 0 for none


@dataclass(frozen=True)
class RingPhase:
    """A phase: the stage whose time it has, and the links that are green in it."""

    stage: int
    links: frozenset[int]


@dataclass(frozen=True)
class Rings:
    """Phases by number, and per ring four slots, two before each barrier, 0 for none; the second slot is always taken.

    The coordinated phases are those of the second slot.
    """

    phases: Mapping[int, RingPhase]
    slots: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def coordinated(self) -> tuple[int, int]:
        """The phases that end at a fixed time of the cycle, one of each ring."""
        return self.slots[0][1], self.slots[1][1]

    @property
    def order(self) -> tuple[int, ...]:
        """Stages as they follow each other, from the coordinated one on."""
        slots = self.slots[0]
        return tuple(self.phases[number].stage for number in (*slots[1:], slots[0]) if number)

    @property
    def crossing(self) -> tuple[int, int]:
        """The phases at the other barrier, one of each ring."""
        return self.slots[0][3], self.slots[1][3]


def rings_of(signal: Signal, order: Sequence[int], coordinated: int) -> Rings:
    """The rings in which a signal's stages follow each other in cyclic ``order``, one of them coordinated.

    A stage next to the coordinated one that shares its approaches comes before it, on the same side of the barrier.

    Raises:
        BadInput: there are more than four stages or fewer than two, or people cross here: their walk would have to end
            before the green, which these phases cannot show.
    """
    if signal.crossings:
        raise BadInput(f"junction {signal.id}: NEMA phases cannot show walk and clearance at its crossings on foot")
    if not 2 <= len(order) <= 4:
        raise BadInput(f"junction {signal.id}: {len(order)} stages do not fit into two rings: 2 to 4 do")
    at = order.index(coordinated)
    after = [*order[at + 1 :], *order[:at]]
    if len(after) > 1 and _parted(signal, after[-1], coordinated):
        first, other = [after.pop(), coordinated], after
    elif len(after) > 1 and _parted(signal, after[0], coordinated):
        first, other = [after.pop(0), coordinated], after
    else:
        first, other = [*after[2:], coordinated], after[:2]
    phases: dict[int, RingPhase] = {}
    (a, b), (c, d) = _side(signal, first, 1, phases), _side(signal, other, 3, phases)
    return Rings(phases, ((*a, *c), (*b, *d)))


def _side(signal: Signal, stages: Sequence[int], number: int, phases: dict[int, RingPhase]) -> Side:
    """Phases of one or two stages before a barrier, from ``number`` on in ring 1, added to ``phases``."""
    parts = _parted(signal, *stages) if len(stages) == 2 else None
    if parts is not None:
        for phase, part in zip((number, number + 5, number + 4, number + 1), parts, strict=True):
            phases[phase] = part
        return (number, number + 1), (number + 4, number + 5)
    numbers = (number, number + 1) if len(stages) == 2 else (0, number + 1)
    for phase, stage in zip(numbers[-len(stages) :], stages, strict=True):
        phases[phase] = RingPhase(stage, signal.stages[stage].greens)
    return numbers, numbers


def _parted(signal: Signal, first: int, last: int) -> tuple[RingPhase, RingPhase, RingPhase, RingPhase] | None:
    """Two stages by approach: first and last stage's part of one approach, then of the other.

    None where the approach that is ahead could meet the one that is behind: where the stages do not serve the same two
    approaches, share a green, have permissive ones, or a conflict within an approach.
    """
    before, after = signal.stages[first], signal.stages[last]
    approaches = sorted({link.from_edge for link in signal.links if link.index in before.greens})
    alike = approaches == sorted({link.from_edge for link in signal.links if link.index in after.greens})
    if len(approaches) != 2 or not alike or before.greens & after.greens or "g" in before.state + after.state:
        return None
    parts = [
        RingPhase(
            stage,
            signal.stages[stage].greens & {link.index for link in signal.links if link.from_edge == approach},
        )
        for approach in approaches
        for stage in (first, last)
    ]
    if any(
        (min(i, j), max(i, j)) in signal.conflicts
        for one, two in (parts[:2], parts[2:])
        for i in one.links
        for j in two.links
    ):
        return None
    return parts[0], parts[1], parts[2], parts[3]
