"""The transaction of NTCIP 1201: SETs wait in a buffer until they are found consistent and told to take effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import IntEnum

from greenband.field.stand_ins.faults import Mishaps, PowerLoss
from greenband.field.stand_ins.memory import Memory
from greenband.formats.ntcip_checks import complaints
from greenband.formats.ntcip_objects import Value

__all__ = ["BadCommand", "NotNow", "State", "Transaction", "Verdict"]

ERROR_OCTETS = 255


class State(IntEnum):
    """Values of dbCreateTransaction."""

    NORMAL = 1
    TRANSACTION = 2
    VERIFY = 3
    DONE = 6


class Verdict(IntEnum):
    """Values of dbVerifyStatus."""

    NOT_DONE = 1
    ERROR = 2
    NO_ERROR = 3


COMMANDS = {  # that a state takes
    State.NORMAL: {State.TRANSACTION},
    State.TRANSACTION: {State.VERIFY, State.NORMAL},
    State.VERIFY: set(),
    State.DONE: {State.NORMAL, State.TRANSACTION},
}


class BadCommand(Exception):
    """A command that the state does not take."""


class NotNow(Exception):
    """Nothing can be set in this state, or not by this manager."""


class Transaction:
    """The state, its owner, and the buffer; what is in it is lost with the power."""

    def __init__(
        self, memory: Memory, mishaps: Mishaps, verify_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._memory, self._mishaps, self._verify_s, self._now = memory, mishaps, verify_s, now
        self.lose()

    def lose(self) -> None:
        """What a power loss leaves, and the beginning."""
        self._state = State.NORMAL
        self._owner = ""
        self._buffer: dict[str, Value] = {}
        self._done_at = 0.0
        self._verdict, self._error = Verdict.NOT_DONE, ""

    @property
    def open(self) -> bool:
        """Whether it is anything but normal."""
        return self._state is not State.NORMAL

    @property
    def state(self) -> State:
        """The state; verifying ends by itself.

        Raises:
            PowerLoss: as is its fault.
        """
        if self._state is State.VERIFY:
            self._mishaps.strike("verify")
        if self._state is State.VERIFY and self._now() >= self._done_at and not self._mishaps.faults.stuck:
            self._state = State.DONE
            self._error = self._mishaps.faults.verify or self._complaint()
            self._verdict = Verdict.ERROR if self._error else Verdict.NO_ERROR
        return self._state

    @property
    def verdict(self) -> Verdict:
        """What verifying came to."""
        return self._verdict if self.state is State.DONE else Verdict.NOT_DONE

    @property
    def error(self) -> bytes:
        """What verifying found wrong."""
        return self._error.encode()[:ERROR_OCTETS] if self.state is State.DONE else b""

    def admit(self, owner: str) -> None:
        """Whether database objects can be buffered.

        Raises:
            NotNow: they cannot.
        """
        if self.state is not State.TRANSACTION or owner != self._owner:
            raise NotNow

    def admit_command(self, command: int, owner: str) -> None:
        """Whether a command can be given.

        Raises:
            NotNow: not by this manager.
            BadCommand: not in this state.
        """
        state = self.state
        if state in (State.TRANSACTION, State.DONE) and owner != self._owner:
            raise NotNow
        if command not in COMMANDS[state]:
            raise BadCommand

    def buffer(self, changes: Mapping[str, Value]) -> None:
        """Keep what shall be stored.

        Raises:
            PowerLoss: as is its fault.
        """
        self._buffer.update(changes)
        self._mishaps.strike("set")

    def command(self, command: State, owner: str) -> None:
        """Do what was admitted.

        Raises:
            PowerLoss: as is its fault.
        """
        match self.state, command:
            case State.NORMAL, _:
                self.lose()
                self._state, self._owner = State.TRANSACTION, owner
                self._mishaps.strike("transaction")
            case State.DONE, State.TRANSACTION:
                self._state = State.TRANSACTION
            case _, State.VERIFY:
                self._state, self._done_at = State.VERIFY, self._now() + self._verify_s
            case State.DONE, _:
                self._end()
            case _:
                self.lose()

    def _end(self) -> None:
        if self._verdict is Verdict.NO_ERROR:
            self._mishaps.strike("commit")
            self._mishaps.before_commit(self._memory)
            changes = self._mishaps.stored(self._buffer, self._memory.catalog.items)
            self._store(changes)
        self.lose()

    def _store(self, changes: dict[str, Value]) -> None:
        try:
            self._mishaps.strike("half")
        except PowerLoss:
            self._memory.store(dict(list(changes.items())[: len(changes) // 2]))
            raise
        self._memory.store(changes)
        self._mishaps.strike("committed")

    def _complaint(self) -> str:
        return next((str(complaint) for complaint in complaints(self._memory.tables_with(self._buffer))), "")
