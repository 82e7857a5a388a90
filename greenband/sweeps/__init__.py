"""Sweeps of training runs: what Hydra runs many of, on what machines, and which ones next."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

__all__ = ["register"]

PLUGINS = "hydra_plugins"


def register() -> None:
    """Make this package's launcher and sweeper known to Hydra, which takes plugins from a package of that name only."""
    from greenband.sweeps.ray_launcher import RayLauncher
    from greenband.sweeps.search import Search

    if importlib.util.find_spec(PLUGINS) is None:  # no other plugin is installed
        sys.modules[PLUGINS] = ModuleType(PLUGINS)
        sys.modules[PLUGINS].__path__ = []
    from hydra.core.plugins import Plugins

    ours = sys.modules[RayLauncher.__module__] = ModuleType(RayLauncher.__module__)
    for plugin in (RayLauncher, Search):
        setattr(ours, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
