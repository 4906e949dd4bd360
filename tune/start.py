"""From a composed config to a run that goes: a new one, or one that goes on."""

import time
from pathlib import Path
from typing import Any

import psutil
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from experiments import folders
from experiments.cluster import check_outputs_last, find_machine, job_id
from experiments.logs import log_to
from experiments.runs import create_run_folder, write_config
from experiments.schema import to_plain
from tune.compose import CHOICES
from tune.header import header
from tune.overlay import check_experiment
from tune.preparation import Preparation
from tune.records import TrialRecords
from tune.resume import check_trials, resumed_config
from tune.sweep import Sweep
from tune.sweep_trials import create_trials, trials_to_train


def run(config: DictConfig) -> int:
    """Train what a composed config describes, evaluate it and say what came of it; returns the exit code."""
    started_at = _started_at()
    outputs = Path(config.paths.outputs).absolute()
    check_outputs_last(outputs)
    if config.resume is None:
        plain = new_config(config)
        preparation = Preparation.check(plain, find_machine(plain["ray"], plain["paths"]))
        run_folder = create_run_folder(outputs, plain["name"], plain["choices"])
        claim = folders.claim(run_folder, timeout_s=2.0)
        records = create_trials(preparation, run_folder)
    else:
        run_folder, plain = resumed_config(config.resume, outputs, list(HydraConfig.get().overrides.task), config)
        claim = folders.claim(run_folder, timeout_s=2.0)
        records = TrialRecords.load(run_folder, is_sweep=bool(plain["tuner"].get("space")))
        preparation = Preparation.check(plain, find_machine(plain["ray"], plain["paths"]), run_folder, records)
        check_trials(run_folder, trials_to_train(preparation, run_folder, records))
        folders.point(Path(plain["paths"]["outputs"]) / folders.LATEST, run_folder)
    write_config(run_folder, plain)
    log_to(run_folder / folders.LOG)
    print(header(preparation, run_folder, records), flush=True)
    if job_id() is not None:
        print(f"  job      ray job stop {job_id()} saves every trial and ends it", flush=True)
    with claim:
        return Sweep(preparation, run_folder, records, started_at).run()


def _started_at() -> float:
    """Return when the command began, in seconds since the epoch; of several by `--multirun`, when its turn came."""
    job = HydraConfig.get().job
    is_first = OmegaConf.is_missing(job, "num") or job.num == 0
    return psutil.Process().create_time() if is_first else time.time()


def new_config(config: DictConfig) -> dict[str, Any]:
    """Return a run's plain config, with the words chosen in each group, and those of the command line, beside it."""
    plain = to_plain(config)
    del plain["resume"]
    hydra = HydraConfig.get()
    chosen, words = hydra.runtime.choices, list(hydra.overrides.task)
    check_experiment(chosen["experiment"], chosen["algo"], words, str(hydra.job.config_name))
    plain["choices"] = {group: chosen[group] for group in CHOICES} | {"preset": config.model.get("preset")}
    plain["words"] = [word for word in words if word.partition("=")[0] != "resume"]
    return plain
