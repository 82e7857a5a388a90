"""Junctions behind a signal platform of GA/T 1049: the driver, the session that drivers share, and its messages."""

from greenband.field.gat1049.driver import Gat1049Driver, Running, wanted

__all__ = ["Gat1049Driver", "Running", "wanted"]
