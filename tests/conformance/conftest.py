"""Points of a specification's checklist: each has a test that is marked with its number."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GAMES = ("assetto_corsa", "roblox", "trackmania")  # their checklists are long: `make slow`, and continuous integration


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if any(HERE / game in item.path.parents for game in GAMES) and not item.get_closest_marker("timing"):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def marked_points():
    """Return a function from a specification's name to the numbers that tests in its folder are marked with."""

    def find(name):
        text = "".join(path.read_text() for path in sorted((HERE / name).rglob("test_*.py")))
        return {int(number) for number in re.findall(rf'mark\.point\("{name}", (\d+)\)', text)}

    return find


@pytest.fixture
def start_twins(root):
    """Return a function that starts `python -m envs.twin`, and returns it and the lines that say where twins are."""
    processes = []

    def start(*words, twins=1):
        process = subprocess.Popen(
            [sys.executable, "-m", "envs.twin", *words], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        processes.append(process)
        lines = [process.stdout.readline() for _ in range(twins)]
        assert all(line.startswith("Twin ") for line in lines), process.stderr.read()
        return process, lines

    yield start
    for process in processes:
        process.kill()
        process.wait(10.0)
        process.stdout.close()
        process.stderr.close()
