"""The command line as a user meets it: help is light, mistakes get one line, and plan to table to result works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from greenband.cli import main
from greenband.cli.app import app
from greenband.scenario import Scenario

COMMANDS = [str(command.callback.__name__) for command in app.registered_commands if command.callback] + ["scenarios"]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Program = Callable[..., Done]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    """Runs ``greenband`` with some words, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture(scope="module")
def tiny(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario folder of one junction and a period of 8 minutes."""
    folder = tmp_path_factory.mktemp("scenarios") / "tiny"
    shutil.copytree(jincheng.folder, folder)
    shorten(jincheng, duration_s=360, warmup_s=120).model_copy(update={"folder": folder}).save()
    return folder


def test_help_answers_without_torch_or_sumo(tmp_path: Path) -> None:
    code = f"""
import sys
from greenband.cli import main
for words in [["--help"], ["-h"], *([c, "--help"] for c in {COMMANDS!r})]:
    try:
        main(words)
    except SystemExit as ended:
        assert not ended.code, words
heavy = {{"torch", "libsumo", "traci", "sumolib", "stable_baselines3", "hydra", "scipy", "pyarrow"}}
print("loaded:", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert done.stderr == ""
    for command in COMMANDS:
        assert f"greenband {command}" in done.stdout
    assert "Traceback" not in done.stdout


def test_no_words_at_all_is_help(program: Program) -> None:
    done = program()
    assert "Usage: greenband" in done.out + done.err
    assert set(COMMANDS) == {"demo", "scenarios", "train", "evaluate", "plan", "export", "doctor"} | set(COMMANDS)
    assert typer.main.get_command(app).name == "greenband"


MISTAKES: dict[str, tuple[str, str]] = {
    "missing plan": ("evaluate gone.json -s jincheng", "gone.json"),
    "missing plan to export": ("export gone.json --out x", "gone.json: no such file"),
    "unknown scenario": ("evaluate existing -s jinchen", "unknown scenario 'jinchen'.*did you mean 'jincheng'"),
    "unknown scenario to describe": ("scenarios shixin_shrt", "'shixin_shrt'.*did you mean 'shixin_short'"),
    "unknown subject": ("evaluate maxpresure -s jincheng", "'maxpresure'.*did you mean 'maxpressure'"),
    "unknown period": (
        "evaluate existing -s jincheng --period XM",
        "unknown period of jincheng 'XM'.*OFF, PM, day",
    ),
    "seeds": ("evaluate existing -s jincheng --seeds a:b", "seeds 'a:b'"),
    "no seeds": ("evaluate existing -s jincheng --seeds 3:3", "seeds '3:3': the range 3:3 is empty"),
    "negative jobs": ("evaluate existing -s jincheng --jobs -1", "--jobs -1: must be 0 or more"),
    "demand": ("evaluate existing -s jincheng --demand 1,0", "--demand 1,0: must be above 0"),
    "demand in words": (
        "evaluate existing -s jincheng --demand 1,much",
        "--demand 1,much: must be a number, or several",
    ),
    "incident nowhere": ("evaluate existing -s jincheng --incident J1", "signal for --incident 'J1'.*J11, middle"),
    "unknown text format": ("evaluate existing -s jincheng --format cvs", "unknown format 'cvs'.*did you mean 'csv'"),
    "resume without a file": ("evaluate existing -s jincheng --resume", "--resume goes with --json"),
    "runs kept from before": ("evaluate existing -s jincheng --json kept.json", "kept.json.runs: 1 runs are kept"),
    "folder for a table": ("evaluate existing -s jincheng --parquet half", "--parquet half: is a folder"),
    "unknown sensing": ("evaluate existing -s jincheng --sensing feild", "unknown sensing 'feild'.*mean 'field'"),
    "bad sensing": ("train sensing.noise=much", "sensing noise must be a number, not 'much'"),
    "twice the same": ("evaluate existing existing -s jincheng", "two subjects have the same name"),
    "report seeds for a plan": (
        "plan maxpressure -s jincheng --out x --seeds 0:4",
        "plans are made on training seeds",
    ),
    "seeds for a method": (
        "plan webster -s jincheng --out x --seeds 10000:10002",
        "webster is not replayed to make its plans",
    ),
    "unknown kind of table": ("plan maxpressure -s jincheng --out x --kind actuatd", "'actuatd'.*mean 'actuated'"),
    "actuated table of a method": (
        "plan webster -s jincheng --out x --kind all",
        "--kind actuated: webster makes fixed plans",
    ),
    "library of one plan": (
        "plan webster -s jincheng --out x --kind responsive --period AM",
        "--kind responsive: webster makes one plan a period; name several periods",
    ),
    "kinds of a whole day": (
        "plan maxpressure -s jincheng --out x --kind all --period day",
        "--kind all: only fixed plans are made of a whole day",
    ),
    "kinds with plans of a day": (
        "plan maxpressure -s jincheng --out x --kind actuated --plans 3 --period AM",
        "name periods, without --plans",
    ),
    "nothing to verify": (
        "plan maxpressure -s jincheng --out x --kind actuated --verify",
        "--verify: only fixed plans",
    ),
    "budget for a method": ("plan webster -s jincheng --out x --budget 50", "--budget 50: webster is not tuned"),
    "plans without a day": (
        "plan maxpressure -s jincheng --out x --plans 4 --period AM",
        "--plans 4: name a whole day",
    ),
    "plans of all periods": ("plan maxpressure -s jincheng --out x --plans 4", "--plans 4: name a whole day"),
    "plans of a method": (
        "plan webster -s jincheng --out x --plans 4 --period day",
        "--plans 4: webster makes plans of its own",
    ),
    "no plans": ("plan maxpressure -s jincheng --out x --plans 0 --period day", "--plans 0: must be 1 to 32"),
    "a day and more": (
        "plan maxpressure -s jincheng --out x --period AM,day",
        "--period AM,day: a whole day is cut by itself",
    ),
    "budget for a day": (
        "plan maxpressure -s jincheng --out x --period day --budget 9",
        "--budget 9: plans of a whole day are not searched",
    ),
    "budget": ("plan simopt -s jincheng --out x --budget 2", "a budget of 2 plans is too small: at least 4"),
    "fidelity without a search": (
        "plan webster -s jincheng --out x --fidelity meso",
        "--fidelity meso: webster is not tuned in simulation",
    ),
    "unknown fidelity to plan": (
        "plan maxpressure -s jincheng --out x --fidelity mezo",
        "unknown fidelity 'mezo'.*did you mean 'meso'",
    ),
    "fidelity without plans to try": (
        "plan maxpressure -s jincheng --out x --budget 0 --fidelity meso",
        "--fidelity meso: no plan is tried with --budget 0",
    ),
    "fidelity for a day": (
        "plan maxpressure -s jincheng --out x --period day --fidelity meso",
        "--fidelity meso: plans of a whole day are not searched",
    ),
    "splits": ("evaluate splits.json -s jincheng", r"splits\.json: .*J11: stages sum to 105 s, but cycle_s is 100"),
    "broken plan": ("evaluate broken.add.xml -s jincheng", r"broken\.add\.xml"),
    "broken json": ("evaluate broken.json -s jincheng", r"broken\.json"),
    "unknown format": ("export good.json --format jsn --out x", "unknown format 'jsn'.*did you mean 'json'"),
    "broken network": ("evaluate existing -s broken", r"network\.net\.xml: not a SUMO network"),
    "broken network to describe": ("scenarios broken", r"network\.net\.xml: not a SUMO network"),
    "broken scenario": ("scenarios half", r"scenario\.json: not a scenario"),
    "unknown key": ("train agnt=ppo", "'agnt'.*did you mean 'agent'"),
    "unknown key of a chosen group": (
        "train agent=rollouts agent.branches.busi=0.5",
        "choose from agent.branches.busy, agent.branches.horizon_s,.*did you mean 'agent.branches.busy'",
    ),
    "unknown nested key": ("train agent.gama=0.9", "'agent.gama'.*did you mean 'agent.gamma'"),
    "unknown value": ("train agent=pppo", "unknown agent 'pppo'.*did you mean 'ppo'"),
    "unknown scenario to train": ("train scenario=jinchen", "unknown scenario 'jinchen'.*did you mean 'jincheng'"),
    "bad value": ("train processes=many", "processes='many'"),
    "not an override": ("train jincheng", "jincheng"),
    "resume of nothing": ("train --resume", "--resume needs a run directory"),
    "resume of no run": ("train --resume gone", "gone: not a training run"),
    "no such option": ("evaluate existing -s jincheng --sedes 0:2", "--sedes"),
    "missing option": ("evaluate existing", "--scenario"),
    "no such command": ("evalate existing", "evalate"),
    "not a number": ("evaluate existing -s jincheng --jobs two", "--jobs.*integer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_line_and_exit_code_2(name: str, program: Program, jincheng: Scenario) -> None:
    words, message = MISTAKES[name]
    good = jincheng.existing_plan_file("AM").read_text(encoding="utf-8")
    data = json.loads(good)
    data["plans"]["AM"]["J11"]["stages"][0]["green_s"] += 5
    cycle = data["plans"]["AM"]["J11"]["cycle_s"]
    Path("good.json").write_text(good, encoding="utf-8")
    Path("kept.json.runs").mkdir()
    Path("kept.json.runs", f"{7:032x}.json").write_text("{}", encoding="utf-8")
    Path("splits.json").write_text(json.dumps(data), encoding="utf-8")
    Path("broken.json").write_text(good[:200], encoding="utf-8")
    Path("broken.add.xml").write_text("<additional><tlLogic id='J11'", encoding="utf-8")
    for folder, file in (("broken", jincheng.network_file), ("half", "scenario.json")):
        shutil.copytree(jincheng.folder, folder)
        text = (Path(folder) / file).read_text(encoding="utf-8")
        (Path(folder) / file).write_text(text[: len(text) // 2], encoding="utf-8")
    done = program(*words.split())
    assert done.code == 2, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("greenband: ")
    message = message.replace("105", str(cycle + 5)).replace("100", str(cycle))
    assert re.search(message, lines[0]), lines[0]
    assert len(lines[0]) < 700


def test_a_mistake_in_a_shell(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from greenband.cli import main; main()", "evaluate", "nobody", "-s", "jincheng"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_plan_export_evaluate(tiny: Path, program: Program) -> None:
    words = ("--seeds", "10000:10002", "--compare", "5", "--period", "AM", "--jobs", "2", "--budget", "4")
    done = program("plan", "maxpressure", "-s", tiny, "--out", "made", *words)
    assert done.code == 0, done.err
    assert done.out == ""
    assert "maxpressure against existing: delay" in done.err
    assert "loss from tabulation, plan against maxpressure: delay" in done.err
    done = program("export", "made/plan.json", "-s", tiny, "--out", "tables")
    assert done.code == 0, done.err
    assert {path.name for path in Path("tables").iterdir()} >= {"csv", "plan.add.xml", "plan.json", "manifest.json"}
    done = program(
        "evaluate", "existing", "tables/csv", "-s", tiny, "--seeds", "5,7", "--jobs", "2", "--json", "r.json"
    )
    assert done.code == 0, done.err
    assert done.out == ""
    result = json.loads(Path("r.json").read_text(encoding="utf-8"))
    contract = ["greenband", "sumo", "scenario", "period", "seeds", "subjects"]
    assert [key for key in result if key in contract] == contract
    assert (result["scenario"], result["period"], result["seeds"]) == ("jincheng", "AM", [5, 7])
    assert [subject["name"] for subject in result["subjects"]] == ["existing", "csv"]
    for subject in result["subjects"]:
        assert subject["violations"] == 0
        for metric in ("delay_s", "speed_kmh", "mainline_speed_kmh"):
            figure = subject["metrics"][metric]
            assert set(figure) == {"mean", "ci95", "median", "iqm", "per_seed"}
            assert figure["mean"] == pytest.approx(sum(figure["per_seed"]) / 2, abs=1e-5)
    compared = json.loads(Path("made/results.json").read_text(encoding="utf-8"))
    assert [subject["name"] for subject in compared["subjects"]] == ["existing", "maxpressure", "plan"]
    table = {subject["name"]: subject["metrics"]["delay_s"]["per_seed"] for subject in compared["subjects"]}
    assert table["plan"][0] == result["subjects"][1]["metrics"]["delay_s"]["per_seed"][0]  # seed 5, JSON and CSV alike


def test_kinds_of_table_side_by_side(tiny: Path, program: Program) -> None:
    words = ("--seeds", "10000", "--compare", "5", "--period", "AM", "--jobs", "2", "--budget", "0")
    done = program("plan", "maxpressure", "-s", tiny, "--out", "made", "--kind", "all", *words)
    assert done.code == 0, done.err
    tables = ["plan", "actuated_plan", "coordinated_plan", "responsive_plan"]
    compared = json.loads(Path("made/results.json").read_text(encoding="utf-8"))
    assert [subject["name"] for subject in compared["subjects"]] == ["existing", "maxpressure", *tables]
    assert not any(subject["violations"] for subject in compared["subjects"])
    delay = {subject["name"]: subject["metrics"]["delay_s"]["mean"] for subject in compared["subjects"]}
    for name in tables:
        lost = f"loss from tabulation, {name} against maxpressure: delay {delay[name] - delay['maxpressure']:+.1f} s"
        assert lost in done.err
    library = json.loads(Path("made/responsive_plan.json").read_text(encoding="utf-8"))["library"]
    assert list(library) == ["AM", "AM x0.7", "AM x1.2"]
    assert library["AM"]["plans"] == json.loads(Path("made/plan.json").read_text(encoding="utf-8"))["plans"]["AM"]
    assert delay["coordinated_plan"] == delay["actuated_plan"]  # one junction has nothing to keep in step with
    files = [f"made/{name}.json" for name in tables[1:]]
    done = program("evaluate", *files, "-s", tiny, "--seeds", "5", "--jobs", "2", "--json", "r.json")
    assert done.code == 0, done.err
    again = json.loads(Path("r.json").read_text(encoding="utf-8"))["subjects"]
    assert {subject["name"]: subject["metrics"]["delay_s"]["mean"] for subject in again} == {
        name: delay[name] for name in tables[1:]
    }
    done = program("check", *files)
    assert done.code == 0, done.err
    done = program("export", "made/actuated_plan.json", "--out", "tables")
    assert done.code == 2
    assert "a table of kind actuated, not fixed plans: it can be evaluated and checked" in done.err


def test_a_method_makes_its_plan_and_tells_of_it(tiny: Path, program: Program) -> None:
    words = ("--compare", "5", "--period", "AM", "--jobs", "2")
    done = program("plan", "greenwave", "-s", tiny, "--out", "made", *words, "--verify")
    assert done.code == 0, done.err
    assert "AM: cycle 75 s, no two signals in a line" in done.err
    assert "24 h at 1 junctions: 0 changes of program, off their times at 0 junctions; 0 differences" in done.err
    assert "as ring-barrier plans under SUMO's NEMA controller: 0 differences" in done.err
    compared = json.loads(Path("made/results.json").read_text(encoding="utf-8"))
    assert [subject["name"] for subject in compared["subjects"]] == ["existing", "plan"]
    done = program("evaluate", "greenwave", "-s", tiny, "--seeds", "5", "--jobs", "2", "--json", "r.json")
    assert done.code == 0, done.err
    (subject,) = json.loads(Path("r.json").read_text(encoding="utf-8"))["subjects"]
    assert subject["name"] == "greenwave"
    assert subject["metrics"] == compared["subjects"][1]["metrics"]


def test_check_and_diff(tiny: Path, program: Program) -> None:
    words = ("-s", tiny, "--compare", "5", "--period", "AM", "--jobs", "1")
    for name in ("webster", "existing"):
        made = program("plan", name, "--out", name, *words, *(("--budget", "0") if name == "existing" else ()))
        assert made.code == 0, made.err
    done = program("check", "webster/plan.json", "--json", "found.json")
    assert (done.code, done.out) == (0, "")
    assert "no rule broken, 1 warnings" in done.err
    assert [f["rule"] for f in json.loads(Path("found.json").read_text())["plans"][0]["findings"]] == ["release"]
    done = program("check", "webster", "--profile", "us")
    assert done.code == 1
    assert "all-red" in done.err
    assert "NCHRP" in done.err
    Path("ours.yaml").write_text("- {rule: all-red, reason: measured, by: the office}\n")
    assert program("check", "webster", "--profile", "us", "--waivers", "ours.yaml").code == 0
    data = json.loads(Path("webster/plan.json").read_text())
    del data["content_hash"]
    data["plans"]["AM"]["J11"]["cycle_s"] += 1
    Path("bad.json").write_text(json.dumps(data))
    done = program("check", "bad.json")
    assert done.code == 1
    assert "sums" in done.err
    done = program("diff", "existing", "webster", "--json", "changes.json")
    assert done.code == 0
    assert "J11" in done.err
    assert any(change["text"].startswith("cycle: ") for change in json.loads(Path("changes.json").read_text()))
    assert "no difference" in program("diff", "webster", "webster").err
    assert "all-red" in program("check", "--rules").err
    assert program("check").code == 2


def test_scenarios_are_listed_and_described(program: Program) -> None:
    done = program("scenarios")
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in ("jincheng", "shixin", "shixin_short"))
    done = program("scenarios", "jincheng")
    assert (done.code, done.err) == (0, "")
    row = next(line for line in done.out.splitlines() if "J11" in line)
    assert "±" in row
    assert "Grades: A sourced" in done.out
    assert "veh/h" in done.out


def test_doctor_finds_a_working_installation(program: Program) -> None:
    done = program("doctor")
    assert done.code == 0, done.err
    assert "broken" not in done.err
    assert done.err.count("ok ") == 7
