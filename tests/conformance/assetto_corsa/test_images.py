"""Pictures: shared memory by fixed size, our own worker's stream, and what is said where there is none."""

import socket
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.assetto_corsa.capture_server import CaptureServer
from envs.assetto_corsa.frame_stream import FrameStream, SentFrame
from envs.assetto_corsa.images import ImageScaler
from envs.assetto_corsa.network_images import NetworkImages
from envs.assetto_corsa.shared_memory import SharedMemoryImages
from envs.errors import ProtocolError, SimulatorUnavailable


def memory(index, first, second):
    return bytearray(struct.pack("<I", index) + first.tobytes() + second.tobytes())


@pytest.fixture
def pictures():
    """Return a gray picture of 320 x 240, and one that is black to its last pixel."""
    return np.arange(320 * 240, dtype=np.uint8).reshape(240, 320, 1), np.zeros((240, 320, 1), np.uint8)


@pytest.mark.point("assetto_corsa", 54)
def test_a_black_picture_is_returned_whole(pictures):
    gray, black = pictures
    data = memory(0, gray, black)
    assert len(data) == 153604  # 320 x 240 in gray, as the original's
    names = []
    images = SharedMemoryImages(320, 240, "gray", open_memory=lambda name, size: names.append((name, size)) or data)
    assert names == [(r"Local\DualBufferImage", 153604)]
    np.testing.assert_array_equal(images.newest(0).image, gray)
    data[0] = 1
    frame = images.newest(0)
    np.testing.assert_array_equal(frame.image, black)
    assert (frame.number, frame.steps, frame.age_s) == (None, None, None)  # this memory does not tell


@pytest.mark.point("assetto_corsa", 54)
def test_a_missing_writer_and_another_size_are_told(pictures):
    with pytest.raises(SimulatorUnavailable, match=r"Windows|writes"):
        SharedMemoryImages(320, 240, "gray")
    gray, black = pictures
    with pytest.raises(ProtocolError, match=r"460804 bytes .* got 153604"):
        SharedMemoryImages(320, 240, "bgr", open_memory=lambda name, size: memory(0, gray, black))
    images = SharedMemoryImages(320, 240, "gray", open_memory=lambda name, size: memory(7, gray, black))
    with pytest.raises(ProtocolError, match="0 or 1"):
        images.newest(0)


def frames(count):
    return [
        SentFrame(np.full((4, 6, 3), index, np.uint8), index, -1 if index == 0 else 10 + index, 0.5 * index)
        for index in range(count)
    ]


@given(st.lists(st.integers(1, 60), max_size=30))
def test_frames_come_whole_out_of_any_pieces(sizes):
    data = b"".join(frame.encoded() for frame in frames(4))
    stream = FrameStream()
    for size in [*sizes, len(data)]:
        stream.feed(data[:size])
        data = data[size:]
    assert stream.frames == 4
    assert (stream.newest.number, stream.newest.steps, stream.newest.timestamp_s) == (3, 13, 1.5)
    assert (stream.newest.image == 3).all()


@pytest.mark.parametrize("place", [0, 4, 5, 6, 32])
def test_a_stream_of_something_else_is_refused(place):
    data = bytearray(frames(1)[0].encoded())
    data[place] ^= 0xFF
    with pytest.raises(ProtocolError):
        FrameStream().feed(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_protocol_error(data):
    stream = FrameStream()
    try:
        stream.feed(data)
    except ProtocolError:
        return
    assert stream.newest is None


def test_a_workers_newest_frame_is_at_hand_and_its_age_told(eventually):
    server = socket.create_server(("127.0.0.1", 0))
    images = NetworkImages(*server.getsockname(), wait_s=2.0)
    connection, _ = server.accept()
    for frame in frames(3):
        connection.sendall(frame.encoded())
    eventually(lambda: images.newest(0).number == 2)
    frame = images.newest(0)
    assert (frame.steps, frame.timestamp_s) == (12, 1.0)
    assert 0.0 <= frame.age_s < 2.0
    first = images.newest(0).age_s
    assert images.newest(0).age_s >= first
    connection.close()  # and it comes back by itself
    connection, _ = server.accept()
    connection.sendall(frames(5)[4].encoded())
    eventually(lambda: images.newest(0).number == 4)
    images.close()
    connection.close()
    server.close()


def test_a_worker_that_is_not_there_or_sends_something_else_is_told():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    images = NetworkImages(*address, wait_s=0.3)
    with pytest.raises(SimulatorUnavailable, match=r"cannot be reached.*envs.assetto_corsa.capture"):
        images.newest(0)
    images.close()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def nonsense():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"GET / HTTP/1.1\r\n" * 10)
                time.sleep(0.5)

        threading.Thread(target=nonsense, daemon=True).start()
        images = NetworkImages(*server.getsockname(), wait_s=0.3)
        with pytest.raises(SimulatorUnavailable, match="something else"):
            images.newest(0)
        images.close()


def test_a_worker_sends_what_it_grabs_with_the_steps_that_it_was_told(eventually):
    grabbed = []

    def grab():
        if len(grabbed) == 1:
            grabbed.append(None)
            raise SimulatorUnavailable("the window is minimised")
        grabbed.append(1)
        return np.full((4, 6, 1), len(grabbed) % 256, np.uint8)

    server = CaptureServer(grab, port=0, rate_hz=500.0)
    images, other = NetworkImages(*server.address), NetworkImages(*server.address)
    assert images.newest(41).image.shape == (4, 6, 1)
    eventually(lambda: images.newest(41).steps == 41)
    eventually(lambda: images.newest(42).number > 1)
    frame = images.newest(42)
    assert frame.image[0, 0, 0] == (frame.number + 1) % 256  # the one that failed has no number
    eventually(lambda: other.newest(7).steps == 7)  # each client's own
    for one in (images, other, server):
        one.close()


@pytest.mark.slow
def test_the_capture_command_says_what_is_missing(root):
    words = [sys.executable, "-m", "envs.assetto_corsa.capture", "port=0", "seconds=1"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Pictures of 'Assetto Corsa' at 127.0.0.1:" in done.stdout
    words[-1] = "widths=3"
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "width" in done.stderr


def test_pictures_are_scaled_and_coloured():
    blue = np.zeros((24, 32, 3), np.uint8)
    blue[:, :, 0] = 200
    assert ImageScaler(8, grayscale=False).of(blue)[0, 0].tolist() == [0, 0, 200]  # red first
    assert ImageScaler(8, grayscale=True).of(blue)[0, 0].tolist() == [23]  # luma: 0.114 of blue
    gray = np.full((24, 32, 1), 77, np.uint8)
    assert ImageScaler(8, grayscale=False).of(gray)[3, 3].tolist() == [77, 77, 77]
    assert ImageScaler(16, grayscale=True).of(gray).shape == (16, 16, 1)


def test_pictures_are_a_part_of_the_observation(lockstep):
    env = lockstep(obs="acgym_image", image_size=32, grayscale=False, image={"color_mode": "bgr"})
    observation, info = env.reset()
    assert observation["image"].shape == (32, 32, 3)
    assert observation["image"].std() > 5.0  # a road, grass and sky
    assert observation["vector"].shape == (125,)
    assert info["image_steps"] == info["steps"]
    shown = lockstep(render_mode="rgb_array")
    assert shown.render() is None
    shown.reset()
    assert shown.render().shape == (240, 320, 3)
    assert shown.observation_space.shape == (125,)


def test_a_game_without_its_pictures_says_so_and_is_left_safe(connect_env, plugin, eventually):
    env = connect_env(obs="acgym_image", image={"port": 9, "wait_s": 0.1})
    with pytest.raises(SimulatorUnavailable, match="capture worker"):
        env.reset()
    eventually(lambda: plugin.datagrams[-1] == b"disconnect")
