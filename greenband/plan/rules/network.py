"""Whether a plan set's junctions are those of the network that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from greenband.plan.junction import Junction
from greenband.plan.rules.finding import Finding

__all__ = ["as_built"]


def as_built(told: Mapping[str, Junction], built: Mapping[str, Junction], name: str) -> Iterator[Finding]:
    """Where signal groups, stages or conflicts of a file are not those of the scenario ``name``.

    A file could leave a conflict out; limits and names may be an engineer's own.
    """
    for signal, junction in told.items():
        if signal not in built:
            yield Finding("network", signal, "", "junction", "unknown", f"a junction of {name}")
            continue
        there = built[signal]
        for field in ("groups", "conflicts", "yields"):
            if getattr(junction, field) != getattr(there, field):
                yield Finding("network", signal, "", field, "others", f"those of {name}")
        for number, (stage, known) in enumerate(zip(junction.stages, there.stages, strict=False), 1):
            if (stage.green, stage.permitted, stage.lamps) != (known.green, known.permitted, known.lamps):
                yield Finding("network", signal, "", f"stage {number}", "other greens", f"those of {name}")
        if len(junction.stages) != len(there.stages):
            found, wanted = f"{len(junction.stages)} stages", f"{len(there.stages)}, as {name} has"
            yield Finding("network", signal, "", "stages", found, wanted)
