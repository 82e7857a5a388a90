"""A sweep's jobs on a Ray cluster: ``greenband train -m hydra/launcher=ray seed=1,2,3``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from greenband.cluster import cancel, connect

__all__ = ["RayLauncher"]

LOG = logging.getLogger(__name__)


class RayLauncher(Launcher):
    """Runs each job as a task of the cluster of ``RAY_ADDRESS``, or of a local one.

    Args:
        cpus: that a job takes; as many as its SUMO processes is a good measure.
    """

    __module__ = "hydra_plugins.greenband"  # Hydra takes no others

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what a launch needs."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and wait for all of them; a job that failed holds its error."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        ray = connect(self.cpus)
        work = ray.remote(num_cpus=self.cpus, max_retries=0)(_run)
        jobs = []
        for number, overrides in enumerate(job_overrides, start=initial_job_idx):
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            LOG.info("#%d: %s", number, " ".join(filter_overrides(overrides)))
            jobs.append(work.remote(self.context, config, self.task, Path.cwd()))
        try:
            return list(ray.get(jobs))
        finally:
            cancel(jobs)


def _run(context: HydraContext, config: DictConfig, task: TaskFunction, where: Path) -> JobReturn:
    """On the cluster."""
    from hydra.core.hydra_config import HydraConfig

    os.chdir(where)  # runs are written below the folder that the sweep was started in
    setup_globals()
    HydraConfig.instance().set_config(config)
    done: JobReturn = run_job(task, config, "hydra.sweep.dir", "hydra.sweep.subdir", hydra_context=context)
    return done
