"""A search for good settings by Optuna: ``greenband train -m hydra/sweeper=optuna 'agent.gamma=interval(0.9,0.99)'``.

Hydra's own plugin is bound to an Optuna of 2022, without pruning.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from greenband.errors import BadInput
from greenband.sweeps.trial import storage

__all__ = ["Search"]

LOG = logging.getLogger(__name__)


class Search(Sweeper):
    """Draws settings from intervals, ranges and choices by a tree-structured Parzen estimator (Bergstra et al. 2011).

    Every trial is a training run in ``<hydra.sweep.dir>/<name>/<number>`` that reports its validations; one that is
    behind the median of the others ends early. The study is in a journal file, so that a search that was stopped goes
    on where it was.

    Args:
        name: of the study.
        trials: in all.
        at_once: handed to the launcher together.
        seed: of the sampler.
        startup: trials that must be done before one is pruned.
        warmup: validations of a trial before it can be pruned.
    """

    __module__ = "hydra_plugins.greenband"  # Hydra takes no others

    def __init__(self, name: str, trials: int, at_once: int, seed: int, startup: int, warmup: int) -> None:
        if trials < 1 or at_once < 1:
            raise BadInput("hydra.sweeper.trials and hydra.sweeper.at_once must be at least 1")
        self.name, self.trials, self.at_once, self.seed = name, trials, at_once, seed
        self.pruning = {"startup": startup, "warmup": warmup}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what a sweep needs."""
        self._config, self._context = config, hydra_context
        self._launcher: Any = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until there are as many as wanted.

        Raises:
            BadInput: nothing is to be searched.
        """
        parsed = OverridesParser.create(self._context.config_loader).parse_overrides(arguments)
        fixed = [str(one.input_line) for one in parsed if not one.is_sweep_override()]
        searched = [one for one in parsed if one.is_sweep_override()]
        if not searched:
            raise BadInput("nothing to search: give a setting several values, as in 'agent.gamma=interval(0.9,0.99)'")
        folder = Path(str(self._config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        journal = folder / f"{self.name}.journal"
        kept = storage(journal)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=self.seed, constant_liar=self.at_once > 1)
        study = optuna.create_study(study_name=self.name, storage=kept, sampler=sampler, load_if_exists=True)
        for left in (trial for trial in study.trials if not trial.state.is_finished()):  # by a search that was stopped
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)
        distributions = {one.get_key_element(): _distribution(one) for one in searched}
        while (begun := sum(trial.state != optuna.trial.TrialState.FAIL for trial in study.trials)) < self.trials:
            batch = [study.ask(distributions) for _ in range(min(self.at_once, self.trials - begun))]
            self._launch(study, [trial.number for trial in batch], fixed, journal)
        _tell(study, folder / self.name)

    def _launch(self, study: Any, numbers: list[int], fixed: list[str], journal: Path) -> None:
        """Run trials; the first one's error comes through if all of them failed."""
        from optuna.trial import TrialState

        known = study.trials
        jobs = []
        for number in numbers:
            facts = {"journal": f"'{journal}'", "study": self.name, "number": number, **self.pruning}
            words = [f"{name}={value}" for name, value in known[number].params.items()]
            out = journal.parent / self.name / f"{number:04d}"
            jobs.append([*fixed, *words, f"out='{out}'", *(f"+trial.{key}={value}" for key, value in facts.items())])
        returns = self._launcher.launch(jobs, initial_job_idx=numbers[0])
        left = [number for number in numbers if not study.trials[number].state.is_finished()]
        for number in left:
            study.tell(number, state=TrialState.FAIL)
        if len(left) == len(numbers):
            for job in returns:
                _ = job.return_value  # raises what it failed of
            raise BadInput(f"trial {numbers[0]} failed")


def _distribution(override: Override) -> Any:
    """Where Optuna draws a setting from.

    Raises:
        BadInput: it has no values, or a logarithm of nothing.
    """
    from optuna.distributions import CategoricalDistribution

    value: Any = override.value()
    try:
        if override.is_interval_sweep():
            kind = _kind(value.start, value.end)
            return kind(value.start, value.end, log="log" in value.tags)
        if override.is_range_sweep():
            last = value.start + (-(-(value.stop - value.start) // value.step) - 1) * value.step  # its end is not of it
            return _kind(value.start, value.stop, value.step)(value.start, last, step=value.step)
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{override.input_line}: {error}") from error


def _kind(*bounds: Any) -> Any:
    """Whole numbers where all bounds are."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return IntDistribution if all(isinstance(bound, int) for bound in bounds) else FloatDistribution


def _tell(study: Any, folder: Path) -> None:
    best = study.best_trial
    words = " ".join(f"{name}={value}" for name, value in best.params.items())
    LOG.info(
        "best of %d trials: %.2f s with %s; its run is %s",
        len(study.trials),
        best.value,
        words,
        folder / f"{best.number:04d}",
    )
