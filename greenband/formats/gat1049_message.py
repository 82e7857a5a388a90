"""The envelope of GA/T 1049 messages: written, read with care, and stamped when it is sent.

A message is UTF-8 XML of at most 100,000 characters that goes from the integrated platform (``TICP``) to the signal
system (``UTCS``); its body holds operations, numbered from 1 and carried out in order. Seq is the time of sending in 14
digits and a running number of 6. What is written here has zeros for the time and no token, so that its bytes depend on
its content alone; ``stamped`` fills in both.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from greenband.errors import BadInput

if TYPE_CHECKING:
    from xmlschema import XMLSchema
    from xmlschema.validators import XsdElement

__all__ = [
    "MAX_CHARACTERS",
    "NO_XML",
    "answer",
    "check_object",
    "message",
    "name_node",
    "node",
    "number_node",
    "numbers_node",
    "parsed",
    "stamped",
]

MAX_CHARACTERS = 100_000
MAX_NAME = 50
NO_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
PLATFORM, SIGNAL_SYSTEM = "TICP", "UTCS"


def node(tag: str, *content: ET.Element | str | int, **attributes: str) -> ET.Element:
    """An XML element with elements in it, or a text or number."""
    made = ET.Element(tag, attributes)
    for part in content:
        if isinstance(part, ET.Element):
            made.append(part)
        else:
            made.text = str(part)
    return made


def name_node(tag: str, text: str, about: str) -> ET.Element:
    """A field for a name; BadInput where it is too long, or holds characters that XML does not keep."""
    if len(text) > MAX_NAME or NO_XML.search(text):
        reason = f"GA/T 1049.2 takes up to {MAX_NAME} characters and no control characters"
        raise BadInput(f"{about}: {tag} {text!r}: {reason}")
    return node(tag, text)


def number_node(tag: str, value: int, low: int, high: int, about: str) -> ET.Element:
    """A field for a number; BadInput where it is out of range."""
    if not low <= value <= high:
        raise BadInput(f"{about}: {tag} {value}: GA/T 1049.2 allows {low} to {high}")
    return node(tag, value)


def numbers_node(tag: str, numbers: Sequence[int]) -> ET.Element:
    """A list of numbers, such as ``StageNoList`` of ``StageNo``."""
    return node(f"{tag}List", *(node(tag, number) for number in numbers))


def message(commands: Iterable[ET.Element], about: str) -> bytes:
    """A request that sets things: one operation per command, in order. ``about`` names the content in errors.

    Raises:
        BadInput: it would be too long.
    """
    operations = [node("Operation", command, order=str(order), name="Set") for order, command in enumerate(commands, 1)]
    return _message("REQUEST", operations, about)


def answer(objects: Iterable[ET.Element], about: str) -> bytes:
    """What a signal system would answer when asked for these objects.

    Raises:
        BadInput: it would be too long.
    """
    return _message("RESPONSE", [node("Operation", *objects, order="1", name="Get")], about)


def _message(kind: Literal["REQUEST", "RESPONSE"], operations: Sequence[ET.Element], about: str) -> bytes:
    sender, receiver = (PLATFORM, SIGNAL_SYSTEM) if kind == "REQUEST" else (SIGNAL_SYSTEM, PLATFORM)
    root = node(
        "Message",
        node("Version", "2.0"),
        node("Token"),
        node("From", _address(sender)),
        node("To", _address(receiver)),
        node("Type", kind),
        node("Seq", f"{0:014d}{1:06d}"),
        node("Body", *operations),
    )
    ET.indent(root)
    return _encoded(root, about)


def _address(system: str) -> ET.Element:
    return node("Address", node("Sys", system), node("SubSys"), node("Instance"))


def _encoded(root: ET.Element, about: str) -> bytes:
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"{about}: a message of {len(text)} characters; GA/T 1049 takes {MAX_CHARACTERS}")
    return text.encode("utf-8")


def stamped(data: bytes, sent: datetime.datetime, number: int, token: str = "") -> bytes:
    """A message with its Seq and token, ready to be sent.

    Args:
        data: the message.
        sent: local time of sending, whole seconds.
        number: running number, 0 to 999999; a message sent in the same second needs another one.
        token: what the signal system gave at login.

    Raises:
        BadInput: ``data`` is no message, the number has more than 6 digits, or the token cannot stand in XML.
    """
    if not 0 <= number <= 999_999:
        raise BadInput(f"running number {number} of a GA/T 1049 message: allowed are 0 to 999999")
    if NO_XML.search(token):
        raise BadInput("the token of a GA/T 1049 message cannot hold control characters")
    root = parsed(data, "message to send")
    for tag, value in (("Token", token), ("Seq", f"{sent:%Y%m%d%H%M%S}{number:06d}")):
        found = root.find(tag)
        assert found is not None, "the schema wants it"
        found.text = value
    return _encoded(root, "message to send")


@cache
def _schema() -> XMLSchema:
    import xmlschema  # slow to import, and only reading needs it

    text = files("greenband.formats").joinpath("gat1049.xsd").read_text(encoding="utf-8")
    return xmlschema.XMLSchema(io.StringIO(text), defuse="always", allow="none")


def parsed(data: bytes, place: str) -> ET.Element:
    """The root of a message that fits the schema ``gat1049.xsd``. Entities are not resolved, nothing is fetched.

    Raises:
        BadInput: naming ``place``, the element and what is wrong with it.
    """
    from xmlschema import XMLResource, XMLSchemaException

    if len(data) > 4 * MAX_CHARACTERS:
        raise BadInput(f"{place}: {len(data)} bytes; a GA/T 1049 message has at most {MAX_CHARACTERS} characters")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"{place}: {len(text)} characters; a GA/T 1049 message has at most {MAX_CHARACTERS}")
    if "<!DOCTYPE" in text:
        raise BadInput(f"{place}: a document type declaration has no place in a message")
    try:
        resource = XMLResource(io.StringIO(text), defuse="always", allow="none")
        wrong = next(_schema().iter_errors(resource), None)
    except XMLSchemaException as error:
        raise BadInput(f"{place}: not a GA/T 1049 message: {_line(str(error))}") from error
    if wrong is not None:
        raise BadInput(f"{place}: {wrong.path}: {_line(wrong.reason or wrong.message)}")
    root = resource.root
    assert isinstance(root, ET.Element)
    return root


@lru_cache(maxsize=100)  # tags may come from a stranger
def _declared(tag: str) -> XsdElement | None:
    from xmlschema.validators import XsdElement

    found = _schema().find(f"Message/Body/Operation/{tag}")
    return found if isinstance(found, XsdElement) else None


def check_object(found: ET.Element, place: str) -> None:
    """Hold an object of an operation against the schema, such as a PlanParam, a SetPlanParam or an SDO_Error.

    Raises:
        BadInput: naming ``place``, the element and what is wrong with it.
    """
    declared = _declared(found.tag) if re.fullmatch("[A-Za-z_]{1,50}", found.tag) else None
    if declared is None:
        raise BadInput(f"{place}: {_line(repr(found.tag))} is no object of GA/T 1049.2 that is known here")
    wrong = next(declared.iter_errors(found), None)
    if wrong is not None:
        raise BadInput(f"{place}: {wrong.path}: {_line(wrong.reason or wrong.message)}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
