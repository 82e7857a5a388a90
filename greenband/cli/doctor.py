"""``greenband doctor``: is this installation able to run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

import typer

from greenband import registry, sumo
from greenband.cli.common import err
from greenband.processes import allocator

__all__ = ["run"]


def run() -> None:
    """Check each part and say what is wrong; exit code 1 if anything is."""
    failed = False
    for label, check in CHECKS.items():
        try:
            err.print(f"[green]ok[/green]      {label}: {check()}", soft_wrap=True)
        except Exception as error:  # noqa: BLE001  # whatever is broken is what a doctor is to report
            failed = True
            err.print(f"[red]broken[/red]  {label}: {error}", soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _python() -> str:
    return f"{platform.python_version()}, {os.cpu_count()} cores"


def _sumo() -> str:
    sumo.binary("netconvert")
    return f"{sumo.version_string()} in {sumo.home()}"


def _libsumo() -> str:
    import libsumo

    return str(libsumo.simulation.getVersion()[1]) if libsumo.isLoaded() else "imports"


def _allocator() -> str:
    return str(allocator() or "the system's own; with mimalloc, which PyPI has for Linux, SUMO is about a tenth faster")


def _torch() -> str:
    import torch

    return f"{torch.__version__}, {'GPU' if torch.cuda.is_available() else 'CPU'}"


def _build() -> str:
    found = registry.scenario("jincheng")
    return f"{found.name} in {found.folder}"


def _simulate() -> str:
    from greenband.simulation import Simulation

    with Simulation(registry.scenario("jincheng"), "AM", seed=10_000) as simulation:
        simulation.advance(simulation.now + 60)
        return f"60 s of jincheng, {simulation.api.vehicle.getIDCount()} vehicles"


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "SUMO": _sumo,
    "libsumo": _libsumo,
    "memory allocator": _allocator,
    "torch": _torch,
    "scenario cache": _build,
    "simulation": _simulate,
}
