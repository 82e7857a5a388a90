"""A training run as a trial of an Optuna study, kept in a journal file that processes and machines share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from greenband.errors import BadInput

__all__ = ["Trial", "storage"]


def storage(journal: Path | str) -> Any:
    """Optuna's storage in a file, made if there is none.

    Raises:
        BadInput: Optuna is not installed.
    """
    try:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise BadInput(f'a search needs more packages: pip install "greenband[sweeps]" ({error})') from error
    return JournalStorage(JournalFileBackend(str(journal)))


class Trial:
    """One trial of a study.

    Args:
        journal: the study's file.
        study: its name.
        number: of the trial.
        startup: trials that must be done before one is pruned.
        warmup: validations of a trial before it can be pruned.

    Raises:
        BadInput: there is no such trial.
    """

    def __init__(self, journal: str, study: str, number: int, startup: int, warmup: int) -> None:
        kept = storage(journal)
        import optuna

        try:
            pruner = optuna.pruners.MedianPruner(startup, warmup + 1)
            self._study = optuna.load_study(study_name=study, storage=kept, pruner=pruner)
            self._trial = optuna.trial.Trial(
                self._study, kept.get_trial_id_from_study_id_trial_number(kept.get_study_id_from_name(study), number)
            )
        except KeyError as error:
            raise BadInput(f"{journal}: has no trial {number} of a study {study!r}") from error

    def report(self, cost: float, validation: int) -> bool:
        """Tell the least validation cost so far in s, and after how many validations.

        Returns:
            Whether to give up: half of the other trials did better by then.
        """
        self._trial.report(cost, validation)
        return bool(self._trial.should_prune())

    def end(self, cost: float, pruned: bool) -> None:
        """The trial is over, with its least validation cost in s."""
        from optuna.trial import TrialState

        if pruned:
            self._study.tell(self._trial, state=TrialState.PRUNED)
        else:
            self._study.tell(self._trial, cost)
