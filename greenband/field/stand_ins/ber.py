"""The basic encoding rules (X.690) as far as SNMP needs them, and its PDUs (RFC 3416).

Values stay octets until somebody asks for them. pyasn1 takes 8 ms for 50 variables in and out, this 0.2 ms, which 200
stand-ins on one processor need. It shares nothing with the client's codec, so that neither hides the other's mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = [
    "COUNTER",
    "END_OF_VIEW",
    "GET",
    "GET_BULK",
    "GET_NEXT",
    "INTEGER",
    "NO_SUCH_INSTANCE",
    "NO_SUCH_OBJECT",
    "NULL",
    "OCTETS",
    "OID",
    "REPORT",
    "RESPONSE",
    "SEQUENCE",
    "SET",
    "TICKS",
    "UNSIGNED",
    "Binding",
    "Malformed",
    "Pdu",
    "Reader",
    "integer",
    "integer_content",
    "integer_of",
    "oid",
    "oid_of",
    "path_of",
    "wrap",
]

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
COUNTER, UNSIGNED, TICKS = 0x41, 0x42, 0x43
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_VIEW = 0x80, 0x81, 0x82
GET, GET_NEXT, RESPONSE, SET, GET_BULK, REPORT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0xA8

MAX_SUBIDENTIFIER = 2**32 - 1

Binding = tuple[bytes, int, bytes]  # content of the OID, tag of the value, content of the value


class Malformed(ValueError):
    """Octets that no SNMP message is made of."""


class Reader:
    """Reads one element after the other from a part of some octets, which is never copied as a whole."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def element(self) -> tuple[int, int, int]:
        """Tag, and start and end of the content, of the next element.

        Raises:
            Malformed: there is none.
        """
        data, at, end = self.data, self.at, self.end
        if end - at < 2:
            raise Malformed("nothing where an element should be")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or end - at < octets:
                raise Malformed("a length that is none")
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if length > end - at:
            raise Malformed("an element longer than what is left")
        self.at = at + length
        return tag, at, self.at

    def inside(self, tag: int) -> Reader:
        """A reader of the content of the next element, which must have this tag.

        Raises:
            Malformed: it has another.
        """
        found, at, end = self.element()
        if found != tag:
            raise Malformed(f"tag {found:#x} where {tag:#x} should be")
        return Reader(self.data, at, end)

    def content(self, tag: int) -> bytes:
        """The content of the next element; as ``inside``."""
        part = self.inside(tag)
        return self.data[part.at : part.end]

    def integer(self) -> int:
        """The next element, an INTEGER; as ``inside``."""
        return integer_of(self.content(INTEGER))

    def finished(self) -> None:
        """Make sure that nothing is left.

        Raises:
            Malformed: something is.
        """
        if self.at != self.end:
            raise Malformed("something after the last element")


def wrap(tag: int, *parts: bytes) -> bytes:
    """An element of these contents."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An integer as an element."""
    return wrap(tag, integer_content(value))


def integer_content(value: int) -> bytes:
    """The fewest octets of a signed integer."""
    return value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True)


def integer_of(content: bytes) -> int:
    """The integer that a content stands for.

    Raises:
        Malformed: it has no octets, or more than SNMP ever needs.
    """
    if not 1 <= len(content) <= 9:
        raise Malformed("an integer of no or too many octets")
    return int.from_bytes(content, "big", signed=True)


@lru_cache(maxsize=20_000)
def oid(text: str) -> bytes:
    """The content of an OID written with dots."""
    first, second, *rest = (int(part) for part in text.split("."))
    found = bytearray()
    for number in (40 * first + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        found += bytes(reversed(septets))
    return bytes(found)


def path_of(content: bytes) -> tuple[int, ...]:
    """The numbers of an OID.

    Raises:
        Malformed: it has none, is not complete, or has numbers beyond 32 bits.
    """
    if not content or content[-1] & 0x80:
        raise Malformed("an OID that does not end")
    numbers = []
    number = 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if number > MAX_SUBIDENTIFIER:
            raise Malformed("an OID with a number beyond 32 bits")
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return (first, numbers[0] - 40 * first, *numbers[1:])


def oid_of(content: bytes) -> str:
    """An OID with dots; as ``path_of``."""
    return ".".join(str(number) for number in path_of(content))


@dataclass(frozen=True)
class Pdu:
    """A request or an answer. Of GET_BULK, ``status`` are the non-repeaters and ``index`` the repetitions."""

    kind: int
    request: int
    status: int
    index: int
    bindings: tuple[Binding, ...]

    @classmethod
    def of(cls, reader: Reader) -> Pdu:
        """Read the PDU that is next.

        Raises:
            Malformed: it is none.
        """
        kind, at, end = reader.element()
        inside = Reader(reader.data, at, end)
        request, status, index = inside.integer(), inside.integer(), inside.integer()
        listed = inside.inside(SEQUENCE)
        inside.finished()
        return cls(kind, request, status, index, tuple(_bindings(listed)))

    def octets(self) -> bytes:
        """The PDU as an element."""
        head = integer(self.request) + integer(self.status) + integer(self.index)
        return wrap(self.kind, head, wrap(SEQUENCE, *_elements(self.bindings)))

    def answer(self, bindings: Iterable[Binding]) -> Pdu:
        """A response without error."""
        return Pdu(RESPONSE, self.request, 0, 0, tuple(bindings))

    def refusal(self, status: int, index: int) -> Pdu:
        """A response that says what is wrong with which variable, counted from 1; 0 is none of them."""
        return Pdu(RESPONSE, self.request, status, index, self.bindings)


def _bindings(listed: Reader) -> Iterator[Binding]:
    data = listed.data
    while listed.at < listed.end:
        one = listed.inside(SEQUENCE)
        name = one.content(OID)
        if not name or name[-1] & 0x80:
            raise Malformed("an OID that does not end")
        tag, at, end = one.element()
        one.finished()
        yield name, tag, data[at:end]


def _elements(bindings: Iterable[Binding]) -> Iterator[bytes]:
    for name, tag, content in bindings:
        yield wrap(SEQUENCE, wrap(OID, name), wrap(tag, content))
