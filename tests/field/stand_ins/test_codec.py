"""The codec against pysnmp's, and what is no SNMP."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ
from pysnmp.proto.api import v2c

from greenband.errors import BadInput
from greenband.field.stand_ins import ber
from greenband.field.stand_ins.ber import Malformed, Pdu, Reader
from greenband.field.stand_ins.usm import User

OIDS = st.lists(st.integers(0, 2**32 - 1), max_size=20).map(lambda more: (1, 3, *more))
INTEGERS = st.integers(-(2**31), 2**31 - 1)
OCTETS = st.binary(max_size=300)


def dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)


@given(INTEGERS)
def test_integers_are_read_by_pyasn1_and_have_no_octet_too_many(value: int) -> None:
    coded = ber.integer(value)
    assert decoder.decode(coded) == (value, b"")
    assert len(coded) <= len(encoder.encode(univ.Integer(value)))
    assert Reader(coded).integer() == value


@given(OIDS)
def test_oids_are_coded_as_pyasn1_does(numbers: tuple[int, ...]) -> None:
    coded = ber.oid(dotted(numbers))
    assert ber.wrap(ber.OID, coded) == encoder.encode(univ.ObjectIdentifier(numbers))
    assert ber.oid_of(coded) == dotted(numbers)


@settings(max_examples=20)
@given(st.lists(st.tuples(OIDS, st.one_of(INTEGERS, OCTETS, OIDS)), max_size=20), INTEGERS)
def test_pdus_are_read_and_written_as_pysnmp_does(bindings: list[tuple[Any, Any]], request: int) -> None:
    theirs = v2c.SetRequestPDU()
    v2c.apiPDU.set_defaults(theirs)
    v2c.apiPDU.set_request_id(theirs, request)
    v2c.apiPDU.set_varbinds(theirs, [(name, _theirs(value)) for name, value in bindings])
    coded = encoder.encode(theirs)
    ours = Pdu.of(Reader(coded))
    assert (ours.kind, ours.request, ours.status, ours.index) == (ber.SET, request, 0, 0)
    assert [(ber.path_of(name), _ours(tag, content)) for name, tag, content in ours.bindings] == bindings
    again, rest = decoder.decode(ours.octets(), asn1Spec=v2c.SetRequestPDU())
    assert (again, rest) == (theirs, b"")


def _theirs(value: Any) -> Any:
    kind = v2c.Integer if isinstance(value, int) else v2c.OctetString if isinstance(value, bytes) else None
    return kind(value) if kind else v2c.ObjectIdentifier(value)


def _ours(tag: int, content: bytes) -> object:
    if tag == ber.INTEGER:
        return ber.integer_of(content)
    return content if tag == ber.OCTETS else ber.path_of(content)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_000])
def test_long_elements(size: int) -> None:
    coded = ber.wrap(ber.OCTETS, bytes(size))
    assert coded == encoder.encode(univ.OctetString(bytes(size)))
    assert Reader(coded).content(ber.OCTETS) == bytes(size)


@pytest.mark.parametrize(
    "octets",
    ["", "02", "0201", "028001", "0280", "0285000000000100", "0284ffffffff01", "30020201", "0200", "020a" + "00" * 10],
)
def test_what_is_no_integer_is_malformed(octets: str) -> None:
    with pytest.raises(Malformed):
        Reader(bytes.fromhex(octets)).integer()


@pytest.mark.parametrize("octets", ["", "2b86", "2b9080808000", "2bffffffff7f"])
def test_what_is_no_oid_is_malformed(octets: str) -> None:
    with pytest.raises(Malformed):
        ber.path_of(bytes.fromhex(octets))


@given(st.binary(max_size=200))
def test_any_octets_are_a_pdu_or_malformed(octets: bytes) -> None:
    try:
        Pdu.of(Reader(octets))
    except Malformed:
        return


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"auth": "SHA256"}, "unknown authentication 'SHA256': .* did you mean 'SHA-256'"),
        ({"priv": "DES"}, "unknown privacy 'DES'"),
        ({"auth_passphrase": "short"}, "SNMP user 'op': a passphrase must have at least 8 characters"),
    ],
)
def test_a_user_that_cannot_be_is_named_without_secrets(more: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        User(**{"name": "op", "auth_passphrase": "auth-secret", "priv_passphrase": "priv-secret", **more})
    assert "secret" not in str(caught.value)
    assert "short" not in str(caught.value)
    assert "secret" not in repr(User("op", "auth-secret", "priv-secret"))
