"""What a controller answers to the requests of SNMP: GET, GETNEXT, GETBULK and SET of its objects (RFC 3416)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial

from greenband.field.stand_ins import ber
from greenband.field.stand_ins.ber import Binding, Malformed, Pdu
from greenband.field.stand_ins.catalog import Item, WrongType
from greenband.field.stand_ins.faults import Mishaps
from greenband.field.stand_ins.memory import Memory
from greenband.field.stand_ins.running import Running
from greenband.field.stand_ins.scalars import COMMAND, scalars
from greenband.field.stand_ins.transaction import BadCommand, NotNow, State, Transaction
from greenband.formats.ntcip_objects import Value

__all__ = ["Agent"]

TOO_BIG, GEN_ERR, WRONG_TYPE, WRONG_VALUE, NO_CREATION, NOT_WRITABLE = 1, 5, 7, 10, 11, 17  # error-status
REFUSALS = {"genErr": GEN_ERR, "notWritable": NOT_WRITABLE}
COMMAND_NAME = ber.oid(COMMAND)
PDU_OCTETS, BINDING_OCTETS = 40, 12  # at most, beside what they hold


class _Error(Exception):
    """An error-status and the number of the variable that is at fault, from 1; 0 for none of them."""

    def __init__(self, status: int, index: int = 0) -> None:
        super().__init__(status, index)
        self.status, self.index = status, index


class Agent:
    """The objects of one controller. ``direct`` stores SETs outside a transaction at once instead of refusing them."""

    def __init__(
        self, memory: Memory, transaction: Transaction, running: Running, mishaps: Mishaps, *, direct: bool = False
    ) -> None:
        self._memory, self._transaction, self._mishaps, self._direct = memory, transaction, mishaps, direct
        self._catalog = memory.catalog
        self._scalars = scalars(memory, transaction, running)

    def answered(self, request: Pdu, owner: str, room: int) -> Pdu:
        """The response to a request of this owner; ``room`` is how many octets it may have.

        Raises:
            Malformed: it is no request.
            PowerLoss: there is none.
        """
        try:
            answer = self._answer(request, owner, room)
        except _Error as error:
            return request.refusal(error.status, error.index)
        fits = _octets(answer.bindings) <= room or len(answer.octets()) <= room
        return answer if fits else Pdu(ber.RESPONSE, request.request, TOO_BIG, 0, ())

    def _answer(self, request: Pdu, owner: str, room: int) -> Pdu:
        names = [name for name, _, _ in request.bindings]
        match request.kind:
            case ber.GET:
                return request.answer(map(self._found, names))
            case ber.GET_NEXT:
                return request.answer(map(self._next, names))
            case ber.GET_BULK:
                once = max(0, request.status)
                return request.answer(_fitting(self._walk(names[:once], names[once:], request.index), room))
            case ber.SET:
                self._set(request, owner)
                return request.answer(request.bindings)
            case _:
                raise Malformed(f"a PDU of type {request.kind:#x} is no request")

    def _found(self, name: bytes) -> Binding:
        if item := self._catalog.by_oid.get(name):
            return (name, *item.sent(self._memory.values[item.name]))
        if scalar := self._scalars.get(name):
            return (name, *scalar.sent())
        if name in self._catalog.numbers:
            return name, ber.INTEGER, ber.integer_content(self._catalog.numbers[name])
        return name, ber.NO_SUCH_INSTANCE if self._is_of_an_object(name) else ber.NO_SUCH_OBJECT, b""

    def _is_of_an_object(self, name: bytes) -> bool:
        return self._catalog.has_column(name) or any(name.startswith(scalar[:-1]) for scalar in self._scalars)

    def _next(self, name: bytes) -> Binding:
        place = bisect_right(self._order, ber.path_of(name), key=lambda entry: entry[0])
        return self._found(self._order[place][1]) if place < len(self._order) else (name, ber.END_OF_VIEW, b"")

    @cached_property
    def _order(self) -> list[tuple[tuple[int, ...], bytes]]:
        every = (*self._catalog.by_oid, *self._scalars, *self._catalog.numbers)
        return sorted((ber.path_of(name), name) for name in every)

    def _walk(self, once: Iterable[bytes], again: list[bytes], times: int) -> Iterator[Binding]:
        yield from map(self._next, once)
        for _ in range(times):
            found = [self._next(name) for name in again]
            yield from found
            if all(tag == ber.END_OF_VIEW for _, tag, _ in found):
                return
            again = [name for name, _, _ in found]

    def _set(self, request: Pdu, owner: str) -> None:
        """All or nothing: first everything is looked at, then it is done, as the state was before."""
        changes: dict[str, Value] = {}
        writes: list[Callable[[], None]] = []
        first = 0
        for index, (name, tag, content) in enumerate(request.bindings, 1):
            if item := self._catalog.by_oid.get(name):
                changes[item.name] = self._value(item, tag, content, index)
                first = first or index
            elif name == COMMAND_NAME:
                command = self._command(_integer(tag, content, index), owner, index)
                writes.append(partial(self._transaction.command, command, owner))
            else:
                writes.insert(0, self._write(name, tag, content, index))
        if changes:
            keep = self._keeper(owner, first)
            keep(changes)
        for write in writes:
            write()

    def _value(self, item: Item, tag: int, content: bytes, index: int) -> Value:
        if item.read_only:
            raise _Error(NOT_WRITABLE, index)
        try:
            value = item.taken(tag, content)
        except (WrongType, Malformed) as error:
            raise _Error(WRONG_TYPE, index) from error
        if self._catalog.fault(item, value):
            raise _Error(WRONG_VALUE, index)
        if self._mishaps.refuses(item):
            raise _Error(REFUSALS[self._mishaps.faults.refusal], index)
        return value

    def _command(self, number: int, owner: str, index: int) -> State:
        try:
            self._transaction.admit_command(number, owner)
        except BadCommand as error:
            raise _Error(WRONG_VALUE, index) from error
        except NotNow as error:
            raise _Error(GEN_ERR) from error
        return State(number)

    def _write(self, name: bytes, tag: int, content: bytes, index: int) -> Callable[[], None]:
        scalar = self._scalars.get(name)
        if scalar is None or scalar.write is None:
            lacks_row = scalar is None and name not in self._catalog.numbers and self._is_of_an_object(name)
            raise _Error(NO_CREATION if lacks_row else NOT_WRITABLE, index)
        number = _integer(tag, content, index, scalar.tag)
        if not scalar.low <= number <= scalar.high:
            raise _Error(WRONG_VALUE, index)
        return partial(scalar.write, number)

    def _keeper(self, owner: str, first: int) -> Callable[[dict[str, Value]], None]:
        """What takes changes of database objects, of which the first is this variable."""
        if self._transaction.state is State.NORMAL:
            if not self._direct:
                raise _Error(GEN_ERR, first)
            return self._memory.store
        try:
            self._transaction.admit(owner)
        except NotNow as error:
            raise _Error(GEN_ERR) from error
        return self._transaction.buffer


def _integer(tag: int, content: bytes, index: int, wanted: int = ber.INTEGER) -> int:
    try:
        number = ber.integer_of(content)
    except Malformed as error:
        raise _Error(WRONG_TYPE, index) from error
    if tag != wanted:
        raise _Error(WRONG_TYPE, index)
    return number


def _octets(bindings: Iterable[Binding]) -> int:
    """Octets of a response with these variables, at most."""
    return PDU_OCTETS + sum(len(name) + len(content) + BINDING_OCTETS for name, _, content in bindings)


def _fitting(bindings: Iterable[Binding], room: int) -> Iterator[Binding]:
    """As many as a response has room for."""
    for binding in bindings:
        room -= _octets((binding,)) - PDU_OCTETS
        if room < PDU_OCTETS:
            return
        yield binding
