"""The encoding against pyasn1's, which shares no code with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ
from pysnmp.proto import rfc1902

from greenband.field.snmp import ber
from greenband.field.snmp.ber import Missing, Unsigned

PARTS = st.lists(st.integers(0, 2**32 - 1), max_size=30)
OIDS = st.builds(
    lambda first, rest: ".".join(str(part) for part in (*first, *rest)),
    st.tuples(st.integers(0, 1), st.integers(0, 39)) | st.tuples(st.just(2), st.integers(0, 2**31)),
    PARTS,
)


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers(number: int) -> None:
    assert ber.integer(number) == encoder.encode(univ.Integer(number))
    ((tag, content),) = ber.elements(ber.integer(number))
    assert ber.value(tag, content) == number


@given(st.binary(max_size=70_000) | OIDS | st.integers(0, 2**32 - 1).map(Unsigned) | st.none())
def test_values(value: Any) -> None:
    kinds = {bytes: univ.OctetString, str: univ.ObjectIdentifier, Unsigned: rfc1902.Gauge32}
    other = univ.Null("") if value is None else kinds[type(value)](value)
    coded = ber.encoded(value)
    assert coded == encoder.encode(other)
    ((tag, content),) = ber.elements(coded)
    assert ber.value(tag, content) == value
    assert decoder.decode(coded, asn1Spec=other.clone())[0] == other


@given(st.binary(max_size=200))
def test_any_bytes_are_elements_or_none(data: bytes) -> None:
    try:
        found = ber.elements(data)
    except ValueError:
        return
    for tag, content in found:
        try:
            ber.value(tag, content)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("tag", "content"),
    [(0x02, b""), (0x02, bytes(10)), (0x06, b"\x2b\x86"), (0x06, b"\xff" * 9 + b"\x01"), (0x42, b"\xff"), (0x05, b"0")],
)
def test_contents_that_are_none(tag: int, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"number|identifier|type"):
        ber.value(tag, content)


@pytest.mark.parametrize(
    "data", [b"\x02", b"\x02\x02\x01", b"\x30\x80\x00\x00", b"\x04\x85\x00\x00\x00\x00\x00", b"\x04\x82\x01"]
)
def test_lengths_that_are_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|length"):
        ber.elements(data)


def test_what_is_missing_and_null() -> None:
    assert [ber.value(tag, b"") for tag in (0x80, 0x81, 0x82)] == list(Missing)
    assert ber.value(0x05, b"") is None
    assert ber.value(0x06, b"") == "0.0"
    assert ber.encoded("0.0") == b"\x06\x01\x00"
