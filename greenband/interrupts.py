"""Interrupts from the keyboard or the system, for work that must end in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["deferred", "ignored_by_children"]


@contextmanager
def deferred(stop: Callable[[], None]) -> Iterator[None]:
    """The first interrupt or termination calls ``stop`` instead; a second one ends the process at once."""

    def handle(number: int, _frame: Any) -> None:
        stop()
        signal.signal(number, before[number])

    before: dict[int, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, handle)
    except ValueError:  # not in the main thread, as in some notebooks and launchers
        before.clear()
    try:
        yield
    finally:
        for caught, old in before.items():
            signal.signal(caught, old)


@contextmanager
def ignored_by_children() -> Iterator[None]:
    """Processes started here ignore the keyboard, also while they still import, unless they say otherwise."""
    try:
        old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
