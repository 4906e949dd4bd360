"""`python -m envs.assetto_corsa.tracks`: what users type, and what they get."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from envs.assetto_corsa.tracks.commands import carry_out
from envs.assetto_corsa.tracks.files import load_ac_track
from envs.assetto_corsa.tracks.occupancy import load_occupancy_grid
from envs.errors import ConfigError


@pytest.fixture
def request_with(root, tmp_path):
    """Return a function from changed keys to a whole request, as the config has it."""

    def made(**changes):
        config = yaml.safe_load((root / "conf" / "assetto_corsa_track.yaml").read_text())
        config = {key: value for key, value in config.items() if key not in ("defaults", "hydra")}
        config["synthetic"] |= {"length_m": 1500.0, "num_corners": 9}
        for key, value in ({"folder": str(tmp_path)} | changes).items():
            config[key] = config[key] | value if isinstance(value, dict) else value
        return config

    return made


def test_a_track_is_made_imported_and_gridded(request_with, tmp_path):
    told = carry_out(request_with(synthetic={"seed": 4, "line": "minimum_curvature", "has_target_speed": True}))
    assert "chicane_4: " in told
    assert f"env.track={tmp_path}/tracks/chicane_4.csv" in told
    track = load_ac_track(tmp_path)
    assert track.target_speed_mps is not None
    assert (tmp_path / "cars" / "dallara_f317" / "steer_map.csv").exists()
    source = str(tmp_path / "tracks" / "chicane_4.csv")
    copy = {"kind": "import", "source": source, "name": "mine", "configuration": "gp"}
    told = carry_out(request_with(**copy, length_m=1499, imported={"line": "centre"}))
    mine = load_ac_track(tmp_path, "mine-gp")
    assert mine.length_m == 1499.0
    assert np.array_equal(mine.left_m, track.left_m)
    assert mine.line_m == pytest.approx(0.5 * (track.left_m + track.right_m))
    told = carry_out(request_with(kind="grid", name="mine-gp", grid={"cell_m": 1.0}))
    assert load_occupancy_grid(tmp_path / "tracks" / "mine-gp_1m.npz").is_on_road(mine.line_m).all()
    told = carry_out(request_with(kind="grid", name="chicane_4", grid={"cell_m": 1.0, "pickle": True}))
    assert "chicane_4_0.1m.pkl" in told
    assert (tmp_path / "tracks" / "chicane_4_0.1m.pkl").stat().st_size > 1e6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "make"}, "synthetic, import, grid"),
        ({"kind": "import"}, "source=FILE"),
        ({"kind": "import", "source": "none.ai", "name": "x"}, "no such file"),
        ({"synthetic": {"seed": "four"}}, "seed: int"),
        ({"kind": "grid"}, "Expected a track at"),
        ({"folder": "envs/assetto_corsa/tracks"}, "outside of the project's code"),
    ],
)
def test_a_wrong_request_is_refused(request_with, root, monkeypatch, changes, words):
    monkeypatch.chdir(root)
    with pytest.raises(ConfigError, match=words):
        carry_out(request_with(**changes))


def test_the_command_leaves_2_and_the_choices(root, tmp_path):
    command = [sys.executable, "-m", "envs.assetto_corsa.tracks", f"folder={tmp_path}", "synthetic.width=3"]
    done = subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "max_width_m" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
