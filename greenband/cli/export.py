"""``greenband export``: timing tables from plans, ONNX files from policies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenband import formats, registry
from greenband.cli.common import err, read_whole
from greenband.errors import BadInput

__all__ = ["run"]

ONNX = "onnx"  # the one format of policies; all others are of plans


def run(plans: Sequence[Path], out: Path, format: str, scenario: str | None) -> None:
    """Write every plan in the formats asked for; several plans go to a folder each."""
    if format == ONNX:
        _policies(plans, out)
        return
    chosen = formats.names(format)
    read = [(path, read_whole(path, scenario)) for path in plans]
    folders = [out if len(read) == 1 else out / (path.stem if path.is_file() else path.name) for path, _ in read]
    if len(set(folders)) < len(folders):
        raise BadInput("two plans have the same name and would overwrite each other's tables; export them one by one")
    for (path, plan), folder in zip(read, folders, strict=True):
        files = formats.write(plan, chosen, folder)
        err.print(f"{path}: {len(files)} files in {folder}, plan {plan.content_hash[:12]}", soft_wrap=True)


def _policies(paths: Sequence[Path], out: Path) -> None:
    """Write every policy as an ONNX file named after it."""
    from greenband.evaluation.subjects import policy_folder

    named = {out / f"{path.resolve().name}.onnx": path for path in paths}
    if len(named) < len(paths):
        raise BadInput("two policies have the same name and would overwrite each other; export them one by one")
    for file, path in named.items():
        folder = policy_folder(path)
        if folder is None:
            raise BadInput(f"{path}: holds no policy; format onnx is for training runs and policy folders")
        registry.instantiate({"_target_": "greenband.agents.onnx_file.write_onnx"}, folder=folder, path=file)
        err.print(f"{path}: {file}", soft_wrap=True)
