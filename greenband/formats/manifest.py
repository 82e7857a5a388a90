"""The list of what an export wrote: every file with its SHA-256, so that a copy elsewhere can be held against it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenband.files import write_text

__all__ = ["MANIFEST", "write_manifest"]

MANIFEST = "manifest.json"


def write_manifest(
    folder: Path, content_hash: str, files: Mapping[str, Sequence[Path]], refused: Mapping[str, str]
) -> None:
    """Write ``manifest.json``: the plan set's hash, the files by format, and the reasons of formats that refused it."""
    hashes = {
        name: {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in written}
        for name, written in files.items()
    }
    data = {"content_hash": content_hash, "files": hashes, "refused": dict(refused)}
    write_text(folder / MANIFEST, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
