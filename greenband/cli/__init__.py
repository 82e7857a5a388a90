"""The command line: one module a command, loaded when it is called."""

from greenband.cli.app import main

__all__ = ["main"]
