"""A profile in words: the split of a run's time, and tables of what is hottest."""

from experiments import metrics
from experiments.profiling.calls import ProcessProfile
from experiments.profiling.operators import HotOperator

# The timers that a split is made of, with the word for each and what it means.
MEANING = {
    metrics.SAMPLE_S: ("sample", "waiting for the env runners"),
    metrics.LEARN_S: ("learn", "updates, and drawing what they learn from"),
    metrics.OVERHEAD_S: ("overhead", "the rest of training: storing fragments, sending weights, RLlib's own work"),
}


def describe_split(seconds: dict[str, float], *, wall_s: float, frames: int, updates: int) -> str:
    """Say what the main process did with its time, and how fast that was.

    Args:
        seconds: Time spent in training, by the names of the timers in `experiments.metrics`.
        wall_s: All time from the first period's beginning to the last one's end.
        frames: Environment frames of that time.
        updates: The learner's updates in that time.
    """
    total = sum(seconds.values())
    lines = [f"Training for {total:.1f} s after the warm-up: {frames:,} frames, {updates:,} updates"]
    for name, (word, meaning) in MEANING.items():
        lines.append(f"  {word:9}{seconds[name]:8.2f} s {seconds[name] / total:7.1%}  {meaning}")
    lines.append(
        f"  {'(between)':9}{max(0.0, wall_s - total):8.2f} s {'':7}  between periods: reports, checkpoints, Tune"
    )
    per_update = f"{1000 * seconds[metrics.LEARN_S] / updates:.2f} ms of learning an update" if updates else "no update"
    lines.append(f"  {frames / total:,.0f} frames/s, {updates / total:.1f} updates/s, {per_update}")
    return "\n".join(lines)


def describe_burden(sampled_s: float, frames: int) -> str:
    """Say what the functions below were sampled from: so many seconds of training, and so many environment frames."""
    return (
        f"Calls were sampled in {sampled_s:.1f} s of training after that, with {frames / sampled_s:,.0f} frames/s. "
        "Sampling makes small calls\nslower, long ones hardly: what consists of many small ones takes less than it "
        "says here."
    )


def describe_functions(profile: ProcessProfile) -> str:
    """Return a table of the hottest functions of a process."""
    lines = [
        f"{profile.process}: hottest functions by their own time (the main thread, {profile.samples:,} samples in "
        f"{profile.seconds:.1f} s)"
    ]
    lines += [
        f"  {function.seconds:8.2f} s {function.seconds / profile.seconds:7.1%}  {function.name}  ({function.place})"
        for function in profile.functions
    ]
    return "\n".join(lines)


def describe_operators(operators: list[HotOperator], updates: int) -> str:
    """Return a table of torch's hottest operators in so many updates."""
    if not updates:
        return "Operators: no optimiser step was seen."
    lines = [
        f"Operators of torch by their own time, in {updates} updates (recorded in a period of their own, which "
        "makes small ones look slower)",
        "     CPU ms/update  GPU ms/update  calls/update",
    ]
    lines += [
        f"  {1000 * row.cpu_s / updates:16.3f}  {1000 * row.device_s / updates:13.3f}  {row.calls / updates:12.1f}"
        f"  {row.name}"
        for row in operators
    ]
    return "\n".join(lines)
