"""The folders on disk are the package, the core stands alone, and imports are light."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTER = ("agents", "envs", "scenarios")
FOLDERS = {"greenband": ROOT / "greenband", **{f"greenband.{n}": ROOT / n for n in (*OUTER, "configs")}}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_package_folder_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {
        ".".join([name, *init.parent.relative_to(folder).parts])
        for name, folder in FOLDERS.items()
        for init in folder.rglob("__init__.py")
    }
    assert set(settings["packages"]) == found
    assert {name: ROOT / path for name, path in settings["package-dir"].items()} == FOLDERS


def test_every_python_file_of_the_package_is_in_a_package_folder() -> None:
    lost = [p for f in FOLDERS.values() for p in f.rglob("*.py") if not (p.parent / "__init__.py").is_file()]
    assert lost == []


@pytest.mark.parametrize("folder", OUTER)
def test_outer_folders_do_not_import_each_other(folder: str) -> None:
    siblings = tuple(f"greenband.{name}" for name in OUTER if name != folder)
    wrong = [(p.name, name) for p in (ROOT / folder).rglob("*.py") for name in imports(p) if name.startswith(siblings)]
    assert wrong == []


def test_the_core_imports_no_outer_folder() -> None:
    outer = tuple(f"greenband.{name}" for name in OUTER)
    files = list((ROOT / "greenband").rglob("*.py"))
    assert len(files) > 10
    assert [(p.name, name) for p in files for name in imports(p) if name.startswith(outer)] == []


def test_the_monitor_shares_no_code_with_what_it_watches() -> None:
    own = {name for name in imports(ROOT / "greenband" / "monitor.py") if name.startswith("greenband")}
    assert {name.split(".")[1] for name in own} == {"errors"}


@pytest.mark.parametrize("module", ["greenband", "greenband.cli"])
def test_importing_is_light(module: str) -> None:
    heavy = "sorted({'torch', 'libsumo', 'traci', 'stable_baselines3'} & set(sys.modules))"
    command = [sys.executable, "-c", f"import sys, {module}; print({heavy})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def test_tests_mirror_without_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
