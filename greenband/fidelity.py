"""How finely SUMO simulates: ``micro``, every vehicle every second, or ``meso``, queues of vehicles on pieces of road.

Meso (Eissfeldt 2004) knows no lanes but at stop lines, no following and no braking, and runs many times faster. As SUMO
ships it it flatters: queues dissolve sooner than in micro. The headways here were calibrated against micro
(``benchmarks/fidelity.py``).

Source: SUMO's manual, Simulation/Meso.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["FIDELITIES", "Fidelity", "options"]

Fidelity = Literal["micro", "meso"]
FIDELITIES = ("micro", "meso")

MESO = {
    "meso-junction-control": "true",  # vehicles mind lamps and right of way, one by one
    "meso-interpolate-pos": "true",  # places of vehicles on a piece of road are asked for
    "meso-tauff": "1.8",  # s between vehicles that leave a piece in free flow
    "meso-taufj": "1.8",  # s between vehicles that drive into a jam
}


def options(fidelity: Fidelity) -> list[str]:
    """SUMO's command-line options of a fidelity."""
    if fidelity == "micro":
        return []
    return ["--mesosim", "true", *(word for name, value in MESO.items() for word in (f"--{name}", value))]
