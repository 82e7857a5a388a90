"""Secrets by reference: an inventory names them, an environment variable or a file of its own holds them.

No value of a secret is in any message or representation here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from greenband.errors import BadInput
from greenband.field.texts import mapping

__all__ = ["Reference", "Secrets"]

CHECKABLE = hasattr(os, "geteuid")  # on Windows rights are not those of POSIX
MOST_BYTES = 100_000
OWNER_ONLY = 0o600


class Reference(BaseModel):
    """Where a secret is: ``{env: NAME}``, a variable, or ``{secret: name}``, an entry of the secrets file."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    env: str = ""
    secret: str = ""

    @model_validator(mode="before")
    @classmethod
    def _is_one(cls, value: object) -> object:
        """What else stands there may be the secret itself, and is not repeated."""
        if isinstance(value, dict) and len(value) == 1:
            [(kind, name)] = value.items()
            if isinstance(name, str) and ((kind == "env" and name.isidentifier()) or (kind == "secret" and name)):
                return value
        raise PydanticCustomError("reference", "no secret has a place here: write {env: NAME} or {secret: name}")


class Secrets:
    """Looks secrets up. Iterating gives those found so far, for taking them out of texts."""

    def __init__(self, file: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing is read before it is asked for.

        Args:
            file: YAML, a text by each name; for its owner alone.
            environment: the environment variables.
        """
        self.file = file
        self._environment = environment
        self._found: dict[str, SecretStr] = {}

    def __iter__(self) -> Iterator[SecretStr]:
        return iter(tuple(self._found.values()))

    def __repr__(self) -> str:
        return f"Secrets({str(self.file)!r})"

    @property
    def remark(self) -> str:
        """What a person should be told of the secrets file; empty if nothing."""
        if self.file is None or CHECKABLE:
            return ""
        return f"{self.file}: who may read this file cannot be checked on Windows; see to it that only you can"

    def value(self, reference: Reference, about: str, least: int = 1) -> SecretStr:
        """The secret that is referred to.

        Args:
            reference: where it is.
            about: for messages: the controller and the field.
            least: fewest characters that it may have.

        Raises:
            BadInput: it is not there, or shorter; or the file cannot be used.
        """
        kind, name = ("env", reference.env) if reference.env else ("secret", reference.secret)
        about = f"{about}: {kind} {name}"
        found = self._variable(name, about) if kind == "env" else self._entry(name, about)
        try:
            found.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{about}: is not UTF-8 text") from None
        if len(found) < least:
            raise BadInput(f"{about}: is shorter than {least} characters")
        return self._found.setdefault(found, SecretStr(found))

    def _variable(self, name: str, about: str) -> str:
        found = self._environment.get(name)
        if not found:
            fault = "is empty" if found == "" else f"is not set{_near(name, self._environment)}"
            raise BadInput(f"{about}: this environment variable {fault}")
        return found

    def _entry(self, name: str, about: str) -> str:
        if self.file is None:
            raise BadInput(f"{about}: the inventory names no file of secrets; add secrets: FILE")
        found = self._entries.get(name)
        if found is None:
            raise BadInput(f"{about}: {self.file} has no such entry, or an empty one{_near(name, self._entries)}")
        return found

    @cached_property
    def _entries(self) -> dict[str, str]:
        assert self.file is not None
        found = mapping(_private_bytes(self.file), self.file)
        for name, value in found.items():
            if not isinstance(value, str):
                raise BadInput(f"{self.file}: {name}: must be a text")
        return found


def _near(name: str, names: Iterable[str]) -> str:
    """Only the nearest, as the names of all variables are nobody's business."""
    near = get_close_matches(name, [*names], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _private_bytes(path: Path) -> bytes:
    """A file's bytes. It is looked at once open, so that nobody can exchange it in between."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # does not wait at a pipe
        with os.fdopen(handle, "rb") as file:
            _check_private(path, os.fstat(handle))
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise BadInput(f"{path}: larger than {MOST_BYTES} bytes")
    return data


def _check_private(path: Path, status: Any) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path}: not a regular file")
    if not CHECKABLE:
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise BadInput(f"{path}: belongs to user {status.st_uid}; a file of secrets must be your own or root's")
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~OWNER_ONLY:
        raise BadInput(f"{path}: has mode {mode:03o}; secrets are for their owner alone: chmod 600 {path}")
