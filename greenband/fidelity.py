"""How finely SUMO simulates: ``micro``, every vehicle every second, or ``meso``, queues of vehicles on pieces of road.

Meso (Eissfeldt 2004) knows no lanes but at stop lines, no following and no braking, and runs many times faster. As SUMO
ships it it flatters; what makes its delays those of micro is here and in ``meso``, and ``benchmarks/fidelity.py``
measures how far they agree.

Source: SUMO's manual, Simulation/Meso.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["FIDELITIES", "Fidelity", "options"]

Fidelity = Literal["micro", "meso"]
FIDELITIES = ("micro", "meso")

# Between two vehicles pass, in meso, ``tau`` times the headway of its type and the time to drive its length. Cars of
# Shixin Road (1.3 s, 7 m, 50 km/h) so leave a free piece every 2.2 s and a jammed one every 2.5 s. In micro a
# standing queue discharges one in 2.25 s (benchmarks/results/saturation_flow.md), of turns one in 2.4 s
# (benchmarks/results/turn_capacity.md); the rest was chosen on a plan that chokes the road (benchmarks/fidelity.py).
FREE, JAMMED = "1.30", "1.55"

MESO = {
    "meso-junction-control": "true",  # vehicles mind lamps and right of way, one by one
    "meso-interpolate-pos": "true",  # places of vehicles on a piece of road are asked for
    "meso-edgelength": "500",  # m, of a piece: on the last one of an edge vehicles queue by lane
    "meso-tauff": FREE,  # from a free piece onto a free one
    "meso-taufj": FREE,  # from a free piece onto a jammed one
    "meso-taujf": JAMMED,  # from a jammed piece onto a free one
}


def options(fidelity: Fidelity) -> list[str]:
    """SUMO's command-line options of a fidelity."""
    if fidelity == "micro":
        return []
    return ["--mesosim", "true", *(word for name, value in MESO.items() for word in (f"--{name}", value))]
