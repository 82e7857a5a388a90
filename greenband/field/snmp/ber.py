"""The basic encoding rules as far as SNMP messages need them, strict: definite lengths, no trailing bytes.

pyasn1 does this for any ASN.1, at 0.2 ms a variable; a batch of 200 controllers has 100,000 of them, so that it would
take most of the time. Here names are coded once and answers are compared as bytes.

Source: X.690 for the encoding, RFC 3416 for the types.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache

__all__ = [
    "Missing",
    "Tag",
    "Unsigned",
    "Value",
    "element",
    "elements",
    "encoded",
    "integer",
    "number",
    "oid",
    "spans",
    "value",
]

MAX_OID_BYTES = 640  # 128 sub-identifiers of at most 5 bytes
MAX_INTEGER_BYTES = 9  # an unsigned one of 64 bits
SUB_IDENTIFIERS = 2**32


class Tag(IntEnum):
    """The types that occur in SNMP."""

    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    OID = 0x06
    SEQUENCE = 0x30
    IP_ADDRESS = 0x40
    COUNTER32 = 0x41
    UNSIGNED32 = 0x42
    TIMETICKS = 0x43
    OPAQUE = 0x44
    COUNTER64 = 0x46
    NO_SUCH_OBJECT = 0x80
    NO_SUCH_INSTANCE = 0x81
    END_OF_MIB = 0x82
    GET = 0xA0
    RESPONSE = 0xA2
    SET = 0xA3
    REPORT = 0xA8


class Unsigned(int):
    """A number that is coded as Gauge32; counters and time ticks are read as it too."""


class Missing(IntEnum):
    """What is answered instead of a value."""

    NO_SUCH_OBJECT = Tag.NO_SUCH_OBJECT
    NO_SUCH_INSTANCE = Tag.NO_SUCH_INSTANCE
    END_OF_MIB = Tag.END_OF_MIB


Value = int | bytes | str | Missing | None  # a text is an object identifier

OCTETS = (Tag.OCTETS, Tag.IP_ADDRESS, Tag.OPAQUE)
UNSIGNED = (Tag.COUNTER32, Tag.UNSIGNED32, Tag.TIMETICKS, Tag.COUNTER64)


def element(tag: int, content: bytes) -> bytes:
    """A type, the length and the content."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """The types and contents that follow each other.

    Raises:
        ValueError: the data is cut off, or its lengths are none of SNMP's.
    """
    return [(tag, data[start:end]) for tag, start, end in spans(data, 0, len(data))]


def spans(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The types that follow each other in a part of the data, each with where its content starts and ends.

    Raises:
        ValueError: as ``elements``.
    """
    at = start
    while at < end:
        if at + 2 > end:
            raise ValueError("cut off")
        tag, length = data[at], data[at + 1]
        at += 2
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > end:
                raise ValueError("a length that is not allowed")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > end:
            raise ValueError("cut off")
        yield tag, at, at + length
        at += length


def integer(value: int) -> bytes:
    """An INTEGER."""
    return element(Tag.INTEGER, _signed(value))


def _signed(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def number(content: bytes) -> int:
    """The number that the content of an INTEGER stands for.

    Raises:
        ValueError: it is empty or too long.
    """
    if not 1 <= len(content) <= MAX_INTEGER_BYTES:
        raise ValueError("a number of a length that is not allowed")
    return int.from_bytes(content, "big", signed=True)


@lru_cache(maxsize=1 << 16)
def oid(text: str) -> bytes:
    """The content of an object identifier."""
    first, second, *rest = (int(part) for part in text.split("."))
    return b"".join(_base128(part) for part in (40 * first + second, *rest))


def _base128(value: int) -> bytes:
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(value & 0x7F | 0x80)
    return bytes(reversed(found))


@lru_cache(maxsize=1 << 14)
def _oid_text(content: bytes) -> str:
    if not content:
        return "0.0"  # some agents write the null identifier so
    if len(content) > MAX_OID_BYTES or content[-1] & 0x80:
        raise ValueError("an object identifier that is cut off or too long")
    parts, part = [], 0
    for byte in content:
        part = part << 7 | byte & 0x7F
        if part >= SUB_IDENTIFIERS + 80:
            raise ValueError("an object identifier with too large a number")
        if not byte & 0x80:
            parts.append(part)
            part = 0
    first = min(parts[0] // 40, 2)
    return ".".join(str(part) for part in (first, parts[0] - 40 * first, *parts[1:]))


def encoded(value: Value) -> bytes:
    """A value with its type."""
    if value is None:
        return element(Tag.NULL, b"")
    if isinstance(value, Unsigned):
        return element(Tag.UNSIGNED32, _signed(value))
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, bytes):
        return element(Tag.OCTETS, value)
    return element(Tag.OID, oid(value))


def value(tag: int, content: bytes) -> Value:
    """What a type and its content stand for.

    Raises:
        ValueError: there is no such type, or the content is none of it.
    """
    if tag == Tag.INTEGER:
        return number(content)
    if tag in OCTETS:
        return content
    if tag == Tag.OID:
        return _oid_text(content)
    if tag in UNSIGNED:
        if (found := number(content)) < 0:
            raise ValueError("a negative number where there is none")
        return Unsigned(found)
    if tag == Tag.NULL and not content:
        return None
    if tag in Missing._value2member_map_ and not content:
        return Missing(tag)
    raise ValueError(f"a value of type {tag:#04x}, which is none of SNMP's")
