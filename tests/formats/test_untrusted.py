"""Plan files that others made or broke: a line that says why, and nothing else."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenband import formats, registry
from greenband.agents.planned import Webster
from greenband.errors import BadInput
from greenband.formats.bounded import bounded_bytes, xml_root
from greenband.plan.describe import described
from greenband.plan.rules import broken_form

NAMES = ("plan.json", "plan.add.xml")
PIECES = (b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'"', b"<", b">", b"&x;", b"\x00", b"\xff", b"9" * 30)
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 30), st.one_of(st.binary(max_size=8), st.sampled_from(PIECES)))


@cache
def good(name: str) -> bytes:
    scenario = registry.scenario("jincheng")
    plans = described(Webster().plan_set(scenario, ["AM", "PM"]), scenario)
    with tempfile.TemporaryDirectory() as folder:
        formats.write(plans, "json,sumo", Path(folder))
        return Path(folder, name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.lists(EDIT, min_size=1, max_size=4), cut=st.floats(0, 1))
def test_a_broken_plan_file_is_read_or_refused(name: str, edits: list[tuple[float, int, bytes]], cut: float) -> None:
    data = good(name)
    for at, gone, put in edits:
        start = int(at * len(data))
        data = data[:start] + put + data[start + gone :]
    if cut < 0.2:
        data = data[: int(5 * cut * len(data))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(data)
        broken_form(file)
        reason = refusal(file)
        assert reason is None or (str(file) in reason and len(reason.splitlines()) == 1)


def refusal(file: Path) -> str | None:
    try:
        formats.read_plan(file)
    except BadInput as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("deep.json", b"[" * 100_000),
        ("deep.json", b'{"plans":' * 5_000 + b"1" + b"}" * 5_000),
        ("huge.json", b'{"plans": {"AM": {"J": {"cycle_s": ' + b"9" * 5_000 + b"}}}}"),
        ("entities.xml", b'<!DOCTYPE a [<!ENTITY x "xx">]><additional>&x;</additional>'),
        ("entities.xml", '<!DOCTYPE a [<!ENTITY x "xx">]><additional/>'.encode("utf-16")),
        ("deep.xml", b"<a>" * 50_000),
    ],
)
def test_traps_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=name):
        formats.read_plan(tmp_path / name)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_bytes(b"<a>12345</a>")
    assert bounded_bytes(tmp_path / "x.xml", 12) == b"<a>12345</a>"
    assert xml_root(tmp_path / "x.xml", 12).text == "12345"
    with pytest.raises(BadInput, match="larger than 11 bytes"):
        bounded_bytes(tmp_path / "x.xml", 11)
    with pytest.raises(BadInput, match="cannot be read"):
        bounded_bytes(tmp_path, 11)
