"""What commands share: consoles, progress, and the number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from greenband import formats, registry
from greenband.errors import BadInput
from greenband.plan.describe import described
from greenband.plan.model import PlanSet
from greenband.plan.tables import Table
from greenband.processes import cores
from greenband.scenario import Scenario

__all__ = ["announced", "clock", "counted", "counting", "err", "periods_of", "processes"]

err = Console(stderr=True, highlight=False)
if not err.is_terminal:
    err.width = 100


def processes(jobs: int) -> int:
    """Number of processes for a ``--jobs`` option; 0 stands for one a core.

    Raises:
        BadInput: it is negative.
    """
    if jobs < 0:
        raise BadInput(f"--jobs {jobs}: must be 0 or more")
    return jobs or cores()


def periods_of(scenario: Scenario, text: str) -> list[str]:
    """Periods named by an option such as ``AM,PM`` or ``all``.

    Raises:
        UnknownName: the scenario has no such period.
    """
    own = [name for name, period in scenario.periods.items() if not period.plans]  # the whole day is made of these
    names = own if text == "all" else list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        scenario.period(name)
    return names


def read_whole(path: Path, scenario: str | None) -> PlanSet:
    """A plan with junctions and schedule, its scenario's where it has none of its own.

    Raises:
        BadInput: there is no plan, or nothing says which scenario it is for.
    """
    return _whole(formats.read_plan(path), path, scenario)


def read_whole_table(path: Path, scenario: str | None) -> Table:
    """As ``read_whole``; other kinds of table are whole as they are.

    Raises:
        BadInput: as ``read_whole``.
    """
    table = formats.read_table(path)
    return _whole(table, path, scenario) if isinstance(table, PlanSet) else table


def _whole(plans: PlanSet, path: Path, scenario: str | None) -> PlanSet:
    if plans.whole and scenario is None:
        return plans
    if not (scenario or plans.provenance.scenario):
        raise BadInput(f"{path}: does not say which scenario it is for; name it with --scenario")
    return described(plans, registry.scenario(scenario or plans.provenance.scenario))


def clock(seconds: int) -> str:
    """A time after midnight as ``07:30``."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


def counted(number: int, what: str) -> str:
    """A number of things, such as ``1 controller`` or ``2 controllers``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@contextmanager
def counting(label: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on stderr where that is a terminal; call what it yields once per finished item."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn(), console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def announced(label: str, total: int) -> Iterator[Callable[[], None]]:
    """As ``counting``, with a line that says what begins, for work that one may not have expected."""
    err.print(label, soft_wrap=True)
    with counting(label, total) as step:
        yield step
