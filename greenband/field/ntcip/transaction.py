"""Setting many objects of an NTCIP controller, all or none: its transactions, with every answer that may get lost.

A controller buffers what is set within a transaction, verifies it when told to, and then takes all of it over, or
nothing. Telling it to go on is not repeated blindly: where the answer is lost, the state is read, and only if it has
not moved is it told again. Nothing is taken over before all objects have been set and the controller has found them
consistent; from any failure before that the way leads back, and what comes out says whether that was seen to the end.

Source: NTCIP 1201:2005 v02.27, dbCreateTransaction, dbVerifyStatus and dbVerifyError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn, Protocol

from greenband.field.driver import FieldError, Refused, Unclear, Unreachable
from greenband.field.snmp.ber import Value
from greenband.field.snmp.session import Restarted

__all__ = ["DATABASE", "Conversation", "State", "Transaction", "Waits"]

GLOBAL = "1.3.6.1.4.1.1206.4.2.6"
DATABASE = f"{GLOBAL}.2.1.0"  # dbCreateTransaction
VERIFY_STATUS = f"{GLOBAL}.2.6.0"
VERIFY_ERROR = f"{GLOBAL}.2.7.0"
WITH_ERROR, WITHOUT_ERROR = 2, 3  # dbVerifyStatus
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0


class State(IntEnum):
    """What dbCreateTransaction may be."""

    NORMAL = 1
    TRANSACTION = 2
    VERIFY = 3
    DONE = 6


@dataclass(frozen=True)
class Waits:
    """How long to wait for a controller in s, and how often to tell it something whose answer is lost."""

    verify_s: float = 60.0
    settle_s: float = 180.0
    read_s: float = 900.0
    tries: int = 4


class Conversation(Protocol):
    """What is needed of an ``SnmpSession``."""

    @property
    def notices_restarts(self) -> bool:
        """Whether ``pin`` has an effect."""

    @property
    def per_message(self) -> int:
        """How many objects go into a message."""

    def pin(self) -> None:
        """From now on set nothing if the controller starts anew."""

    async def get(self, oids: Sequence[str], *, optional: bool = False) -> list[Value]:
        """The values of these objects."""

    async def set(self, pairs: Sequence[tuple[str, Value]], *, tries: int = 1) -> None:
        """Set these objects."""


class Transaction:
    """The transactions of one controller."""

    def __init__(self, session: Conversation, waits: Waits) -> None:
        self._session = session
        self._waits = waits
        self._told_twice = False  # then one of the two may be heard late, and lead back from done
        self._opened = True  # until the first set: what is open may be left by a download that was interrupted
        self._opens_late = False  # a command of ours to open one may be heard late

    async def state(self) -> State:
        """The state that the controller is in.

        Raises:
            Unreachable, Refused: as of a session's ``get``; or it is none of the standard's.
        """
        return _state(await self._session.get([DATABASE]))

    async def set(self, pairs: Sequence[tuple[str, Value]]) -> None:
        """Set these objects, which all differ from what the controller holds.

        Raises:
            Unreachable: no answer, and nothing was begun.
            Refused: it would not, and holds what it held.
            Unclear: it stopped answering on the way, or left the transaction by itself.
        """
        self._opened = False
        if (state := await self.state()) is not State.NORMAL:
            raise Refused(f"a transaction is open already (state {state.name.lower()})")
        self._session.pin()
        self._told_twice = False
        await self._told(State.TRANSACTION, {State.TRANSACTION})
        self._opened = True
        try:
            await self._filled(pairs)
            await self._verified()
        except FieldError as error:
            await self._abandoned(error)
        await self._taken_over(pairs)

    async def release(self) -> None:
        """Discard what is open, unless it is somebody else's.

        Before the first ``set`` it is what an earlier download left; after that, only what was opened here.

        Raises:
            Unreachable: no answer.
            Refused: it would not.
            Unclear: it stopped answering on the way.
        """
        if self._opened or self._opens_late:
            await self._discard()

    async def _discard(self) -> None:
        """Bring the controller to normal without taking anything over; in normal nothing happens."""
        if (state := await self.state()) is State.VERIFY:
            await self._done()
            state = await self.state()
        self._session.pin()
        if state is State.DONE:  # where normal would take the buffer over
            await self._told(State.TRANSACTION, {State.TRANSACTION})
        if state is not State.NORMAL:
            await self._told(State.NORMAL, {State.NORMAL})
            if (state := await self.state()) is not State.NORMAL:
                raise Refused(f"it does not leave the transaction (state {state.name.lower()})")
        self._opened = False

    async def _told(self, target: State, reached: Collection[State]) -> None:
        """Tell it to go to a state."""
        failure: FieldError = Unreachable("it was not told")
        for attempt in range(self._waits.tries):
            try:
                return await self._session.set([(DATABASE, int(target))])
            except Unreachable as error:
                failure = error
            except Refused as error:
                if attempt == 0:
                    raise
                failure = error  # perhaps because an earlier try has been heard after all
            self._told_twice = True
            self._opens_late |= target is State.TRANSACTION
            if await self._state_after(failure) in reached:
                return None
        raise failure

    async def _state_after(self, failure: FieldError) -> State:
        try:
            return await self.state()
        except FieldError as error:
            raise Unclear(f"{failure}; and then: {error}") from error

    async def _filled(self, pairs: Sequence[tuple[str, Value]]) -> None:
        """Fill the buffer; what is set twice is set once."""
        step = self._session.per_message
        for start in range(0, len(pairs), step):
            if not self._session.notices_restarts and (state := await self.state()) is not State.TRANSACTION:
                raise Refused(f"it left the transaction by itself (state {state.name.lower()})")
            await self._session.set(pairs[start : start + step], tries=self._waits.tries)

    async def _verified(self) -> None:
        await self._told(State.VERIFY, {State.VERIFY, State.DONE})
        status, text = await self._done()
        if status == WITH_ERROR:
            raise Refused(f"it finds the tables inconsistent: {text or 'it does not say why'}")
        if status != WITHOUT_ERROR:
            raise Refused(f"its verification ended without a result (dbVerifyStatus {status!r})")

    async def _done(self) -> tuple[Value, str]:
        """Wait until it has verified; the status and the text of the error."""
        ends, pause_s = time.monotonic() + self._waits.verify_s, FIRST_PAUSE_S
        while True:
            found = await self._session.get([DATABASE, VERIFY_STATUS, VERIFY_ERROR], optional=True)
            if (state := _state(found)) is State.DONE:
                return found[1], _printable(found[2])
            if state is not State.VERIFY:
                raise Refused(f"it left the verification by itself (state {state.name.lower()})")
            if time.monotonic() > ends:
                raise Refused(f"its verification is not done after {self._waits.verify_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _abandoned(self, error: FieldError) -> NoReturn:
        """Discard after a failure, and say what is held now."""
        by_itself = await self._discarded(error) is State.NORMAL
        if by_itself and not isinstance(error, Restarted):  # then what followed was not buffered
            raise Unclear(f"{error}; it left the transaction by itself") from error
        raise Refused(f"{error}; discarded, it holds what it held") from error

    async def _discarded(self, error: FieldError) -> State:
        """Discard after a failure; the state that it was in."""
        try:
            state = await self.state()
            await self._discard()
        except FieldError as second:
            raise Unclear(f"{error}; and the transaction could not be discarded: {second}") from error
        return state

    async def _taken_over(self, pairs: Sequence[tuple[str, Value]]) -> None:
        """From done to normal, by which the buffer is taken over."""
        failure: FieldError = Refused("it did not take over what it had verified")
        for _ in range(self._waits.tries):
            try:
                await self._session.set([(DATABASE, int(State.NORMAL))])
            except FieldError as error:
                failure, self._told_twice = error, True
            state = await self._state_after(failure)
            if state is State.NORMAL and not self._told_twice:
                self._opened = False
                return
            if state is not State.DONE:
                break
        await self._discarded(failure)
        await self._compared(pairs, failure)

    async def _compared(self, pairs: Sequence[tuple[str, Value]], failure: FieldError) -> None:
        """Normal again, and not known by which way: see what is held."""
        try:
            held = await self._session.get([name for name, _ in pairs])
        except FieldError as error:
            raise Unclear(f"{failure}; and then: {error}") from error
        same = [_plain(value) == _plain(found) for (_, value), found in zip(pairs, held, strict=True)]
        if not any(same):
            raise Refused(f"{failure}; it holds what it held") from failure
        if not all(same):
            raise Unclear(f"{failure}; it holds {sum(same)} of {len(same)} objects") from failure


def _state(found: Sequence[Value]) -> State:
    try:
        return State(found[0])  # type: ignore[arg-type]
    except ValueError:
        raise Refused(f"dbCreateTransaction.0: {found[0]!r} is no state of the standard") from None


def _printable(text: Value) -> str:
    found = text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    return "".join(letter if letter.isprintable() else " " for letter in found).strip()


def _plain(value: Value) -> Value:
    """Numbers of 32 bits alike, whether they are read with a sign or without."""
    return int(value) % 2**32 if isinstance(value, int) else value
