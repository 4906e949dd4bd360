"""Points of a specification's checklist: each has a test that is marked with its number."""

import re
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
