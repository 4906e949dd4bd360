"""Which code a run was made with."""

import subprocess

from envs.app import ROOT


def current_commit() -> str:
    """Return the commit of the checkout, marked `-dirty` if files differ from it; "unknown" outside a checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
