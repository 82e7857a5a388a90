from __future__ import annotations

import binascii
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.errors import BadInput
from greenband.formats.gb20999_frames import ANSWER, QUERY, SET, Frame, Value, crc, decode, encode, frames

# Captured between a host and a controller by UDP: a query and an answer. The SET frame is a published example.
MAKER = "7e 00 13 01 00 05 00 00 00 00 00 01 10 01 01 04 01 01 00 00 5a 91 7d"
CYCLE_AND_OFFSET = (
    "7e 00 1f 01 00 05 00 00 00 00 00 01 30 02 01 08 09 02 03 01 00 00 00 78 02 06 09 02 05 01 00 25 e2 d7 7d"
)
MONTHS = "7e 00 15 01 00 05 00 00 00 00 00 02 20 01 01 06 0c 02 05 01 1f fe 42 7d 7d"

ASK_MAKER = Frame(QUERY, (Value(1, 1, 0, 0),), host=5, controller=0, sequence=1)
SET_PLAN = Frame(
    SET,
    (Value(9, 2, 3, 1, (120).to_bytes(4, "big")), Value(9, 2, 5, 1, (37).to_bytes(2, "big"))),
    host=5,
    controller=0,
    sequence=1,
)
ALL_MONTHS = Frame(ANSWER, (Value(12, 2, 5, 1, b"\x1f\xfe"),), host=5, controller=0, sequence=2)

octet = st.integers(0, 255)
values = st.builds(Value, octet, octet, octet, octet, st.binary(max_size=251))
any_frame = st.builds(
    Frame,
    octet,
    st.lists(values, max_size=5).map(tuple),
    host=octet,
    controller=st.integers(0, 2**32 - 1),
    crossing=octet,
    sequence=octet,
    version=st.integers(0, 65535),
)
SPECIAL = st.lists(st.sampled_from([0x7E, 0x7D, 0x5C, 0x00]), max_size=30).map(bytes)
awkward = st.builds(
    lambda data: replace(SET_PLAN, values=(Value(9, 2, 3, 0x7D, data),), controller=0x7E5C7D00), SPECIAL
)


@pytest.mark.parametrize(("known", "frame"), [(MAKER, ASK_MAKER), (CYCLE_AND_OFFSET, SET_PLAN), (MONTHS, ALL_MONTHS)])
def test_known_frames_byte_for_byte(known: str, frame: Frame) -> None:
    assert encode(frame).hex(" ") == known
    assert decode(bytes.fromhex(known)) == frame


def test_the_checksum_is_not_the_common_one() -> None:
    body = bytes.fromhex(MAKER)[1:-3]
    assert crc(b"") == 0
    assert crc(b"\x01") == 0x1005
    assert crc(body) == 0x5A91
    for start in (0, 0xFFFF):
        wrong = binascii.crc_hqx(body, start)
        with pytest.raises(BadInput, match=f"the CRC is stated as {wrong:04x}, but is 5a91"):
            decode(b"\x7e" + body + wrong.to_bytes(2, "big") + b"\x7d")


def test_escapes_are_sent_by_tcp_and_counted_nowhere() -> None:
    assert encode(ALL_MONTHS, escaped=True) == bytes.fromhex(MONTHS.replace("42 7d", "42 5c 7d"))
    assert encode(ASK_MAKER, escaped=True) == bytes.fromhex(MAKER)
    sent = encode(replace(ASK_MAKER, controller=0x7E7D5C00), escaped=True)
    assert sent[:14] == bytes.fromhex("7e 00 13 01 00 05 5c 7e 5c 7d 5c 5c 00 00")


@settings(deadline=None, max_examples=100)
@given(frame=any_frame | awkward, escaped=st.booleans())
def test_round_trip(frame: Frame, escaped: bool) -> None:
    assert decode(encode(frame, escaped), escaped) == frame


@settings(deadline=None, max_examples=100)
@given(sent=st.lists(any_frame | awkward, max_size=4), cut=st.integers(0, 400))
def test_a_stream_cut_anywhere_gives_the_same_frames(sent: list[Frame], cut: int) -> None:
    stream = b"".join(encode(frame, escaped=True) for frame in sent)
    first, rest = frames(stream[:cut])
    second, end = frames(rest + stream[cut:])
    assert (first + second, end) == (sent, b"")


def test_an_unended_frame_is_kept_back() -> None:
    whole = encode(ALL_MONTHS, escaped=True)
    assert frames(whole + whole[:-2]) == ([ALL_MONTHS], whole[:-2])
    assert frames(whole[:-2]) == ([], whole[:-2])


def good(change: dict[int, int], crc_too: bool = True) -> bytes:
    """The SET frame with bytes changed, and its CRC made right again."""
    data = bytearray(bytes.fromhex(CYCLE_AND_OFFSET))
    for place, byte in change.items():
        data[place] = byte
    if crc_too:
        data[-3:-1] = crc(bytes(data[1:-3])).to_bytes(2, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "must begin with 7e"),
        (b"\x7e", "must begin with 7e"),
        (good({0: 0x7F}), "must begin with 7e"),
        (good({-1: 0}), "must begin with 7e and end with 7d"),
        (b"\x7e\x7d", "a frame of 2 bytes is too short: the shortest has 17"),
        (good({2: 0x1E}), "the length is stated as 30, but is 31"),
        (good({}) + b"\x7d", "the length is stated as 31, but is 32"),
        (good({20: 1}, crc_too=False), "the CRC is stated as e2d7, but is"),
        (good({13: 3}), "the number of values is stated as 3, but is 2"),
        (good({14: 2}), "value 1 has index 2"),
        (good({15: 3}), "value 1 has no valid length"),
        (good({25: 7}), "value 2 has no valid length"),
        (good({25: 5}), "value 3 has no valid length"),
    ],
)
def test_a_wrong_frame_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        decode(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00", "byte 0: 00 where a frame must begin with 7e"),
        (bytes.fromhex(MAKER) + b"\x5c", "byte 23: 5c where a frame must begin"),
        (b"\x7e\x00\x7e", "byte 2: 7e within the frame that begins at byte 0"),
        (b"\x7e\x5c\x00", "byte 2: 00 must not be escaped"),
        (bytes.fromhex(MAKER) + b"\x7e\x00\x7d", "frame at byte 23: a frame of 3 bytes is too short"),
        (bytes.fromhex(MONTHS), "frame at byte 0: the length is stated as 21, but is 20"),
        (b"\x7e" + bytes(70000), "byte 65538: the frame that begins at byte 0 is longer than any can be"),
    ],
)
def test_a_wrong_stream_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        frames(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(MAKER[:-3], "does not end"), (f"{MAKER} {MAKER}", "2 frames instead of one"), ("", "0 frames")],
)
def test_one_escaped_frame_is_one(data: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        decode(bytes.fromhex(data), escaped=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"host": 256}, "host 256 must be from 0 to 255"),
        ({"controller": -1}, "controller -1 must be from 0 to 4294967295"),
        ({"sequence": 256}, "sequence number 256"),
        ({"type": 256}, "frame type 256"),
        ({"values": (Value(1, 1, 0, 0),) * 256}, "number of values 256"),
        ({"values": (Value(1, 1, 0, 256),)}, "element 256"),
        ({"values": (Value(1, 1, 0, 0, bytes(252)),)}, r"length of value 1\.1\.0\.0 256 must be from 0 to 255"),
        ({"values": (Value(1, 1, 0, 0, bytes(251)),) * 255}, "length of the frame 65548 must be"),
    ],
)
def test_what_does_not_fit_is_not_sent(change: dict[str, object], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        encode(replace(SET_PLAN, **change))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=200)
@given(frame=any_frame | awkward, escaped=st.booleans(), data=st.data())
def test_noise_is_refused_or_read(frame: Frame, escaped: bool, data: st.DataObject) -> None:
    sent = bytearray(encode(frame, escaped))
    place = data.draw(st.integers(0, len(sent) - 1))
    sent[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for received in (bytes(sent), data.draw(st.binary(max_size=60))):
        try:
            assert encode(decode(received, escaped), escaped) == received
            frames(received)
        except BadInput:
            pass
