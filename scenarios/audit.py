"""What looks wrong in a light's own program, said by rule with signal and movement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from greenband.network import Signal
from greenband.observation import MAX_STAGES
from greenband.scenarios.programs import Phase, Program, Run
from greenband.signals import GREEN

__all__ = ["Finding", "audit"]


@dataclass(frozen=True)
class Finding:
    """One thing to look at. ``movement`` is ``from>to``, a crossing's id, or empty where it is about the signal."""

    rule: str
    signal: str
    movement: str
    detail: str

    def __str__(self) -> str:
        place = " ".join(part for part in (self.signal, self.movement) if part)
        return f"{self.rule}: {place + ': ' if place else ''}{self.detail}"


def audit(signal: Signal, program: Program, stages: Sequence[Run]) -> list[Finding]:
    """Every finding about a light's program and the stages read from it."""
    rules = (_never_green, _conflicting_greens, _needless_yield)
    found = [finding for rule in rules for finding in rule(signal, [run.phase for run in stages])]
    found += _missing_yellow(signal, program)
    if len(stages) > MAX_STAGES:
        detail = f"{len(stages)} stages; learned policies hold at most {MAX_STAGES} and refuse this network"
        found.append(Finding("many stages", signal.id, "", detail))
    return found


def _name(signal: Signal, link: int) -> str:
    names = [m.id for m in signal.movements if link in m.links]
    return " ".join(names + [crossing.id for crossing in signal.crossings if crossing.index == link])


def _never_green(signal: Signal, stages: Sequence[Phase]) -> Iterator[Finding]:
    links = {link.index for link in signal.links} | {crossing.index for crossing in signal.crossings}
    for link in sorted(links):
        if all(stage.state[link] not in "Ggs" for stage in stages):
            detail = f"link {link} has no green in any stage"
            yield Finding("never green", signal.id, _name(signal, link), detail)


def _conflicting_greens(signal: Signal, stages: Sequence[Phase]) -> Iterator[Finding]:
    for a, b in sorted(signal.conflicts):
        both = [k for k, stage in enumerate(stages, 1) if stage.state[a] == stage.state[b] == "G"]
        if both:
            detail = f"links {a} and {b} cross, but both are G in stage {_list(both)}; one is g in the copy"
            yield Finding("conflicting greens", signal.id, f"{_name(signal, a)} / {_name(signal, b)}", detail)


def _needless_yield(signal: Signal, stages: Sequence[Phase]) -> Iterator[Finding]:
    foes: dict[int, set[int]] = {}
    for a, b in signal.conflicts:
        foes.setdefault(a, set()).add(b)
        foes.setdefault(b, set()).add(a)
    for link in sorted({link.index for link in signal.links}):
        free = [
            k
            for k, stage in enumerate(stages, 1)
            if stage.state[link] == "g" and not any(stage.state[foe] in "Ggs" for foe in foes.get(link, ()))
        ]
        if free:
            detail = f"link {link} is g in stage {_list(free)} with nothing to yield to; G would do"
            yield Finding("needless yield", signal.id, _name(signal, link), detail)


def _missing_yellow(signal: Signal, program: Program) -> Iterator[Finding]:
    if program.kind == "NEMA":
        return  # its phases have their yellow as an attribute
    on_foot = {crossing.index for crossing in signal.crossings}
    phases = (*program.phases, program.phases[0])
    for link in sorted({link.index for link in signal.links} - on_foot):
        for number, (before, after) in enumerate(pairwise(phases), 1):
            if before.state[link] in GREEN and after.state[link] in "rsu":
                detail = f"link {link} goes from {before.state[link]} to {after.state[link]} after phase {number}"
                yield Finding("missing yellow", signal.id, _name(signal, link), detail)
                break


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
