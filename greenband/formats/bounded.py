"""Reading files that others may have made, of which no more than so many bytes are taken in."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput

__all__ = ["bounded_bytes", "xml_root"]


def bounded_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file.

    Raises:
        BadInput: it cannot be read or is longer than ``most``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{path}: cannot be read: {reason}") from error
    if len(data) > most:
        raise BadInput(f"{path}: larger than {most} bytes")
    return data


def xml_root(path: Path, most: int) -> ET.Element:
    """The root of an XML file; one that declares a document type, and with it entities, is refused.

    Raises:
        BadInput: as ``bounded_bytes``, or it is no such XML.
    """
    data = bounded_bytes(path, most)
    if b"<!DOCTYPE" in data.replace(b"\x00", b""):  # in UTF-16 too
        raise BadInput(f"{path}: a document type declaration has no place here")
    try:
        return ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise BadInput(f"{path}: not XML: {error}") from error
