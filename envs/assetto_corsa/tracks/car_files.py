"""The files of cars that the original's client wants beside tracks, from what `envs.assetto_corsa.cars` knows."""

from pathlib import Path

import numpy as np

from envs.assetto_corsa.cars import CARS, brake_status
from envs.assetto_corsa.tracks.csv_rows import write_columns
from envs.assetto_corsa.whole_files import write_whole

_BRAKE_POINTS = 21


def save_cars(folder: str | Path) -> list[Path]:
    """Write `cars/NAME/steer_map.csv` and `brake_map.csv` where they are not there yet; return what was written."""
    written = []
    commands = np.linspace(-1.0, 1.0, _BRAKE_POINTS)
    for car in CARS.values():
        home = Path(folder) / "cars" / car.name
        home.mkdir(parents=True, exist_ok=True)
        ends = np.array([-1.0, 1.0])
        maps = {
            "steer_map.csv": (ends * car.norm, ends * car.deg),
            "brake_map.csv": (commands, np.array([brake_status(command) for command in commands])),
        }
        for name, (x, y) in maps.items():
            if not (home / name).exists():
                write_whole(home / name, write_columns({"x_points": x, "y_points": y}))
                written.append(home / name)
    return written
