"""Files are replaced in one step or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenband.files import write_bytes, write_text


def test_folders_are_made_and_text_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "市心路.txt"
    write_text(path, "绿波\n")
    assert path.read_bytes() == "绿波\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_old_file_is_replaced_and_keeps_ordinary_rights(tmp_path: Path) -> None:
    path, plain = tmp_path / "file", tmp_path / "plain"
    write_bytes(path, b"old and long")
    write_bytes(path, b"new")
    plain.write_bytes(b"")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_must_last_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    write_text(tmp_path / "table", "new", durable=False)
    assert not waited
    write_text(tmp_path / "plan", "new")
    assert len(waited) == 1
    assert (tmp_path / "table").read_bytes() == (tmp_path / "plan").read_bytes() == b"new"
