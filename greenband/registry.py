"""Named scenarios, controllers and the like: the files of the configuration groups in ``configs/``.

Their ``_target_`` strings tie the package together, so that the core need not import what stands on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml

from greenband.control import Controller
from greenband.errors import BadInput, GreenbandError, UnknownName
from greenband.scenario import Scenario

__all__ = ["config", "controller", "flat", "instantiate", "make", "names", "scenario", "targets", "targets_in"]

GROUPS = ("agent", "controller", "env", "reward", "scenario", "sensing")


def names(group: str) -> list[str]:
    """Options of a configuration group."""
    folder = files("greenband.configs") / group
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def make(group: str, name: str, **overrides: Any) -> Any:
    """Instantiate an option of a group; ``overrides`` replace its values.

    Raises:
        UnknownName: the group has no such option.
    """
    if name not in names(group):
        raise UnknownName(group, name, names(group))
    return instantiate({**config(group, name), **overrides})


def instantiate(config: Mapping[str, Any], /, **objects: Any) -> Any:
    """Call the ``_target_`` of a configuration with its other values, and with ``objects`` as they are.

    Raises:
        BadInput: there is no such target; errors of this package come through as they are.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as hydra_instantiate

    try:
        make = hydra_instantiate({"_convert_": "all", **config, "_partial_": True})
    except InstantiationException as error:
        if isinstance(error.__cause__, GreenbandError):
            raise error.__cause__ from None
        raise BadInput(str(error).splitlines()[0]) from error
    return make(**objects)


def targets() -> set[str]:
    """All ``_target_`` strings of the shipped configurations."""
    return {target for group in GROUPS for name in names(group) for target in targets_in(config(group, name))}


def targets_in(item: object) -> Iterator[str]:
    """Every ``_target_`` in a nested configuration."""
    children = item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ()
    for child in children:
        yield from targets_in(child)
    if isinstance(item, Mapping) and "_target_" in item:
        yield str(item["_target_"])


def flat(item: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested configuration by their dotted names."""
    for key, value in item.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config(group: str, name: str) -> dict[str, Any]:
    """The values of an option as they are written."""
    text = (files("greenband.configs") / group / f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def scenario(name: str, **switches: Any) -> Scenario:
    """A shipped scenario by name, with what to switch on (``shixin+people``), or one from its folder.

    A folder's scenario is as it is: ``switches`` that are on have no effect there and are refused.

    Raises:
        UnknownName: neither, or there is no such switch.
        BadInput: a switch is on for a folder.
    """
    folder = Path(name)
    if (folder / "scenario.json").is_file():
        if on := [option for option, value in switches.items() if value not in (False, "off", "false")]:
            raise BadInput(f"{folder}: {on[0]} cannot be switched on in a scenario that is built already")
        return Scenario.load(folder)
    base, *switched = name.split("+")
    if base not in names("scenario"):
        raise UnknownName("scenario", name, names("scenario"))
    known = [key for key, value in config("scenario", base).items() if value is False]
    for option in switched:
        if option not in known:
            raise UnknownName(f"option of scenario {base}", option, known)
    return cast(Scenario, make("scenario", base, **switches, **dict.fromkeys(switched, True)))


def controller(name: str, **settings: Any) -> Controller:
    """A controller by name, with some settings of its configuration replaced.

    Raises:
        UnknownName: no such controller, or it has no such setting.
    """
    if name in names("controller"):
        known = [key for key in config("controller", name) if key != "_target_"]
        for setting in settings:
            if setting not in known:
                raise UnknownName(f"setting of controller {name}", setting, known)
    return cast(Controller, make("controller", name, **settings))
