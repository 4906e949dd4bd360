"""The first lines that a run prints: what is about to happen, on what, and what it may cost."""

from pathlib import Path
from typing import Any

from envs.action_history import action_history
from envs.stacking import frame_stack
from experiments.progress import duration
from tune.preparation import Preparation
from tune.records import TrialRecords
from tune.slots import Slots
from tune.sweep_trials import trials_to_train


def header(preparation: Preparation, run_folder: Path, records: TrialRecords) -> str:
    """Return what is about to happen, in a few lines."""
    config = preparation.base
    choices = " ".join(f"{group}={word}" for group, word in config["choices"].items() if word is not None)
    limits = ", ".join(f"{name} {value:,}" for name, value in config["stop"].items() if value is not None)
    varied = {key.partition(".")[0] for key in preparation.space.domains}
    lines = [f"{choices} seed={config['seed']}"]
    if preparation.is_sweep:
        made = len(trials_to_train(preparation, run_folder, records))
        lines += _sweep_lines(preparation, made + preparation.num_total - len(records))
    lines += [f"  stop at  {limits}", f"  machine  {preparation.largest}"]
    if not varied & {"model", "env"}:
        lines.append(f"  model    {config['model']['_target_'].rpartition('.')[2]}: {preparation.size}")
        lines.append(f"  sees     {_seen(config['env'], config['algo']['training'].get('privileged'))}")
    lines.append(f"  folder   {run_folder}")
    return "\n".join(lines if preparation.disk is None else [*lines, f"  disk     {preparation.disk}"])


def _sweep_lines(preparation: Preparation, num_to_train: int) -> list[str]:
    tuner, space = preparation.base["tuner"], preparation.space
    tried = [f"{key}: {domain_words(section)}" for key, section in tuner["space"].items() if key not in space.left_out]
    tried += [f"{key} is left out: what its `when` asks for is not so in the config" for key in space.left_out]
    lines = [f"  {'sweep' if number == 0 else '     '}    {one}" for number, one in enumerate(tried)]
    if preparation.scheduling is not None:
        lines.append(f"           {preparation.scheduling}, by {tuner['mode']} {tuner['metric']}")
    total = preparation.num_total
    of = f"{total} trials" if num_to_train == total else f"{num_to_train} of {total} trials to go"
    return [
        *lines,
        f"  trials   {of}, {preparation.slots}: {_cost(_longest(preparation), preparation.slots, num_to_train)}",
    ]


def domain_words(section: dict[str, Any]) -> str:
    """Return a domain as it stands in the YAML, without the brackets."""
    return ", ".join(
        f"{kind} {', '.join(map(str, values)) if isinstance(values, list) else values}"
        for kind, values in section.items()
    )


def _longest(preparation: Preparation) -> dict[str, Any]:
    """Return the limits of the trial that may take longest: they may be swept too."""
    stop = dict(preparation.base["stop"])
    for key, domain in preparation.space.domains.items():
        section, _, name = key.partition(".")
        if section == "stop":
            ends = domain.corners()
            stop[name] = None if None in ends else max(ends)
    return stop


def _cost(stop: dict[str, Any], slots: Slots, num_trials: int) -> str:
    """Say what the trials take at most; what none of them can know before is how fast they are."""
    costs = []
    if stop["frames"] is not None:
        costs.append(f"{num_trials * stop['frames']:,} frames")
    if stop["wall_s"] is not None:
        rounds = -(-num_trials // slots.num_concurrent)
        costs.append(f"{duration(rounds * stop['wall_s'])} of training")
    return f"at most {' or '.join(costs)}" if costs else "until each reaches stop.return_mean"


def _seen(env: dict[str, Any], privileged: list[str] | None) -> str:
    """Return how far back observations reach, a model may have set it, and what is for critics alone."""
    frames, actions = frame_stack(env), action_history(env)
    words = "the newest frame" if frames == 1 else f"the last {frames} frames"
    if actions:
        words += f", and its own last {'action' if actions == 1 else f'{actions} actions'}"
    return f"{words}; its critic also {', '.join(privileged)}" if privileged else words
