"""The command lines of programs that ours stand in for: `--num-games 6` becomes `num_games=6`."""

from collections.abc import Sequence

_OURS = ("--help", "--cfg", "--hydra-help", "--info", "--multirun", "--version")  # Hydra's own


def rewritten(words: Sequence[str], switches: Sequence[str] = ()) -> list[str]:
    """Return the words of a command line with flags as keys.

    Args:
        words: `--flag value`, `--flag=value` or `--switch`, beside what Hydra takes, which stays.
        switches: flags that may stand without a value, as names of keys.
    """
    result: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") or flag in _OURS:
            result.append(word)
            continue
        key = flag[2:].replace("-", "_")
        if not equals:
            has_value = bool(waiting) and not waiting[0].startswith("--") and "=" not in waiting[0]
            value = waiting.pop(0) if has_value else "true" if key in switches else ""
        result.append(f"{key}={value}")
    return result
