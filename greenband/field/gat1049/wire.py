"""Messages of GA/T 1049 on a TCP connection: one after another, each of at most 100,000 characters.

How one message ends and the next begins is not in the public part of the standard. Of the public implementations the
reference code (MartinMeng001/ga-t1049-parent) sends the length in four bytes, most significant first, before each;
others send bare XML, which ends with ``</Message>``. Both are here. What is read is bounded, and nothing in it is
resolved or fetched.
"""

from __future__ import annotations

import asyncio
import re
import struct
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree as ET

from greenband.field.driver import Refused
from greenband.formats.gat1049_message import MAX_CHARACTERS, node

__all__ = ["MAX_BYTES", "Framing", "Garbled", "Kind", "Lost", "Message", "Operation", "framed", "read_frame"]

Framing = Literal["length", "xml"]
Kind = Literal["REQUEST", "RESPONSE", "PUSH", "ERROR"]

MAX_BYTES = 4 * MAX_CHARACTERS
MAX_SKIPPED = 40 * MAX_BYTES
MAX_DEPTH = 20
END = b"</Message>"
KINDS: dict[str, Kind] = {"REQUEST": "REQUEST", "RESPONSE": "RESPONSE", "PUSH": "PUSH", "ERROR": "ERROR"}
SEQ = re.compile(rb"<Seq>\s*([0-9]{20})\s*</Seq>")
NAME = re.compile("[A-Za-z]{1,20}")


class Garbled(Refused):
    """What came is no message of GA/T 1049. It says nothing of whether a request was carried out.

    ``seq`` is the request that it would have answered, where that can be seen.
    """

    def __init__(self, reason: str, seq: str | None = None) -> None:
        super().__init__(reason)
        self.seq = seq


class Lost(Garbled):
    """Where the next message begins cannot be told."""


@dataclass(frozen=True)
class Operation:
    """What is done, such as ``Get`` or ``Set``, and the objects of it."""

    name: str
    objects: tuple[ET.Element, ...] = ()


@dataclass(frozen=True)
class Message:
    """A message. ``seq`` ties an answer to its request: 14 digits of time and 6 of a running number."""

    kind: Kind
    seq: str
    operations: tuple[Operation, ...]
    token: str = field(default="", repr=False)

    def packed(self, sender: str, receiver: str) -> bytes:
        """The message as UTF-8 text. Its length is not checked."""
        root = node(
            "Message",
            node("Version", "2.0"),
            node("Token", self.token),
            node("From", _address(sender)),
            node("To", _address(receiver)),
            node("Type", self.kind),
            node("Seq", self.seq),
            node(
                "Body",
                *(
                    node("Operation", *operation.objects, order=str(order), name=operation.name)
                    for order, operation in enumerate(self.operations, 1)
                ),
            ),
        )
        return b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root, encoding="unicode").encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Message:
        """The message in these bytes; its objects are not held against the schema yet.

        Raises:
            Garbled: it is no message, or too long, or brings a document type declaration.
        """
        try:
            return cls._unpacked(_root(data))
        except Garbled as error:
            found = set(SEQ.findall(data))
            raise Garbled(str(error), found.pop().decode() if len(found) == 1 else None) from None

    @classmethod
    def _unpacked(cls, root: ET.Element) -> Message:
        kind, seq, body = root.findtext("Type", "").strip(), root.findtext("Seq", "").strip(), root.find("Body")
        if root.tag != "Message" or kind not in KINDS or body is None:
            raise Garbled("not a GA/T 1049 message: it lacks Message, Type or Body")
        if not re.fullmatch("[0-9]{20}", seq, re.ASCII):
            raise Garbled("not a GA/T 1049 message: its Seq has not 20 digits")
        operations = tuple(Operation(found.get("name", ""), tuple(found)) for found in body if found.tag == "Operation")
        if not all(NAME.fullmatch(operation.name) for operation in operations):
            raise Garbled("not a GA/T 1049 message: an operation without a name")
        return cls(KINDS[kind], seq, operations, root.findtext("Token", "").strip())


def _address(system: str) -> ET.Element:
    return node("Address", node("Sys", system), node("SubSys"), node("Instance"))


def _root(data: bytes) -> ET.Element:
    """The element that bytes of a stranger hold."""
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Garbled("not UTF-8 text") from None
    if len(text) > MAX_CHARACTERS:
        raise Garbled(f"a message of {len(text)} characters; GA/T 1049 takes {MAX_CHARACTERS}")
    if "<!DOCTYPE" in text:  # without one there are no entities either
        raise Garbled("a document type declaration has no place in a message")
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError):
        raise Garbled("not well-formed XML") from None
    level, depth = [root], 0
    while level:
        level, depth = [child for found in level for child in found], depth + 1
        if depth > MAX_DEPTH:
            raise Garbled("elements within elements, too deep for a message")
    return root


def framed(data: bytes, framing: Framing) -> bytes:
    """A message as it goes over the connection."""
    return struct.pack(">I", len(data)) + data if framing == "length" else data + b"\n"


async def read_frame(reader: asyncio.StreamReader, framing: Framing) -> bytes:
    """The next message. The reader must have ``MAX_BYTES`` as its limit, which bounds its memory too.

    Raises:
        EOFError: the connection ended.
        OSError: it broke.
        Garbled: it was too long, and was skipped; the next one may be read.
        Lost: it is so long that the connection is of no more use.
    """
    return await (_read_counted(reader) if framing == "length" else _read_bare(reader))


async def _read_counted(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if length > MAX_SKIPPED:
        raise Lost(f"a message of {length} bytes")
    if length <= MAX_BYTES:
        return await reader.readexactly(length)
    for left in range(length, 0, -MAX_BYTES):
        await reader.readexactly(min(left, MAX_BYTES))
    raise Garbled(f"a message of {length} bytes")


async def _read_bare(reader: asyncio.StreamReader) -> bytes:
    skipped = 0
    while skipped <= MAX_SKIPPED:
        try:
            data = await reader.readuntil(END)
        except asyncio.LimitOverrunError as error:
            skipped += len(await reader.readexactly(error.consumed))
            continue
        if skipped:
            raise Garbled(f"a message of {skipped + len(data)} bytes")
        return data
    raise Lost(f"a message of more than {skipped} bytes")
