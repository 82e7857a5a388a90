"""A picture of a scenario: the road to scale, and each junction with its lanes, flows and stages."""

from greenband.picture.page import draw, save

__all__ = ["draw", "save"]
