"""Where the SUMO that came with the Python package lives, and which version it is."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from greenband.errors import SimulationError

__all__ = ["binary", "environment", "home", "version_string"]


@cache
def home() -> Path:
    """SUMO's folder inside the ``eclipse-sumo`` package.

    Raises:
        SimulationError: the package is not installed.
    """
    spec = importlib.util.find_spec("sumo")
    if spec is None or spec.origin is None:
        raise SimulationError("SUMO is not installed: pip install eclipse-sumo")
    return Path(spec.origin).parent


def binary(name: str) -> str:
    """Path of a SUMO program such as ``sumo``, ``sumo-gui`` or ``netconvert``.

    Raises:
        SimulationError: SUMO or this program is not installed.
    """
    folder = home() / "bin"
    for candidate in (folder / name, folder / f"{name}.exe"):
        if candidate.is_file():
            return str(candidate)
    raise SimulationError(f"SUMO's {name} is not in {folder}")


def environment() -> dict[str, str]:
    """The process environment with SUMO_HOME set, for SUMO programs that look for their own data."""
    return {**os.environ, "SUMO_HOME": str(home())}


def version_string() -> str:
    """Version of the installed SUMO, ``unknown`` where its package says none."""
    try:
        return version("eclipse-sumo")
    except PackageNotFoundError:
        return "unknown"
