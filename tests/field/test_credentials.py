"""Secrets are looked up where references say, and shown nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenband.errors import BadInput
from greenband.field import credentials
from greenband.field.credentials import Reference, Secrets

SECRET = "correct horse"


def file_of(folder: Path, text: str = f"privacy: {SECRET}\n", mode: int = 0o600) -> Path:
    path = folder / "secrets.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def complaint(secrets: Secrets, reference: Reference, least: int = 1) -> str:
    with pytest.raises(BadInput) as caught:
        secrets.value(reference, "controller J06: auth", least)
    shown = str(caught.value)
    assert "\n" not in shown
    assert SECRET not in f"{shown}{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    return shown


def test_a_variable_and_an_entry_are_found_and_not_shown(tmp_path: Path) -> None:
    secrets = Secrets(file_of(tmp_path), {"AUTH": "battery staple"})
    assert list(secrets) == []
    found = [secrets.value(Reference(secret="privacy"), ""), secrets.value(Reference(env="AUTH"), "")]
    assert [one.get_secret_value() for one in found] == [SECRET, "battery staple"]
    assert list(secrets) == found
    assert secrets.remark == ""
    assert SECRET not in f"{secrets!r}{secrets}{found}{[*found]!r}"
    assert "battery" not in f"{secrets!r}{secrets}{found}"


@pytest.mark.parametrize("text", ["0123", "1_000", "yes", "12:30:00", "2026-01-01", "~", "1e5", "秘密的口令"])
def test_a_secret_is_the_text_that_was_written(tmp_path: Path, text: str) -> None:
    secrets = Secrets(file_of(tmp_path, f"one: {text}\n"))
    assert secrets.value(Reference(secret="one"), "").get_secret_value() == text


def test_what_is_missing_is_named_with_what_comes_near(tmp_path: Path) -> None:
    secrets = Secrets(file_of(tmp_path, f"privacy: {SECRET}\nempty:\n"), {"GREENBAND_AUTH": SECRET, "EMPTY": ""})
    assert complaint(secrets, Reference(env="GREENBAND_AUHT")) == (
        "controller J06: auth: env GREENBAND_AUHT: this environment variable is not set; did you mean 'GREENBAND_AUTH'?"
    )
    assert complaint(secrets, Reference(env="EMPTY")).endswith("EMPTY: this environment variable is empty")
    said = complaint(secrets, Reference(secret="privcy"))
    assert said.startswith("controller J06: auth: secret privcy: ")
    assert said.endswith("did you mean 'privacy'?")
    assert "or an empty one" in complaint(secrets, Reference(secret="empty"))
    assert "add secrets: FILE" in complaint(Secrets(None), Reference(secret="privacy"))
    assert complaint(secrets, Reference(secret="privacy"), 20).endswith("is shorter than 20 characters")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o700, 0o620, 0o4600])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = file_of(tmp_path, mode=mode)
    said = complaint(Secrets(path), Reference(secret="privacy"))
    assert f"has mode {mode:03o}" in said
    assert f"chmod 600 {path}" in said


def test_a_stricter_mode_will_do(tmp_path: Path) -> None:
    assert Secrets(file_of(tmp_path, mode=0o400)).value(Reference(secret="privacy"), "").get_secret_value() == SECRET


def test_a_file_of_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to user" in complaint(Secrets(path), Reference(secret="privacy"))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "not a regular file" in complaint(Secrets(pipe), Reference(secret="privacy"))
    assert "Is a directory" in complaint(Secrets(tmp_path), Reference(secret="privacy"))
    assert "No such file" in complaint(Secrets(tmp_path / "none"), Reference(secret="privacy"))


@pytest.mark.parametrize(
    "text",
    [
        f'privacy: "{SECRET}',
        f"privacy: *{SECRET}",
        f"privacy: !{SECRET}\n - a\nb",
        f"privacy: @{SECRET}",
        f"privacy: a\nprivacy: {SECRET}",
        f"{SECRET}",
        f"privacy: [{SECRET}]",
        f"privacy: {SECRET}\x01",
        f"privacy: {{{SECRET}: {{{SECRET}: a}}",
        f"? [{SECRET}]\n: a",
        "[" * 5_000,
        f"privacy: {SECRET}" + " " * 100_000,
        "",
    ],
)
def test_a_file_that_cannot_be_read_is_not_quoted(tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path, text)
    assert complaint(Secrets(path), Reference(secret="privacy")).startswith(str(path))


def test_bytes_that_are_no_text_are_not_quoted(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    path.write_bytes(b"privacy: \xff\xfe")
    assert "UTF-8" in complaint(Secrets(path), Reference(secret="privacy"))


def test_bytes_of_a_variable_that_are_no_text_are_refused() -> None:
    secrets = Secrets(None, {"GREENBAND_TEST": "caf\udce9-passphrase"})
    assert complaint(secrets, Reference(env="GREENBAND_TEST")).endswith("env GREENBAND_TEST: is not UTF-8 text")


def test_where_rights_cannot_be_checked_this_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "CHECKABLE", False)
    secrets = Secrets(file_of(tmp_path, mode=0o644))
    assert secrets.value(Reference(secret="privacy"), "").get_secret_value() == SECRET
    assert "cannot be checked" in secrets.remark
    assert Secrets(None).remark == ""
