"""``greenband export``: timing tables from plans, ONNX files from policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from greenband import formats, interrupts, registry
from greenband.cli.check import counts, judged
from greenband.cli.common import counting, err, processes, read_whole
from greenband.errors import BadInput, GreenbandError
from greenband.formats import Written
from greenband.plan.rules import Profile, Waiver, load_profile, load_waivers
from greenband.processes import end_with_parent

__all__ = ["run"]

ONNX = "onnx"  # the one format of policies; all others are of plans


@dataclass(frozen=True)
class Job:
    """One plan to export; ``profile`` and ``waivers`` are for the rules, None of a profile for no rules at all."""

    path: Path
    folder: Path
    format: str
    scenario: str | None
    profile: Profile | None
    waivers: tuple[Waiver, ...]


def run(
    plans: Sequence[Path],
    out: Path,
    format: str,
    scenario: str | None,
    jobs: int,
    profile: str = "cn",
    waivers: Path | None = None,
    unchecked: bool = False,
) -> bool:
    """Write every plan in the formats asked for, several plans to a folder each; returns whether none was refused.

    A plan that breaks a rule is not exported, but for ``unchecked``; JSON is no table for controllers and is not held
    against any.
    """
    if format == ONNX:
        _policies(plans, out)
        return True
    formats.names(format)
    folders = {path: out if len(plans) == 1 else out / (path.stem if path.is_file() else path.name) for path in plans}
    if len(set(folders.values())) < len(plans):
        raise BadInput("two plans have the same name and would overwrite each other's tables; export them one by one")
    asked = None if unchecked or formats.names(format) == ["json"] else load_profile(profile)
    accepted = tuple(load_waivers(waivers)) if waivers else ()
    tasks = [Job(path, folder, format, scenario, asked, accepted) for path, folder in folders.items()]
    failed = {path: outcome for path, outcome in _exported(tasks, processes(jobs)) if not _told(path, outcome, folders)}
    if bad := {path: outcome for path, outcome in failed.items() if isinstance(outcome, BadInput)}:
        first = next(iter(bad.values()))
        raise first if len(plans) == 1 else BadInput(f"{len(bad)} of {len(plans)} plans not exported, see above")
    return not failed


def _exported(tasks: Sequence[Job], jobs: int) -> Iterator[tuple[Path, Written | BadInput]]:
    """Outcomes as they come; each plan is in memory only while it is written.

    After an interrupt no further plan is begun, and those in hand are written in full.
    """
    if len(tasks) == 1 or jobs == 1:
        yield from ((task.path, _export(task)) for task in tasks)
        return
    with (
        ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn"), end_with_parent) as pool,
        counting("exporting", len(tasks)) as step,
    ):
        try:
            with interrupts.ignored_by_children():
                pending = {pool.submit(_export, task): task.path for task in tasks}
            for future in as_completed(pending):
                step()
                yield pending[future], future.result()
        except BrokenProcessPool as error:
            raise GreenbandError(
                "a process was killed, for want of memory perhaps: export with fewer --jobs"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _export(task: Job) -> Written | BadInput:
    """One plan; what is wrong with it comes back, so that the others go on."""
    try:
        plans = read_whole(task.path, task.scenario)
        findings = judged(plans, task.scenario, task.profile, task.waivers) if task.profile else []
        if broken := [finding for finding in findings if counts(finding)]:
            first, name = broken[0], task.profile.name if task.profile else ""
            raise BadInput(
                f"{task.path}: breaks {len(broken)} rules of profile {name}, such as {first.rule} at"
                f" {first.junction} {first.plan} {first.place}: {first.measured}, required {first.required};"
                f" greenband check {task.path} tells all of them"
            )
        return formats.write(plans, task.format, task.folder)
    except BadInput as error:
        return error


def _told(path: Path, outcome: Written | BadInput, folders: Mapping[Path, Path]) -> bool:
    """Say what became of a plan; whether all went well."""
    if isinstance(outcome, BadInput):
        if len(folders) > 1:
            reason = str(outcome).removeprefix(f"{path}: ")
            err.print(f"{path}: {reason}", soft_wrap=True, markup=False)
        return False
    err.print(f"{path}: {len(outcome.all())} files in {folders[path]}", soft_wrap=True, markup=False)
    for name, reason in outcome.refused.items():
        err.print(f"  not as {name}: {reason}", soft_wrap=True, markup=False)
    return not outcome.refused


def _policies(paths: Sequence[Path], out: Path) -> None:
    """Write every policy as an ONNX file named after it, or one for each period if that makes a difference."""
    from greenband.evaluation.subjects import policy_folder

    named = {out / f"{path.resolve().name}.onnx": path for path in paths}
    if len(named) < len(paths):
        raise BadInput("two policies have the same name and would overwrite each other; export them one by one")
    for file, path in named.items():
        folder = policy_folder(path)
        if folder is None:
            raise BadInput(f"{path}: holds no policy; format onnx is for training runs and policy folders")
        write = {"_target_": "greenband.agents.onnx_file.write_onnx"}
        for written in registry.instantiate(write, folder=folder, path=file):
            err.print(f"{path}: {written}", soft_wrap=True)
