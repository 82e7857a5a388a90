"""What can be evaluated: a controller name, a training run, a policy folder, or a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from greenband import formats, registry
from greenband.control import Controller
from greenband.errors import BadInput, UnknownName
from greenband.plan.actuated import ActuatedSet
from greenband.plan.model import PlanSet
from greenband.plan.responsive import ResponsiveLibrary
from greenband.sensing import SensingConfig

__all__ = ["NAMED", "REFERENCE", "Subject", "policy_folder", "resolve"]

NAMED = "greenband.registry.controller"  # the target of a controller called by its name
PICKLED = (".zip", ".pt", ".pth", ".pkl", ".pickle")
RUN_BY = {  # controllers of the kinds of table
    PlanSet: "greenband.agents.fixed.FixedPlan",
    ActuatedSet: "greenband.agents.actuated_table.ActuatedTable",
    ResponsiveLibrary: "greenband.agents.responsive.Responsive",
}
REFERENCE = "reference"  # the policy that comes with the package


@dataclass(frozen=True)
class Subject:
    """A named recipe for a controller; other processes get the recipe and make their own.

    ``config`` is a ``_target_`` configuration; ``plan`` a plan file instead; ``sensing`` what a policy was trained on;
    ``source`` what the user called it by.
    """

    name: str
    config: Mapping[str, Any] | None = None
    plan: Path | None = None
    sensing: SensingConfig | None = None
    source: str = ""

    def make(self) -> Controller:
        """The controller.

        Raises:
            BadInput: its files cannot be used.
        """
        if self.plan is not None:
            table = formats.read_table(self.plan)
            return cast(Controller, registry.instantiate({"_target_": RUN_BY[type(table)]}, plans=table))
        assert self.config is not None
        return cast(Controller, registry.instantiate(self.config))


def resolve(text: str, trust: bool = False) -> Subject:
    """Find out what a SUBJECT on the command line means.

    An archive of stable-baselines3 is read only with ``trust``: whoever made it can have code run by that.

    Raises:
        UnknownName: neither a controller nor a path.
        BadInput: a path that holds neither policy nor plan, or a file of pickles without ``trust``.
    """
    if text in registry.names("controller"):
        return Subject(text, config={"_target_": NAMED, "name": text}, source=text)
    path = Path(text)
    if not path.exists() and text != REFERENCE:
        raise UnknownName("subject (or no such file)", text, [*registry.names("controller"), REFERENCE])
    if (folder := policy_folder(path)) is not None:
        return _policy(path, folder, text)
    if path.suffix in PICKLED:
        return _archive(path, text, trust)
    if path.is_dir() and (path / "config.yaml").is_file():
        raise BadInput(f"{path}: this training run has not kept a policy yet")
    formats.read_table(path)
    return Subject(path.stem if path.is_file() else path.name, plan=path, source=text)


def policy_folder(path: Path) -> Path | None:
    """Where the policy is that a policy folder, a training run or a weights file stands for; None if there is none.

    ``reference`` stands for the one in this package.
    """
    if str(path) == REFERENCE:
        return Path(str(files("greenband.agents") / REFERENCE))
    places = (path, path / "best", path.parent if path.name == "policy.safetensors" else path)
    return next((folder for folder in places if (folder / "card.json").is_file()), None)


def _archive(path: Path, source: str, trust: bool) -> Subject:
    if not trust:
        raise BadInput(
            f"{path}: reading it would run code that is inside; take the training run or policy folder instead,"
            " or give --trust if you trust whoever made it"
        )
    return Subject(
        path.stem, config={"_target_": "greenband.agents.archive.ArchivedController", "file": str(path)}, source=source
    )


def _policy(path: Path, folder: Path, source: str) -> Subject:
    import json

    target = "greenband.agents.learned.load_policy"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        sensing = _sensing(card)
    except (OSError, ValueError, KeyError, TypeError, BadInput) as error:
        raise BadInput(f"{folder / 'card.json'}: not a policy card: {error}") from error
    name = path.stem if path.suffix == ".safetensors" else path.resolve().name
    return Subject(name, config={"_target_": target, "folder": str(folder)}, sensing=sensing, source=source)


def _sensing(card: Mapping[str, Any]) -> SensingConfig:
    """What the policy was trained with; a card of the time when all sensed by cameras names their range alone."""
    if "sensing" in card:
        return SensingConfig(**card["sensing"])
    return SensingConfig(float(card["sensing_range_m"]))
