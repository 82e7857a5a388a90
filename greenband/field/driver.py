"""How one controller is spoken to, whatever its protocol, and the ways in which that fails.

A driver is used as ``async with driver:``; entering connects, proves who is there and raises ``Unreachable`` or
``Refused``; leaving raises nothing. A driver serves one task at a time.
"""

from __future__ import annotations

from typing import Protocol, Self

from greenband.errors import GreenbandError
from greenband.field.holding import Holding

__all__ = ["Driver", "FieldError", "Refused", "Unclear", "Unreachable"]


class FieldError(GreenbandError):
    """Something with one controller went wrong; the others go on. Its text holds no secret."""


class Unreachable(FieldError):
    """No answer in time. Of a read or of connecting: nothing was changed by it."""


class Refused(FieldError):
    """The controller, or who answers for it, said no, or answered what makes no sense. Nothing was changed by it."""


class TakenBack(Refused):
    """The controller said no after something was written; that was written back, and read."""


class Unclear(FieldError):
    """It is not known whether a write took effect: the controller must be read again before anything is done."""


class Driver(Protocol):
    """A conversation with one controller.

    Reading is repeated with back-off when answers are lost; a write is not, where doing it twice is not doing it once.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def prepared(self, wanted: Holding) -> tuple[Holding, Holding]:
        """Read what the controller holds, and complete what is wanted of it.

        Returns:
            What it holds, at every object of the second; and ``wanted`` with, beyond it, objects set to nothing that
            would otherwise stand in its way (rows of the schedule that call for other plans).

        Raises:
            Unreachable: no answer.
            Refused: the controller cannot hold what is wanted, or somebody else is changing it.
        """

    async def read(self, names: Holding) -> Holding:
        """What the controller holds at these objects; their values are not looked at.

        Raises:
            Unreachable: no answer.
            Refused: it has no such object, or answered something else.
        """

    async def everything(self) -> Holding:
        """All that the controller holds for plans, day plans and schedule; rows without use are left out.

        Raises:
            Unreachable: no answer.
            Refused: it answered what makes no sense.
        """

    async def write(self, objects: Holding) -> None:
        """Set these objects, all or none, after the controller has found them consistent.

        Raises:
            Unreachable: no answer before anything was begun.
            Refused: it would not, and still holds what it held.
            Unclear: it stopped answering on the way.
        """

    async def troubles(self) -> list[str]:
        """What shows that the controller does not run its plans: it is free, flashes, or has an alarm; none if well.

        Raises:
            Unreachable: no answer.
            Refused: as ``read``.
        """

    async def release(self) -> None:
        """Discard what a write of ours left unfinished, if it did; otherwise nothing happens.

        Before this driver has written, that is what an interrupted download left: only one who knows of such a
        download asks for it. Later it is what its own writes left. What somebody else has open stays open.

        Raises:
            Unreachable: no answer.
            Refused: it would not.
        """
