"""Training: a run in its directory, by one of the ways to learn."""

from greenband.training.start import train

__all__ = ["train"]
