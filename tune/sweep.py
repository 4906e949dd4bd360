"""A run from its first line to its last: a sweep of one trial or many through Ray Tune."""

import json
import logging
import os
import platform
import socket
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from envs.action_history import action_history
from envs.app import FAILED, INTERRUPTED, OK, ROOT
from envs.stacking import frame_stack
from experiments import folders
from experiments.checkpoints import checkpoint_frames, latest_checkpoint
from experiments.checks import check_run
from experiments.cluster import start_ray
from experiments.commit import current_commit
from experiments.evaluate import describe_results, evaluate
from experiments.logs import console_through, log_to
from experiments.model_size import ModelSize
from experiments.plan import Plan, available_cores
from experiments.progress import LiveLine
from experiments.runs import create_run_folder, find_trial_folders, write_config
from experiments.schema import to_plain
from experiments.tracking import RunHandle, Tracker
from models.encoder import build
from tune.interrupt import Interrupt
from tune.overlay import check_experiment
from tune.resume import check_trials, resumed_config

logger = logging.getLogger(__name__)

_TRACKING_FLUSH_S = 20.0
_MLFLOW_PORT = 5001
# The groups whose chosen words tell runs apart.
_CHOICES = ("env", "model", "algo", "experiment", "debug")


def run(config: DictConfig) -> int:
    """Train what a composed config describes, evaluate it and say what came of it; returns the exit code."""
    started_at = psutil.Process().create_time()
    outputs = Path(config.paths.outputs).absolute()
    if config.resume is None:
        plain = new_config(config)
        plan, size = check_run(plain)
        run_folder = create_run_folder(outputs, plain["name"], plain["choices"])
    else:
        run_folder, plain = resumed_config(config.resume, outputs, list(HydraConfig.get().overrides.task), config)
        plan, size = check_run(plain)
        check_trials(run_folder)
        folders.point(Path(plain["paths"]["outputs"]) / folders.LATEST, run_folder)
    claim = folders.claim(run_folder, timeout_s=2.0)
    (run_folder / folders.TRIALS).mkdir(exist_ok=True)
    write_config(run_folder, plain)
    log_to(run_folder / folders.LOG)
    print(_header(plain, plan, size, run_folder), flush=True)
    with claim:
        return Sweep(plain, plan, run_folder, started_at, size.tags()).run()


def new_config(config: DictConfig) -> dict[str, Any]:
    """Return a run's plain config, with the words chosen in each group beside it."""
    plain = to_plain(config)
    del plain["resume"]
    hydra = HydraConfig.get()
    chosen = hydra.runtime.choices
    check_experiment(chosen["experiment"], chosen["algo"], list(hydra.overrides.task), str(hydra.job.config_name))
    plain["choices"] = {group: chosen[group] for group in _CHOICES} | {"preset": config.model.get("preset")}
    return plain


class Sweep:
    """One execution of a run, new or resumed."""

    def __init__(
        self,
        config: dict[str, Any],
        plan: Plan,
        run_folder: Path,
        started_at: float,
        tags: dict[str, str] | None = None,
    ) -> None:
        self._more_tags = tags or {}
        self._config, self._plan, self._folder, self._started_at = config, plan, run_folder, started_at
        self._line = LiveLine(sys.stderr, stop_frames=config["stop"]["frames"], stop_wall_s=config["stop"]["wall_s"])
        self._interrupt = Interrupt(run_folder / folders.STOP_REQUEST, self._line.note)

    def run(self) -> int:
        """Train, evaluate and report."""
        tracker: Tracker = build(self._config["tracking"], Tracker)
        with closing(tracker), console_through(self._line.note):
            known = self._known_runs()
            parent = tracker.start_run(
                name=self._title(),
                tags=self._tags() | {"folder": str(self._folder)},
                params=self._config,
                run_id=known.get("run"),
            )
            children: dict[str, RunHandle] = {}
            code = FAILED
            try:
                with self._interrupt.handled():
                    failures = self._train(tracker, parent, known.get("trials", {}), children)
                code = self._conclude(tracker, parent, children, failures)
            except KeyboardInterrupt:  # the second ctrl-C, or one during the evaluation: what was saved is saved
                code = INTERRUPTED
            finally:
                status = {OK: "FINISHED", INTERRUPTED: "KILLED"}.get(code, "FAILED")
                for handle in (*children.values(), parent):
                    tracker.finish(handle, status)
                tracker.close(_TRACKING_FLUSH_S)
        print(self._next_commands(code), flush=True)
        return code

    def _train(
        self, tracker: Tracker, parent: RunHandle, known: dict[str, str], children: dict[str, RunHandle]
    ) -> list[str]:
        """Run Ray Tune, add the trials' MLflow runs to `children`, and return why trials failed."""
        # Before the import: Tune reads these once. What it would log, save and catch, `Trial` and `Recorder` do.
        os.environ |= {
            "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
            "TUNE_DISABLE_SIGINT_HANDLER": "1",
            "RAY_AIR_NEW_OUTPUT": "0",
        }
        start_ray(self._plan)
        self._interrupt.listen()
        import ray
        import ray.tune

        from experiments.trial import Trial
        from tune.callbacks import Recorder

        given = {"plan": asdict(self._plan), "run_folder": str(self._folder), "started_at": self._started_at}
        space = self._config | self._made_with() | given
        recorder = Recorder(tracker=tracker, run=parent, known=known, children=children, config=space, line=self._line)
        tuner = ray.tune.Tuner(
            Trial,
            param_space=space,
            tune_config=ray.tune.TuneConfig(
                trial_name_creator=lambda trial: trial.trial_id.rpartition("_")[2],
                trial_dirname_creator=lambda trial: trial.trial_id.rpartition("_")[2],
                num_samples=self._config["tuner"]["num_trials"],
            ),
            run_config=ray.tune.RunConfig(
                name=folders.TRIALS,
                storage_path=str(self._folder),
                callbacks=[recorder],
                checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        try:
            results = tuner.fit()
        finally:
            self._line.close()
            ray.shutdown()
        return [str(error) for error in results.errors]

    def _conclude(
        self, tracker: Tracker, parent: RunHandle, children: dict[str, RunHandle], failures: list[str]
    ) -> int:
        """Evaluate what was trained, unless the run was interrupted or failed."""
        self._lead_to_single_trial()
        for failure in failures:
            logger.info("A trial failed: %s", failure)  # whole, to the log
            reason = failure.strip().splitlines()[-1]
            print(f"error: {reason}\nMore of it stands in {self._folder / folders.LOG}.", file=sys.stderr)
        if failures:
            return FAILED
        if self._interrupt.is_requested:
            return INTERRUPTED
        settings = self._config["evaluation"]
        for trial in find_trial_folders(self._folder):
            if settings["final_episodes"] == 0:
                continue
            checkpoint = latest_checkpoint(trial / folders.CHECKPOINTS)
            evaluation = evaluate(
                checkpoint,
                trial,
                episodes=settings["final_episodes"],
                first_seed=settings["final_first_seed"],
                video=settings["videos"],
                num_processes=available_cores(),
            )
            scores = {f"score/{name}": evaluation[name] for name in ("mean", "p10", "median", "min", "share_below_500")}
            for handle in (children[trial.name], parent):
                tracker.log(handle, scores, step=checkpoint_frames(checkpoint))
            for name in (folders.CONFIG, folders.EVALUATION, folders.CURVE, folders.RETURNS, folders.VIDEOS):
                if (trial / name).exists():
                    tracker.log_artifact(children[trial.name], trial / name, name if name == folders.VIDEOS else None)
            print(describe_results(trial, evaluation), flush=True)
        self._lead_to_single_trial()
        return OK

    def _lead_to_single_trial(self) -> None:
        """Let the run folder lead to what its only trial made."""
        trials = find_trial_folders(self._folder)
        if len(trials) == 1:
            for name in folders.SHARED_BY_SINGLE_TRIAL:
                if (trials[0] / name).exists():
                    folders.point(self._folder / name, trials[0] / name)

    def _title(self) -> str:
        """Return what tells this run from others in the first words that a narrow column shows."""
        chosen = self._config["choices"]
        words = [chosen["algo"], chosen["env"], f"s{self._config['seed']}", chosen["experiment"], chosen["debug"]]
        when = "_".join(self._folder.name.split("_")[:2])
        return " ".join([*(word for word in words if word is not None), when])

    def _tags(self) -> dict[str, str]:
        chosen = {group: word for group, word in self._config["choices"].items() if word is not None}
        return {**chosen, "seed": str(self._config["seed"]), **self._made_with(), **self._more_tags}

    def _made_with(self) -> dict[str, str]:
        return {"commit": current_commit(), "host": platform.node()}

    def _known_runs(self) -> dict[str, Any]:
        path = self._folder / folders.MLFLOW_RUN
        return json.loads(path.read_text()) if path.exists() else {}

    def _next_commands(self, code: int) -> str:
        uri = self._config["paths"]["mlflow_uri"]
        is_default = Path(self._config["paths"]["outputs"]) == ROOT / "outputs"
        resume = f"python run.py resume={folders.LATEST if is_default else self._folder}"
        lines = [f"Run folder: {self._folder}"]
        if code == INTERRUPTED:
            lines.append(f"Go on:      {resume}")
        if code == OK:
            longer = [f"stop.{name}={2 * value:g}" for name, value in self._config["stop"].items() if value is not None]
            lines.append(f"Train on:   {resume} {' '.join(longer)}")
        lines.append(f"Compare:    mlflow ui --backend-store-uri {uri} --port {_free_port(_MLFLOW_PORT)}")
        return "\n".join(lines)


def _free_port(first: int) -> int:
    """Return the first port from `first` on that nobody on this machine listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return first


def _seen(env: dict[str, Any]) -> str:
    """Return how far back observations reach; a model may have set it."""
    frames, actions = frame_stack(env), action_history(env)
    words = "the newest frame" if frames == 1 else f"the last {frames} frames"
    if not actions:
        return words
    return f"{words}, and its own last {'action' if actions == 1 else f'{actions} actions'}"


def _header(config: dict[str, Any], plan: Plan, size: ModelSize, run_folder: Path) -> str:
    """Return what is about to happen, in a few lines."""
    choices = " ".join(f"{group}={word}" for group, word in config["choices"].items() if word is not None)
    limits = ", ".join(f"{name} {value:g}" for name, value in config["stop"].items() if value is not None)
    return "\n".join(
        (
            f"{choices} seed={config['seed']}",
            f"  stop at  {limits}",
            f"  machine  {plan}",
            f"  model    {config['model']['_target_'].rpartition('.')[2]}: {size}",
            f"  sees     {_seen(config['env'])}",
            f"  folder   {run_folder}",
        )
    )
