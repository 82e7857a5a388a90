"""Corridor specifications (data) and the builder that makes SUMO files of them."""

from greenband.scenarios.builder import cache_folder, load
from greenband.scenarios.spec import available

__all__ = ["available", "cache_folder", "load"]
