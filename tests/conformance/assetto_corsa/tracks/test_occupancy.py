"""Occupancy grids against polygons, our file against the original's format."""

import pickle

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

from envs.assetto_corsa.tracks.occupancy import OccupancyGrid, load_occupancy_grid, occupancy_grid
from envs.assetto_corsa.tracks.pickled_grid import write_pickled_grid
from envs.errors import ConfigError


def looked_up(held, points):
    """Look up as the original's format is meant: flat, y outer, x inner."""
    xs, ys = (np.arange(held[f"min_{axis}"], held[f"max_{axis}"], held["cell_size"]) for axis in "xy")
    low, high = ([held[f"{end}_{axis}"] for axis in "xy"] for end in ("min", "max"))
    inside = np.clip(points, low, np.array(high) - held["cell_size"])
    column, row = np.round((inside - low) / held["cell_size"]).astype(int).T
    return held["grid"].reshape(len(ys), len(xs))[row, column]


@pytest.mark.point("assetto_corsa", 43)
@pytest.mark.parametrize("cell", [0.5, 0.37])
def test_npz_and_pickle_give_equal_lookups(tmp_path, synthetic, cell):
    track = synthetic(2)
    grid = occupancy_grid(track, cell)
    grid.save(tmp_path / "grid.npz")
    write_pickled_grid(grid, tmp_path / "grid.pkl")
    read = load_occupancy_grid(tmp_path / "grid.npz")
    held = pickle.loads((tmp_path / "grid.pkl").read_bytes())  # by a test, of our own making
    assert set(held) == {"cell_size", "min_x", "min_y", "max_x", "max_y", "grid"}
    assert (held["grid"].dtype, held["grid"].ndim) == (np.uint8, 1)
    random = np.random.default_rng(0)
    low, high = np.array([grid.min_x, grid.min_y]) - 30, np.array([grid.max_x, grid.max_y]) + 30
    points = np.concatenate([random.uniform(low, high, (5000, 2)), track.line_m[random.integers(0, 1000, 5000)]])
    points[5000:] += random.uniform(-12, 12, (5000, 2))
    ours = read.is_on_road(points)
    assert np.array_equal(ours, looked_up(held, points) > 0)
    assert 1000 < ours.sum() < 6000
    corners = [(x, y) for x in (grid.min_x, grid.max_x) for y in (grid.min_y, grid.max_y)]
    assert not read.is_on_road(corners).any()
    assert not looked_up(held, np.array(corners)).any()


def test_a_pickle_is_read_by_numpy_1_too(tmp_path, make_circle):
    write_pickled_grid(occupancy_grid(make_circle(radius=60.0), 1.0), tmp_path / "grid.pkl")
    data = (tmp_path / "grid.pkl").read_bytes()
    assert b"numpy.core.multiarray" in data
    assert b"numpy._core" not in data


def test_cells_are_road_where_their_point_is(synthetic):
    track = synthetic(5)
    grid = occupancy_grid(track, 0.5)
    outer, inner = (Polygon(np.append(border, border[:1], axis=0)) for border in (track.left_m, track.right_m))
    random = np.random.default_rng(0)
    rows, columns = (random.integers(0, count, 12_000) for count in grid.grid.shape)
    points = np.stack([grid.points_x()[columns], grid.points_y()[rows]], axis=1)
    wanted = outer.contains_points(points) != inner.contains_points(points)
    assert wanted.sum() > 200
    differs = points[(grid.grid[rows, columns] > 0) != wanted]
    walls = np.concatenate([track.left_m, track.right_m])
    # Points that rounding puts on an edge may go either way: hardly any.
    assert len(differs) < 10
    for point in differs:
        assert np.linalg.norm(walls - point, axis=1).min() < 2.0


def test_the_road_is_closed_over_the_start_line(make_circle):
    track = make_circle(spacing=4.0)
    grid = occupancy_grid(track, 0.2)
    between = 0.5 * (track.line_m[-1] + track.line_m[0])
    assert grid.is_on_road(between)
    assert grid.is_on_road([track.line_m[0], track.left_m[0] * 1.02, track.left_m[0] * 0.98]).tolist() == [
        True,
        True,
        False,
    ]


def test_what_is_no_grid_of_ours_is_refused(tmp_path, make_circle):
    grid = occupancy_grid(make_circle(radius=60.0), 1.0)
    write_pickled_grid(grid, tmp_path / "grid.pkl")
    for path in (tmp_path / "grid.pkl", tmp_path / "none.npz"):
        with pytest.raises(ConfigError, match="Pickles are not read"):
            load_occupancy_grid(path)
    np.savez(tmp_path / "other.npz", grid=grid.grid)
    with pytest.raises(ConfigError, match="no occupancy grid of format 1"):
        load_occupancy_grid(tmp_path / "other.npz")
    full = np.ones_like(grid.grid)
    with pytest.raises(ConfigError, match="no road in its corners"):
        OccupancyGrid(1.0, grid.min_x, grid.min_y, grid.max_x, grid.max_y, full)
    with pytest.raises(ConfigError, match="of shape"):
        OccupancyGrid(1.0, grid.min_x, grid.min_y, grid.max_x, grid.max_y, full[:-1])
    with pytest.raises(ConfigError, match=r"2\^30"):
        occupancy_grid(make_circle(radius=2000.0, half_width=12.0), 0.1)
