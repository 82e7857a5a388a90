"""``greenband train``: hand the arguments to Hydra, one training run a job."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from greenband import registry
from greenband.cli.common import err
from greenband.errors import BadInput, GreenbandError, UnknownName

__all__ = ["run"]

GROUPS = ("scenario", "agent", "env", "reward", "sensing")


def run(arguments: Sequence[str]) -> None:
    """Compose the configuration and train.

    Raises:
        BadInput: an override names nothing, or the configuration cannot be used.
    """
    overrides, resume = _split(list(arguments))
    if resume is not None:
        _resume(resume, overrides)
        return
    _hydra(overrides)


def _split(arguments: list[str]) -> tuple[list[str], Path | None]:
    rest: list[str] = []
    resume: Path | None = None
    while arguments:
        word = arguments.pop(0)
        if word == "--resume":
            if not arguments:
                raise BadInput("--resume needs a run directory")
            resume = Path(arguments.pop(0))
        elif word.startswith(("--resume=", "resume=")):
            resume = Path(word.partition("=")[2])
        elif word.startswith("scenario=") and (Path(word.partition("=")[2]) / "scenario.json").is_file():
            rest += ["scenario._target_=greenband.registry.scenario", f"scenario.name='{word.partition('=')[2]}'"]
        else:
            rest.append(word)
    return rest, resume


def _resume(folder: Path, overrides: Sequence[str]) -> None:
    """Continue with the run's own configuration; only the length of the run and its processes may change."""
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = folder / "config.yaml"
    if not path.is_file():
        raise BadInput(f"{folder}: not a training run: it has no config.yaml")
    allowed = {"steps", "minutes", "processes"}
    for word in overrides:
        if word.split("=")[0] not in allowed:
            raise BadInput(f"{word!r} cannot change on resume; allowed are {', '.join(sorted(allowed))}")
    try:
        config = OmegaConf.merge(OmegaConf.load(path), OmegaConf.from_dotlist(list(overrides)))
        if not isinstance(config, DictConfig):
            raise ValueError("not a mapping")
    except (OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        raise BadInput(f"{path}: not a run's configuration: {error}") from error
    _train({**_plain(config), "resume": str(folder)})


def _hydra(overrides: Sequence[str]) -> None:
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from greenband.sweeps import register

    failed: list[GreenbandError] = []
    here = os.getpid()

    @hydra.main(version_base="1.3", config_path="pkg://greenband.configs", config_name="train")
    def job(config: DictConfig) -> None:
        if os.getpid() != here:  # Joblib's processes would have Python's begin as theirs do
            multiprocessing.set_start_method("spawn", force=True)
        try:
            _train(_numbered(_plain(config)))
        except GreenbandError as error:  # Hydra would print a report of its own; the other jobs of a sweep go on
            if os.getpid() != here:
                raise GreenbandError(str(error)) from None  # of a kind that every process can unpack
            failed.append(error)

    saved = sys.argv
    sys.argv = ["greenband train", *overrides]

    register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing its own report and exiting
    try:
        job()
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(str(error), overrides) from error
    except GreenbandError as error:  # of a search: what its trials failed of says more
        raise (failed or [error])[0] from None
    finally:
        sys.argv = saved
    if failed:
        raise failed[0]


def _numbered(config: dict[str, Any]) -> dict[str, Any]:
    """A job of a sweep has its number in the name of its folder: several may begin in the same second."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN and not any(word.startswith("out=") for word in hydra.overrides.task):
        return {**config, "out": f"{config['out']}_{hydra.job.num}"}
    return config


def _explained(message: str, overrides: Sequence[str]) -> BadInput:
    """What Hydra says, with the nearest match where an override names a group's option or a setting that is not."""
    for word in overrides:
        key, _, value = word.partition("=")
        if key in GROUPS and (unknown := [v for v in value.split(",") if v not in registry.names(key)]):
            return UnknownName(key, unknown[0], registry.names(key))
        if f"Could not override '{key}'" in message:
            known, group = [*GROUPS, *_settings(overrides)], key.rpartition(".")[0]
            beside = [name for name in known if name.rpartition(".")[0] == group]
            return UnknownName("setting", key, beside or known)
    return BadInput(f"configuration: {message.split('Config search path')[0].strip()}")


def _settings(overrides: Sequence[str]) -> list[str]:
    """Dotted names of all settings, with the groups' options that these overrides choose, the defaults else."""
    from hydra import compose, initialize_config_module

    def walk(item: Any, prefix: str) -> list[str]:
        if not isinstance(item, dict):
            return [prefix]
        return [name for key, value in item.items() for name in walk(value, f"{prefix}.{key}" if prefix else str(key))]

    chosen = [word for word in overrides if word.partition("=")[0] in GROUPS and "," not in word]
    with initialize_config_module("greenband.configs", version_base="1.3"):
        config = _plain(compose("train", chosen), resolve=False)
    return [name for name in walk(config, "") if "_target_" not in name]


def _plain(config: Any, resolve: bool = True) -> dict[str, Any]:
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=resolve)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _train(config: dict[str, Any]) -> None:
    from greenband.training import train

    try:
        folder = train(config)
    except KeyboardInterrupt as error:
        if str(error):
            err.print(f"{error}; go on with greenband train --resume", soft_wrap=True)
        raise
    err.print(f"policy in [bold]{folder}[/bold]; compare it:")
    scenario = config["scenario"]["name"]
    err.print(f"  greenband evaluate existing maxpressure {folder} --scenario {scenario}", soft_wrap=True)
