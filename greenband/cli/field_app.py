"""The commands of ``greenband field``, as typed; what they do is in ``field``, ``history`` and ``simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from greenband.cli.field import Options

__all__ = ["field"]

field = typer.Typer(no_args_is_help=True, help="Controllers on the network: read, download, compare, roll back.")

Inventory = Annotated[Path, typer.Option("--inventory", "-i", help="YAML file of the controllers.")]
Only = Annotated[str | None, typer.Option(help="Junctions to work with, separated by commas; all by default.")]
RecordsFolder = Annotated[
    Path | None, typer.Option("--records", help="Folder of backups and journal; INVENTORY.records by default.")
]
Parallel = Annotated[int, typer.Option(help="Controllers spoken to at the same time.")]
Insecure = Annotated[bool, typer.Option("--insecure-v2c", help="Speak to controllers of SNMPv2c too, unencrypted.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and show what would change; write nothing.")]
Scenario = Annotated[str | None, typer.Option("--scenario", "-s", help="If the plan's own is not at hand.")]
CONTROLLERS = Path("controllers.yaml")


def _options(inventory: Path, only: str | None, records: Path | None, parallel: int, insecure: bool) -> Options:
    from greenband.cli.field import Options

    return Options(inventory, only, records, parallel, insecure)


@field.command()
def pull(
    inventory: Inventory = CONTROLLERS,
    like: Annotated[
        Path | None, typer.Option(help="A plan that describes the junctions: what is held is kept as plans too.")
    ] = None,
    scenario: Scenario = None,
    only: Only = None,
    records: RecordsFolder = None,
    parallel: Parallel = 32,
    dry_run: DryRun = False,
    insecure: Insecure = False,
) -> None:
    """Back up what the controllers hold; exit code 1 if one could not be read."""
    from greenband.cli import field as command

    if not command.pull(_options(inventory, only, records, parallel, insecure), like, scenario, dry_run=dry_run):
        raise typer.Exit(1)


@field.command()
def push(
    plan: Annotated[Path | None, typer.Argument(help="A plan file, or a folder that holds one.")] = None,
    inventory: Inventory = CONTROLLERS,
    yes: Yes = False,
    dry_run: DryRun = False,
    trial: Annotated[
        str | None, typer.Option("--for", help="Only for a while, such as 60m or 2h; then they return by themselves.")
    ] = None,
    period: Annotated[
        str | None, typer.Option(help="With --for: whose plans to try; those of the present hour by default.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with a batch: its name, or last for the last interrupted.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Agency whose rules a plan must keep: cn, us, or a YAML file.")] = "cn",
    waivers: Annotated[Path | None, typer.Option(help="YAML file of findings that are accepted.")] = None,
    scenario: Scenario = None,
    only: Only = None,
    records: RecordsFolder = None,
    parallel: Parallel = 32,
    insecure: Insecure = False,
) -> None:
    """Download a plan to the controllers; exit code 1 if one does not hold and run it in the end.

    A plan that breaks a rule of greenband check is not sent. Every controller is read first and what it holds kept;
    what changes is shown, and nothing is written before somebody agrees. Each is then written to in a transaction and
    read back; one that does not hold exactly the plan, or does not run it, gets back what it held before.

    With --for the controllers run the plan of one period at once and return to their own plans by themselves when the
    time is over, even if this program or the network is gone by then; rollback ends a trial before.
    """
    from greenband.cli import field as command

    options = _options(inventory, only, records, parallel, insecure)
    rules = command.Rules(profile, waivers, scenario)
    if trial is not None:
        if plan is None or resume is not None:
            raise typer.BadParameter("--for goes with a plan, and without --resume")
        well = command.try_out(plan, options, rules, trial, period, yes=yes, dry_run=dry_run)
    elif period is not None:
        raise typer.BadParameter("--period goes with --for")
    else:
        well = command.push(plan, options, rules, yes=yes, dry_run=dry_run, resume=resume)
    if not well:
        raise typer.Exit(1)


@field.command()
def verify(
    plan: Annotated[Path, typer.Argument(help="A plan file, or a folder that holds one.")],
    inventory: Inventory = CONTROLLERS,
    scenario: Scenario = None,
    only: Only = None,
    records: RecordsFolder = None,
    parallel: Parallel = 32,
    insecure: Insecure = False,
) -> None:
    """Compare what the controllers hold with a plan; exit code 1 if one differs or does not run it."""
    from greenband.cli import field as command

    if not command.verify(plan, _options(inventory, only, records, parallel, insecure), scenario):
        raise typer.Exit(1)


@field.command()
def rollback(
    batch: Annotated[str, typer.Argument(help="The batch whose backup to bring back: its name, or last.")],
    inventory: Inventory = CONTROLLERS,
    yes: Yes = False,
    dry_run: DryRun = False,
    only: Only = None,
    records: RecordsFolder = None,
    parallel: Parallel = 32,
    insecure: Insecure = False,
) -> None:
    """Bring the controllers back to what they held before a batch; exit code 1 if one is not.

    With the name of a pull they get what that pull read. A batch that was interrupted is given up thereby; last is the
    last of those.
    """
    from greenband.cli import field as command

    options = _options(inventory, only, records, parallel, insecure)
    if not command.rollback(batch, options, yes=yes, dry_run=dry_run):
        raise typer.Exit(1)


@field.command()
def history(
    inventory: Inventory = CONTROLLERS,
    records: RecordsFolder = None,
    batch: Annotated[str | None, typer.Option(help="Of this batch alone.")] = None,
    junction: Annotated[str | None, typer.Option(help="Of this junction alone.")] = None,
    most: Annotated[int, typer.Option(help="The newest so many.")] = 100,
    steps: Annotated[bool, typer.Option("--steps", help="Every step, not only the last at each controller.")] = False,
    check: Annotated[bool, typer.Option("--check", help="See instead whether the journal was tampered with.")] = False,
    head: Annotated[
        str | None, typer.Option(help="A head noted down before: see, as --check, and that the journal still has it.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the entries into this file too.")] = None,
) -> None:
    """Show who did what to which controller, and how it ended; exit code 1 if the journal is not whole.

    Each batch has its controllers with the time, the hashes of what they held before and after, and the result.
    --check finds whatever was changed in the journal or taken out of it; only a head that was noted down elsewhere can
    show that its end was cut off.
    """
    from greenband.cli import history as command

    if not command.run(inventory, records, batch, junction, most, steps, check, head, json):
        raise typer.Exit(1)


@field.command()
def simulate(
    plan: Annotated[Path, typer.Argument(help="A plan file: a controller for each of its junctions.")],
    out: Annotated[Path, typer.Option(help="Folder for inventory, secrets and what the controllers hold.")],
    protocol: Annotated[str, typer.Option(help="ntcip or gat1049.")] = "ntcip",
    fault: Annotated[
        list[str] | None, typer.Option(help="What goes wrong, such as J06:loss=0.1,crash=commit; may be repeated.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    blank: Annotated[bool, typer.Option("--blank", help="They hold nothing at first, instead of the plan.")] = False,
    scenario: Scenario = None,
) -> None:
    """Run controllers made of software on 127.0.0.1, to practise on.

    They answer as NTCIP 1202 and 1201 say over SNMPv3, or as a signal platform of GA/T 1049.2, and keep what they hold
    in the folder. Faults: latency, jitter, loss, refuse, verify, stuck, crash, restart, corrupt, free, alarm, silent,
    garbage. Of gat1049: latency_s, silent, drop_at_set, drop_after_set, lose_set, silent_from_set, corrupt_set, refuse,
    renumber, untidy, replay, answer.
    """
    from greenband.cli import simulate as command

    command.run(plan, out, protocol, fault or [], seconds, blank, scenario)
