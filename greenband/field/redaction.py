"""Texts from which secrets are taken out before they are shown or kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["redacted"]

INSTEAD = "***"


def redacted(text: str, secrets: Iterable[SecretStr]) -> str:
    """A text in which every secret, as it is or as messages spell it, is replaced by ``***``."""
    if not text:
        return text
    spellings = {spelling for secret in secrets for spelling in _spellings(secret.get_secret_value())}
    for spelling in sorted(spellings, key=len, reverse=True):  # one may be part of another
        text = text.replace(spelling, INSTEAD)
    return text


@lru_cache(maxsize=4096)  # of hundreds of controllers, asked for at each entry
def _spellings(secret: str) -> frozenset[str]:
    """As it is, quoted by Python, JSON and XML, and its bytes in hexadecimal digits."""
    data = secret.encode("utf-8", "surrogateescape")
    quoted = (repr(secret)[1:-1], ascii(secret)[1:-1], repr(data)[2:-1], json.dumps(secret)[1:-1])
    every = (secret, *quoted, escape(secret), quoteattr(secret)[1:-1], data.hex(), data.hex().upper())
    return frozenset(every) - {""}
