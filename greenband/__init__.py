"""greenband: learn traffic-signal plans for a whole road and export them as controller-ready timing tables."""

from importlib.metadata import version as _version

__all__ = ["__version__"]
__version__ = _version("greenband")
