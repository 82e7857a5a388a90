"""Hydra configuration groups; every number with its unit."""
