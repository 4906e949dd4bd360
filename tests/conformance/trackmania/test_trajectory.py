"""Points 21 and 22: reward files are read, and nothing in them is ever executed."""

import io
import os
import pickle
import pickletools

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.pickled_array import read_pickled_array
from envs.trackmania.trajectory import Trajectory, load_trajectory, resampled

POINTS = np.stack([np.arange(200) * 0.1, np.full(200, 10.0), np.linspace(0.0, 1.0, 200)], axis=1)


def without_frames(data):
    """Drop the optional framing, so that names may change their length."""
    cuts = [position for opcode, _, position in pickletools.genops(data) if opcode.name == "FRAME"]
    for position in reversed(cuts):
        data = data[:position] + data[position + 9 :]
    return data


def as_numpy(data, major):
    """Return the pickle as NumPy 1 or 2 writes it: their modules are called differently."""
    other, own = ("numpy._core", "numpy.core") if major == 1 else ("numpy.core", "numpy._core")
    data = without_frames(data)
    for module in ("multiarray", "numeric"):
        old, new = f"{other}.{module}".encode(), f"{own}.{module}".encode()
        data = data.replace(b"\x8c" + bytes([len(old)]) + old, b"\x8c" + bytes([len(new)]) + new)  # protocols 4, 5
        data = data.replace(b"c" + old + b"\n", b"c" + new + b"\n")  # protocol 3
    return data


@pytest.mark.point("trackmania", 21)
@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("major", [1, 2])
@pytest.mark.parametrize("number", ["f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_all_origins_are_read(protocol, major, number, order, tmp_path):
    array = np.array(POINTS, number, order=order)
    data = as_numpy(pickle.dumps(array, protocol), major)
    assert (b"numpy._core" in data) == (major == 2)
    read = read_pickled_array(data)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)
    path = tmp_path / "reward.pkl"
    path.write_bytes(data)
    trajectory = load_trajectory(path)
    np.testing.assert_array_equal(trajectory.points, array.astype(np.float64))
    assert "reward.pkl sha256:" in trajectory.source


@pytest.mark.point("trackmania", 21)
def test_a_read_only_array_of_protocol_5_is_read():
    array = POINTS.copy()
    array.setflags(write=False)
    np.testing.assert_array_equal(read_pickled_array(pickle.dumps(array, 5)), array)


class Canary:
    """Sings if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


class Hidden:
    """Takes an allowed name's place in a call of an allowed one."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (np.dtype, (Canary(self.path),))


@pytest.mark.point("trackmania", 22)
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_is_executed(protocol, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "reward.pkl"
    for content in (
        Canary(canary),
        Hidden(canary),
        [POINTS, Canary(canary)],
        {"points": POINTS, "more": Hidden(canary)},
    ):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(ConfigError, match=r"no reward file.*Nothing of it was executed"):
            load_trajectory(path)
        assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary), protocol))  # the bird is alive
    assert canary.exists()


@pytest.mark.point("trackmania", 22)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps(POINTS, 2), "protocol 2"),
        (pickle.dumps(POINTS.tolist(), 4), "EMPTY_LIST"),
        (pickle.dumps(np.array([object()] * 3).reshape(1, 3), 4), "EMPTY_LIST|neither"),
        (pickle.dumps(POINTS[:, :2].copy(), 4), r"expected \(N, 3\)"),
        (pickle.dumps(POINTS.astype(">f8"), 4), "byte order"),
        (pickle.dumps(POINTS.astype(np.int64), 4), "neither f4 nor f8"),
        (pickle.dumps(POINTS, 4).replace(b"K\x03\x86", b"K\x04\x86", 1), "shape|payload"),
        (pickle.dumps(POINTS, 4)[:-200], "expected"),
        (b"", "."),
        (b"\x80\x04.", "several values"),
        (b"\x80\x04)R.", "do not fit"),
        (b"\x80\x04h\x00.", "has not made"),
        (b"not a pickle at all", "instruction|opcode"),
    ],
)
def test_what_is_no_array_is_refused(data, message, tmp_path):
    path = tmp_path / "reward.pkl"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load_trajectory(path)


@pytest.mark.point("trackmania", 22)
def test_a_payload_of_another_length_is_refused():
    data = without_frames(pickle.dumps(POINTS, 4))
    shorter = data.replace(bytes([ord("K"), 200]), bytes([ord("K"), 199]))  # N of the shape (200, 3)
    assert shorter != data
    with pytest.raises(ValueError, match="4800 bytes, expected 4776"):
        read_pickled_array(shorter)


@pytest.mark.point("trackmania", 22)
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.where(np.arange(200)[:, None] == 50, np.nan, POINTS), "point 50 is not finite"),
        (POINTS[:2], "2 points.*finish of the race before"),
        (POINTS[:99], "at least 100"),
        (POINTS * 10.0, "apart"),
        (POINTS * 0.1, "apart"),
    ],
)
def test_points_that_are_no_drive_are_refused(points, message, tmp_path):
    path = tmp_path / "reward.pkl"
    path.write_bytes(pickle.dumps(points, 4))
    with pytest.raises(ConfigError, match=message):
        load_trajectory(path)


@pytest.mark.point("trackmania", 22)
def test_a_file_of_65_mib_is_not_even_opened(tmp_path):
    path = tmp_path / "reward.pkl"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ConfigError, match="65 MiB"):
        load_trajectory(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"envs\.record"):
        load_trajectory(tmp_path / "none.pkl")


def test_our_own_files_keep_everything(tmp_path):
    path = tmp_path / "line.npz"
    one = Trajectory(POINTS, map_uid="abc", source="by hand")
    one.save(path)
    other = load_trajectory(path)
    np.testing.assert_array_equal(other.points, POINTS)
    assert (other.map_uid, other.source, other.digest) == ("abc", "by hand", one.digest)
    np.savez(path, points=POINTS)
    with pytest.raises(ConfigError, match="no trajectory of format"):
        load_trajectory(path)
    buffer = io.BytesIO()
    np.savez(buffer, head=np.array([{}], dtype=object), points=POINTS)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ConfigError, match="no trajectory of format"):
        load_trajectory(path)


def test_files_of_ours_that_were_changed_are_refused(tmp_path):
    path = tmp_path / "line.npz"
    Trajectory(POINTS).save(path)
    with np.load(path) as archive:
        head = archive["head"]
    np.savez(path, head=head, points=POINTS + 1.0)
    with pytest.raises(ConfigError, match="the file was changed"):
        load_trajectory(path)
    np.savez(path, head=head, points=np.full(POINTS.shape, "far"))
    with pytest.raises(ConfigError, match="type <U3, expected numbers"):
        load_trajectory(path)


def test_a_drive_is_resampled_every_10_cm():
    raw = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [3.0, 4.0, 0.0], [3.0, 4.0, 0.37]])  # 5.37 m, standing at first
    points = resampled(raw)
    assert len(points) == 54  # 0 … 5.3; the last 7 cm are dropped
    np.testing.assert_allclose(points[25], [1.5, 2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(points[53], [3.0, 4.0, 0.3], atol=1e-12)
