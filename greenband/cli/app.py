"""The ``greenband`` program: commands, and what an error looks like to a user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from greenband.cli.field_app import field
from greenband.errors import GreenbandError

__all__ = ["app", "main"]

app = typer.Typer(
    name="greenband",
    help="Learn traffic-signal plans for a whole road and export controller-ready timing tables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = 130  # as shells report it; typer returns it too
UsageError: Any = typer.BadParameter.__base__  # a wrong option or command; typer has no name of its own for it
Scenario = Annotated[str, typer.Option("--scenario", "-s", help="Name of a scenario, or its folder.")]
Seeds = Annotated[str, typer.Option(help="Range a:b (b left out), a number, or a list of both.")]
Jobs = Annotated[int, typer.Option(help="Processes; 0 takes one a core.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Read archives of stable-baselines3 too, and with them run code inside.")
]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the policy, tables and results.")] = Path("demo"),
    scenario: Scenario = "shixin_short",
    period: Annotated[str, typer.Option(help="Period of the day.")] = "AM",
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 4.0,
    seeds: Seeds = "0:4",
    jobs: Jobs = 0,
) -> None:
    """The whole job, small: build, learn, compare, export, re-simulate."""
    from greenband.cli import demo as command

    command.run(out, scenario, period, minutes, seeds, jobs)


class _NameOrCommand(TyperGroup):
    """A group in which a word that is no command is a scenario's name, for ``show``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put ``show`` before a name."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


scenarios = typer.Typer(cls=_NameOrCommand, help="List the scenarios, describe one, or make one.")
app.add_typer(scenarios, name="scenarios", invoke_without_command=True)


@scenarios.callback()
def list_scenarios(context: typer.Context) -> None:
    """List the scenarios; with a NAME describe that one; import and calibrate make new ones."""
    from greenband.cli import scenarios as command

    if context.invoked_subcommand is None:
        command.list_all()


@scenarios.command()
def show(
    name: Annotated[str, typer.Argument(help="A scenario, with options (shixin+people), or a folder.")],
    plot: Annotated[
        Path | None, typer.Option(help="Draw it to scale into this file (.png, .pdf, .svg) instead.")
    ] = None,
    gui: Annotated[
        bool, typer.Option("--gui", help="Open it in SUMO's own GUI with an hour of traffic instead.")
    ] = False,
    period: Annotated[str | None, typer.Option(help="Whose flows to draw or run; the first period by default.")] = None,
) -> None:
    """Describe a scenario with the grade of every figure; the word show may be left out.

    The picture has the road with its junctions, and of each junction lanes, flows and stages, all with their grades.
    """
    from greenband.cli import scenarios as command

    if plot is None and not gui:
        if period is not None:
            raise typer.BadParameter("--period goes with --plot or --gui")
        command.show(name)
    if plot is not None:
        command.plot(name, period, plot)
    if gui:
        command.watch(name, period)


@scenarios.command()
def calibrate(
    network: Annotated[Path, typer.Option(help="SUMO network, a .net.xml file with at least one traffic light.")],
    counts: Annotated[Path, typer.Option(help="CSV table from_edge,to_edge,begin_s,end_s,veh.")],
    name: Annotated[str | None, typer.Option(help="Name of the scenario; the network's by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for it; ./NAME by default.")] = None,
    routes: Annotated[
        Path | None, typer.Option(help="SUMO route file with the routes to choose from; fastest ones by default.")
    ] = None,
    seeds: Seeds = "1000:1003",
) -> None:
    """Make a scenario whose traffic reproduces counts.

    The demand is simulated on some seeds; the table shows how well it and its simulation agree with each count. Exit
    code 1: the simulation has a GEH below 5 at 85 % of the counts or less.
    """
    from greenband.cli import calibrate as command

    command.run(network, counts, name, out, routes, seeds)


@scenarios.command("import")
def import_(
    net: Annotated[
        Path | None, typer.Argument(help="A .net.xml (or .net.xml.gz) file, if --sumocfg names none.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the scenario.")] = "imported",
    routes: Annotated[str, typer.Option(help="Route files, comma-separated; without any, demand is assumed.")] = "",
    sumocfg: Annotated[Path | None, typer.Option(help="A SUMO configuration that names network and routes.")] = None,
    osm: Annotated[Path | None, typer.Option(help="An OpenStreetMap extract to make the network of.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the scenario; ./NAME by default.")] = None,
    signals: Annotated[str, typer.Option(help="Lights to control, comma-separated; the rest keep programs.")] = "",
    begin: Annotated[int | None, typer.Option(help="Start of the simulation, s after midnight.")] = None,
    end: Annotated[int | None, typer.Option(help="End of the simulation, s after midnight.")] = None,
    warmup: Annotated[int, typer.Option(help="Seconds after the start that are not measured.")] = 0,
    yellow: Annotated[int | None, typer.Option(help="Seconds of yellow; by default from approach speeds.")] = None,
    all_red: Annotated[int | None, typer.Option(help="Seconds of all-red; by default from crossing lengths.")] = None,
    clear_turns: Annotated[int, typer.Option(help="Seconds that a green waits for turns inside the junction.")] = 0,
) -> None:
    """Make a scenario of any SUMO network, and say what looks wrong in it.

    greenband scenarios import town.net.xml --routes town.rou.xml --name town

    greenband evaluate existing maxpressure --scenario town --period all
    """
    from greenband.cli import import_ as command

    command.run(net, name, routes, sumocfg, osm, out, signals, begin, end, warmup, yellow, all_red, clear_turns)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def train(context: typer.Context) -> None:
    """Learn a policy.

    greenband train [OVERRIDES] [-m] [--resume RUN]; the overrides are Hydra's, for example:

    greenband train scenario=shixin_short agent=ppo seed=1 minutes=20

    greenband train -m agent=ppo,dqn seed=1,2 scenario=jincheng (every combination, one after the other)

    greenband train --resume runs/NAME (continue an interrupted run, with its own configuration)

    Groups and settings, with their units, are in the package's configs/; --cfg job prints them as they would be used.
    """
    from greenband.cli import train as command

    if {"-h", "--help"} & set(context.args):
        typer.echo(context.get_help())
        return
    command.run(context.args)


@app.command()
def evaluate(
    subjects: Annotated[list[str], typer.Argument(help="Controllers, training runs, policy folders or plans.")],
    scenario: Scenario,
    period: Annotated[str, typer.Option(help="Period of the day, or several: AM,PM.")] = "AM",
    seeds: Seeds = "0:10",
    jobs: Jobs = 0,
    demand: Annotated[str, typer.Option(help="Factor on all flows, or several: 0.8,1.0,1.2.")] = "1.0",
    sensing: Annotated[
        str | None,
        typer.Option(help="camera, loops, field, outage or perfect for all; else as trained, or camera."),
    ] = None,
    incident: Annotated[
        str | None,
        typer.Option(help="A lane closed for 10 minutes before this signal; middle takes the middle of the road."),
    ] = None,
    fidelity: Annotated[
        str, typer.Option(help="micro, or meso: SUMO's model of queues, many times faster and less true.")
    ] = "micro",
    emissions: Annotated[
        bool, typer.Option("--emissions", help="Measure CO2 too; nearly doubles the time of a simulation.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the results to this file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write every figure of every seed to this file.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an evaluation into the same --json that was interrupted.")
    ] = False,
    format: Annotated[str | None, typer.Option(help="Print csv, json or markdown to stdout.")] = None,
    junctions: Annotated[bool, typer.Option("--junctions", help="Show every junction too.")] = False,
    trust: Trust = False,
    gui: Annotated[bool, typer.Option("--gui", help="Watch in SUMO's GUI, one run at a time.")] = False,
    remote: Annotated[
        str | None, typer.Option(help="host:port of a waiting SUMO to run on, one run at a time.")
    ] = None,
) -> None:
    """Simulate subjects on the same seeds and compare them; the first is the reference.

    Exit code 1: a run failed twice, and its seed is left out for all.
    """
    from greenband.cli import evaluate as command

    code = command.run(
        subjects,
        scenario,
        period,
        seeds,
        jobs,
        demand=demand,
        sensing=sensing,
        incident=incident,
        fidelity=fidelity,
        emissions=emissions,
        json=json,
        parquet=parquet,
        resume=resume,
        format=format,
        junctions=junctions,
        trust=trust,
        backend="gui" if gui else remote or "auto",
    )
    raise typer.Exit(code)


@app.command()
def plan(
    subject: Annotated[str, typer.Argument(help="A method, or a training run, policy folder or controller.")],
    scenario: Scenario,
    out: Annotated[Path, typer.Option(help="Folder for the tables as JSON.")],
    period: Annotated[str, typer.Option(help="Periods, or all; or day, to cut the whole day into plans.")] = "all",
    plans: Annotated[int | None, typer.Option(help="Plans of a whole day, at most; 5 by default.")] = None,
    kind: Annotated[
        str, typer.Option(help="fixed, actuated, coordinated, responsive, a list of them, or all.")
    ] = "fixed",
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Training seeds to replay a policy or controller on; 10000:10004 by default, 10000 for a whole day."
        ),
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Plans that the search in simulation tries; 0 for none.")] = None,
    fidelity: Annotated[
        str | None,
        typer.Option(help="Model in which the search tries them: micro by default; meso is many times faster."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run the exported plan in SUMO for 24 h; exit code 1 if it differs.")
    ] = False,
    compare: Annotated[str, typer.Option(help="Seeds to compare existing plan, subject and table on.")] = "0:4",
    jobs: Jobs = 0,
    trust: Trust = False,
) -> None:
    """Make one fixed timing plan per junction and period; or, with --kind, tables that let traffic decide.

    The methods webster, greenwave and simopt make plans themselves; from what any other subject does a plan is
    distilled. With --period day its whole day is cut into stretches with one of --plans plans P1, P2, ... each, as few
    as it takes. Existing plan, subject and the plan just made are then simulated on the same seeds and shown together.

    Actuated tables have minimum and maximum greens and passage times; coordinated ones also the cycle, offset and
    force-offs of the fixed plan. A responsive library has several fixed plans, and counts that choose among them: those
    of the periods, or of one period at three levels of demand.
    """
    from greenband.cli import kinds
    from greenband.cli import plan as command

    order = command.Order(subject, scenario, out, period, seeds, compare, jobs, budget, trust, verify, plans, fidelity)
    if not (command.run(order) if kind == "fixed" else kinds.run(kind, order)):
        raise typer.Exit(1)


@app.command()
def export(
    plans: Annotated[list[Path], typer.Argument(help="Plan files, or folders that hold one; policies for onnx.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables.")],
    format: Annotated[
        str,
        typer.Option(
            help="json, csv, sheet, sumo, nema, gat1049, gb20999, ntcip, utdf, gmns, a list of them, or all; or onnx."
        ),
    ] = "all",
    scenario: Annotated[str | None, typer.Option("--scenario", "-s", help="If the plan's own is not at hand.")] = None,
    jobs: Jobs = 0,
    profile: Annotated[str, typer.Option(help="Agency whose rules a plan must keep: cn, us, or a YAML file.")] = "cn",
    waivers: Annotated[Path | None, typer.Option(help="YAML file of findings that are accepted.")] = None,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Export plans that break rules too.")] = False,
) -> None:
    """Write timing tables for controllers; or a policy itself, with --format onnx, for programs without torch.

    A plan that breaks a rule of greenband check is not exported. Exit code 1 if all formats were asked for and one of
    them cannot hold a plan. ONNX needs the extra packages of greenband[onnx].
    """
    from greenband.cli import export as command

    if not command.run(plans, out, format, scenario, jobs, profile, waivers, unchecked):
        raise typer.Exit(1)


@app.command()
def check(
    plans: Annotated[list[Path] | None, typer.Argument(help="Plan files, or folders that hold one.")] = None,
    profile: Annotated[str, typer.Option(help="Agency: cn, us, or a YAML file with one's own limits.")] = "cn",
    waivers: Annotated[Path | None, typer.Option(help="YAML file of findings that are accepted.")] = None,
    scenario: Annotated[str | None, typer.Option("--scenario", "-s", help="If the plan's own is not at hand.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings into this file too.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules with their sources.")] = False,
) -> None:
    """Hold plans against every rule; exit code 1 where one is broken."""
    from greenband.cli import check as command

    if not command.run(plans or [], profile, waivers, scenario, json, rules):
        raise typer.Exit(1)


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A plan file, or a folder that holds one.")],
    after: Annotated[Path, typer.Argument(help="The plan to compare it with.")],
    scenario: Annotated[str | None, typer.Option("--scenario", "-s", help="If a plan's own is not at hand.")] = None,
    only: Annotated[str, typer.Option(help="Junctions to look at, separated by commas; all by default.")] = "",
    json: Annotated[Path | None, typer.Option(help="Write the changes into this file too.")] = None,
) -> None:
    """Say what changes from one plan to another, per junction."""
    from greenband.cli import diff as command

    command.run(before, after, scenario, only, json)


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Files that evaluate --json wrote.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    language: Annotated[str, typer.Option(help="Shown first: en or zh; the file has both.")] = "en",
    scenario: Annotated[
        str | None, typer.Option("--scenario", "-s", help="If the result's own is not at hand.")
    ] = None,
    jobs: Jobs = 0,
) -> None:
    """Write results as one self-contained HTML file for people.

    The first seed of the first and of the best subject is simulated once more for time-space diagrams and stages.
    """
    from greenband.cli import report as command

    command.run(results, out, language, scenario, jobs)


@app.command()
def results(
    runs: Annotated[list[Path], typer.Argument(help="Training runs, or folders with runs in them, such as a sweep's.")],
    plot: Annotated[
        Path | None, typer.Option(help="Draw the learning curves into this file (.png, .pdf, .svg).")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Gather training runs into one table: how each choice of settings did over its seeds.

    Runs with the same settings but for the seed are one row; what the rows differ in is their name. Delays are those on
    the validation seeds; compare policies on the reporting seeds with evaluate.
    """
    from greenband.cli import results as command

    command.run(runs, plot, json)


app.add_typer(field, name="field")


@app.command()
def doctor() -> None:
    """Check that this installation is able to run."""
    from greenband.cli import doctor as command

    command.run()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; exit code 2 and one line for bad input, 1 where the answer is no."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=words or ["--help"], prog_name="greenband", standalone_mode=False)
    except (GreenbandError, UsageError) as error:
        text = str(error) if isinstance(error, GreenbandError) else error.format_message()
        sys.stderr.write(f"greenband: {' '.join(text.split())}\n")
        sys.exit(2)
    except OSError as error:  # a folder that cannot be written, a full disk
        sys.stderr.write(f"greenband: {error.filename or 'system'}: {error.strerror or error}\n")
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        sys.stderr.write("greenband: interrupted\n")
    sys.exit(code)
