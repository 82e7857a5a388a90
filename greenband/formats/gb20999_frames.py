"""Frames of GB/T 20999-2017, the protocol between a signal controller and its host: bytes to values and back.

The standard's text is not public. Layout, length rule and checksum are those of frames captured from a controller, as
published with open host programs; they are encoded here byte for byte (``tests/formats/test_gb20999_frames.py``)::

    7E | length 2 | version 2 | host 1 | controller 4 | crossing 1 | sequence 1 | type 1 | number of values 1
       | { index 1 | length 1 | class 1 | object 1 | attribute 1 | element 1 | data } | CRC 2 | 7D

Numbers of several bytes have the high byte first. The frame's length counts itself and all up to the CRC; a value's
counts its address and data. The CRC has the polynomial x^16 + x^12 + x^2 + 1 (0x1005), starts at 0, reflects nothing
and covers what the length counts. By TCP and serial line a 7E, 7D or 5C between the first and the last byte is escaped
by a 5C before it, which the CRC does not count, nor the length as far as is known; by UDP nothing is escaped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenband.errors import BadInput

__all__ = ["ANSWER", "QUERY", "SET", "Frame", "Value", "crc", "decode", "encode", "frames", "number"]

QUERY, ANSWER, SET = 0x10, 0x20, 0x30  # frame types
START, END, ESCAPE = 0x7E, 0x7D, 0x5C
VERSION = 0x0100
HEAD = struct.Struct(">HHBIBBBB")
POLYNOMIAL = 0x1005
MAX_CONTENT = 0xFFFF + 2  # bytes between start and end, unescaped


@dataclass(frozen=True)
class Value:
    """Data at an address: a class of data, an object, an attribute and an element, each a byte."""

    kind: int
    object: int
    attribute: int
    element: int
    data: bytes = b""

    @property
    def address(self) -> str:
        """Such as ``9.2.3.1``, the cycle of plan 1."""
        return f"{self.kind}.{self.object}.{self.attribute}.{self.element}"


@dataclass(frozen=True)
class Frame:
    """One message. ``host`` is the number of the host, ``controller`` that of the signal controller."""

    type: int
    values: tuple[Value, ...]
    host: int
    controller: int
    crossing: int = 0
    sequence: int = 0
    version: int = VERSION


def _remainders() -> Iterator[int]:
    """What each byte leaves of the CRC."""
    for byte in range(256):
        rest = byte << 8
        for _ in range(8):
            rest = (rest << 1 ^ POLYNOMIAL if rest & 0x8000 else rest << 1) & 0xFFFF
        yield rest


REMAINDERS = tuple(_remainders())


def crc(data: bytes) -> int:
    """The checksum of a frame's bytes from its length to its last value."""
    rest = 0
    for byte in data:
        rest = (rest << 8 & 0xFFFF) ^ REMAINDERS[rest >> 8 ^ byte]
    return rest


def number(what: str, value: int, width: int) -> bytes:
    """A number in so many bytes, the high one first.

    Raises:
        BadInput: it does not fit.
    """
    most = 256**width - 1
    if not 0 <= value <= most:
        raise BadInput(f"{what} {value} must be from 0 to {most}")
    return value.to_bytes(width, "big")


def encode(frame: Frame, escaped: bool = False) -> bytes:
    """A frame's bytes; ``escaped`` as TCP and serial line need them.

    Raises:
        BadInput: a number of the frame does not fit its field.
    """
    rest = b"".join(
        (
            number("version", frame.version, 2),
            number("host", frame.host, 1),
            number("controller", frame.controller, 4),
            number("crossing", frame.crossing, 1),
            number("sequence number", frame.sequence, 1),
            number("frame type", frame.type, 1),
            number("number of values", len(frame.values), 1),
            *(_value_bytes(index, value) for index, value in enumerate(frame.values, 1)),
        )
    )
    body = number("length of the frame", len(rest) + 2, 2) + rest
    content = body + number("CRC", crc(body), 2)
    return bytes([START]) + (_escape(content) if escaped else content) + bytes([END])


def _value_bytes(index: int, value: Value) -> bytes:
    parts = (
        ("class", value.kind),
        ("object", value.object),
        ("attribute", value.attribute),
        ("element", value.element),
    )
    address = b"".join(number(what, part, 1) for what, part in parts)
    length = number(f"length of value {value.address}", len(address) + len(value.data), 1)
    return bytes([index]) + length + address + value.data


def _escape(content: bytes) -> bytes:
    special = (START, END, ESCAPE)
    return b"".join(bytes([ESCAPE, byte] if byte in special else [byte]) for byte in content)


def decode(data: bytes, escaped: bool = False) -> Frame:
    """The frame that these bytes are.

    Raises:
        BadInput: they are not exactly one frame; the message says what is wrong.
    """
    if not escaped:
        if len(data) < 2 or data[0] != START or data[-1] != END:
            raise BadInput("a frame must begin with 7e and end with 7d")
        return _parse(data[1:-1])
    found, rest = frames(data)
    if rest:
        raise BadInput("the frame does not end")
    if len(found) != 1:
        raise BadInput(f"there are {len(found)} frames instead of one")
    return found[0]


def frames(stream: bytes) -> tuple[list[Frame], bytes]:
    """The frames in bytes received by TCP or serial line, and the bytes of one that has not ended yet.

    The rest goes before what is received next. It is never longer than the longest frame.

    Raises:
        BadInput: naming the byte, counted from 0, at which the stream is wrong, and why.
    """
    found: list[Frame] = []
    content: bytearray | None = None
    begin, after_escape = 0, False
    for place, byte in enumerate(stream):
        if content is None:
            if byte != START:
                raise BadInput(f"byte {place}: {byte:02x} where a frame must begin with 7e")
            content, begin = bytearray(), place
        elif after_escape:
            if byte not in (START, END, ESCAPE):
                raise BadInput(f"byte {place}: {byte:02x} must not be escaped")
            content.append(byte)
            after_escape = False
        elif byte == START:
            raise BadInput(f"byte {place}: 7e within the frame that begins at byte {begin}")
        elif byte == END:
            found.append(_parse_at(begin, bytes(content)))
            content = None
        elif byte == ESCAPE:
            after_escape = True
        else:
            content.append(byte)
        if content is not None and len(content) > MAX_CONTENT:
            raise BadInput(f"byte {place}: the frame that begins at byte {begin} is longer than any can be")
    return found, b"" if content is None else stream[begin:]


def _parse_at(begin: int, content: bytes) -> Frame:
    try:
        return _parse(content)
    except BadInput as error:
        raise BadInput(f"frame at byte {begin}: {error}") from error


def _parse(content: bytes) -> Frame:
    """A frame from what is between its first and last byte, unescaped."""
    body, stated = content[:-2], int.from_bytes(content[-2:], "big")
    if len(body) < HEAD.size:
        raise BadInput(f"a frame of {len(content) + 2} bytes is too short: the shortest has {HEAD.size + 4}")
    length, version, host, controller, crossing, sequence, kind, count = HEAD.unpack_from(body)
    if length != len(body):
        raise BadInput(f"the length is stated as {length}, but is {len(body)}")
    if stated != crc(body):
        raise BadInput(f"the CRC is stated as {stated:04x}, but is {crc(body):04x}")
    values = tuple(_values(body[HEAD.size :]))
    if len(values) != count:
        raise BadInput(f"the number of values is stated as {count}, but is {len(values)}")
    return Frame(kind, values, host, controller, crossing, sequence, version)


def _values(data: Sequence[int]) -> Iterator[Value]:
    place, index = 0, 0
    while place < len(data):
        index += 1
        head = data[place : place + 2]
        if len(head) < 2 or head[1] < 4 or place + 2 + head[1] > len(data):
            raise BadInput(f"value {index} has no valid length")
        if head[0] != index:
            raise BadInput(f"value {index} has index {head[0]}")
        kind, thing, attribute, element, *rest = data[place + 2 : place + 2 + head[1]]
        yield Value(kind, thing, attribute, element, bytes(rest))
        place += 2 + head[1]
