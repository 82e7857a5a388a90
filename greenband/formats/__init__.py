"""Timing-table formats, one module each."""
