"""Points of a specification's checklist: each has a test that is marked with its number."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def marked_points():
    """Return a function from a specification's name to the numbers that tests in its folder are marked with."""

    def find(name):
        text = "".join(path.read_text() for path in sorted((HERE / name).rglob("test_*.py")))
        return {int(number) for number in re.findall(rf'mark\.point\("{name}", (\d+)\)', text)}

    return find
