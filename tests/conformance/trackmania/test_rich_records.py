"""Our own layout: found again after any damage, and never believed without its checksum."""

import struct
import zlib

import pytest

from envs.errors import ProtocolError
from envs.trackmania.layouts import RICH1, layout_of
from envs.trackmania.records import Record
from envs.trackmania.rich_records import RichStream, packed


def values(cars, index):
    told = cars.driving(index)
    return tuple(struct.unpack("<f", struct.pack("<f", told.get(name, 0.0)))[0] for name in RICH1.fields)


@pytest.fixture
def data(cars):
    return [packed(values(cars, index), frame=index) for index in range(40)]


def test_a_record_is_a_header_of_32_bytes_and_30_floats(data, cars):
    assert len(data[0]) == 32 + 4 * 30
    magic, version, count, frame, race_time, _, _, checksum = struct.unpack("<4sHHIIQII", data[3][:32])
    assert (magic, version, count, frame, race_time) == (b"TMR1", 1, 30, 3, 100)  # frame 3 at 30 fps: 100 ms
    assert checksum == zlib.crc32(data[3][32:])
    assert struct.unpack("<4sHHIIQII", data[0][:32])[4] == 0xFFFFFFFF  # not started
    assert layout_of("RICH1") is RICH1


@pytest.mark.parametrize("piece", [1, 7, 152, 1024, 65536])
def test_however_it_is_cut(piece, data, cars):
    stream, whole = RichStream(), b"".join(data)
    records = [one for begin in range(0, len(whole), piece) for one in stream.feed(whole[begin : begin + piece], 0.0)]
    assert [one.number for one in records] == list(range(40))
    assert [one["rpm"] for one in records] == [8000.0 + 10.0 * index for index in range(40)]
    assert records[30].race_time_s == pytest.approx(1.0)
    assert all(one.is_sound for one in records)


def test_it_finds_the_stream_again(data):
    damaged = bytearray(data[2])
    damaged[60] ^= 1  # a bit of a float
    stream = RichStream()
    whole = data[0][100:] + data[1] + bytes(damaged) + b"TMR" + data[3] + data[4][:50] + data[5]
    assert [one["rpm"] for one in stream.feed(whole, 0.0)] == [8010.0, 8030.0, 8050.0]
    assert stream.discarded == 52 + 152 + 3 + 50


def test_another_stream_is_refused(cars):
    stream = RichStream()
    assert stream.feed(bytes(60_000), 0.0) == []
    with pytest.raises(ProtocolError, match="RICH1"):
        stream.feed(bytes(10_000), 0.0)
    assert Record(RICH1, values(cars, 3), 0.0).is_sound
