"""Points 1 to 5: records, streams and what they can be."""

import struct

import numpy as np
import pytest

from envs.errors import ConfigError, ProtocolError
from envs.trackmania.identification import BURST, check_units, identify, speed_ratio
from envs.trackmania.layouts import CANDIDATES, IQN33, MAP25, TMRL9, TMRL11, layout_of
from envs.trackmania.records import NewestRecord, Record, RecordStream

KNOWN = [layout for layout in CANDIDATES if layout.is_known]
# Records whose known fields another layout's known fields can always be, too: nothing in the bytes tells them apart.
TWINS = {"CP19": {"OTHER19"}}
ENOUGH = 3 * BURST  # of the shortest record: the longest is 4 times as long


@pytest.mark.point("trackmania", 1)
def test_a_record_of_44_bytes_has_11_named_fields():
    data = struct.pack("<11f", 27.5, 1234.5, 496.0, 10.0, 624.0, -0.5, 1.0, 0.0, 1.0, 4.0, 9876.0)
    assert len(data) == 44 == TMRL11.num_bytes
    (record,) = RecordStream(TMRL11).feed(data, 0.0)
    names = ("speed_mps", "distance_m", "x_m", "y_m", "z_m", "steer", "gas", "brake", "finished", "gear", "rpm")
    assert [record[name] for name in names] == [27.5, 1234.5, 496.0, 10.0, 624.0, -0.5, 1.0, 0.0, 1.0, 4.0, 9876.0]
    assert record.race_time_s is None


@pytest.mark.parametrize("layout", CANDIDATES, ids=lambda layout: layout.name)
def test_one_record_is_judged_as_a_block_is(layout):
    random = np.random.default_rng(0)
    values = [0.0, 1.0, 0.5, -1.0, 2.0, 7.0, 8.0, 1e5, np.nan, np.inf, -np.inf, 0.6, 0.8]
    shares = [0.5, 0.3, 0.02, 0.02, 0.03, 0.02, 0.01, 0.01, 0.01, 0.005, 0.005, 0.035, 0.035]
    block = random.choice(values, size=(3000, layout.num_floats), p=shares)
    good = layout.fits(block)
    assert 0 < good.sum() < len(good)
    assert [layout.fits_one(tuple(record)) for record in block.tolist()] == good.tolist()


@pytest.mark.parametrize(
    ("layout", "num_bytes", "port"),
    [("TMRL11", 44, 9000), ("RACE16", 64, 9002), ("CP19", 76, 9000), ("MAP25", 100, 9000), ("IQN33", 132, 9000)],
)
def test_layouts_have_the_published_sizes_and_ports(layout, num_bytes, port):
    assert (layout_of(layout).num_bytes, layout_of(layout).port) == (num_bytes, port)


@pytest.mark.parametrize(
    ("layout", "places"),
    [
        ("RACE16", {"side_speed_mps": 1, "x_m": 3, "steer": 6, "finished": 9, "rpm": 11, "direction_x": 12}),
        ("RACE16", {"race_time_s": 15}),
        ("CP19", {"lap": 1, "speed_mps": 2, "x_m": 3, "finished": 9, "jerk": 11, "yaw_rad": 12, "gear": 18}),
        ("MAP25", {"yaw_rad": 11, "camera_x_m": 15, "acceleration": 18, "slip_front_left": 20, "crash": 24}),
        ("IQN33", {"finished": 2, "race_time_ms": 3, "x_m": 4, "velocity_x": 7, "direction_x": 10, "up_x": 13}),
        ("IQN33", {"speed_mps": 16, "gear": 18, "material_front_left": 23, "skidding_wheels": 27, "steer": 30}),
        ("IQN33", {"brake_pedal": 32}),
    ],
)
def test_fields_are_where_their_plugins_put_them(layout, places):
    assert {name: layout_of(layout).place(name) for name in places} == places


def test_a_layout_that_nobody_knows_is_refused_with_the_choices():
    for name in ("TMRL12", "OTHER19"):
        with pytest.raises(ConfigError, match=r"one of .*TMRL11.*IQN33"):
            layout_of(name)


@pytest.mark.point("trackmania", 2)
@pytest.mark.parametrize("piece", [1, 7, 44, 1024, 65536])
def test_however_a_stream_is_cut_its_records_are_the_same(piece, cars):
    data = b"".join(cars.packed(TMRL11, cars.driving(index)) for index in range(1500))
    stream = RecordStream(TMRL11)
    records = [
        record for begin in range(0, len(data), piece) for record in stream.feed(data[begin : begin + piece], 0.0)
    ]
    assert [record.number for record in records] == list(range(1500))
    assert b"".join(struct.pack("<11f", *record.values) for record in records) == data


@pytest.mark.point("trackmania", 3)
def test_the_newest_complete_record_counts_and_the_others_are_counted(cars):
    data = b"".join(cars.packed(TMRL11, cars.driving(index)) for index in range(6))
    stream, newest = RecordStream(TMRL11), NewestRecord()
    for record in stream.feed(data[: 4 * 44 + 20], 1.0):
        newest.put(record)
    assert newest.take().number == 3
    assert (newest.seen, newest.skipped) == (4, 3)
    for record in stream.feed(data[4 * 44 + 20 :], 2.0):  # the fragment of 20 bytes was kept
        newest.put(record)
    taken = newest.take()
    assert struct.pack("<11f", *taken.values) == data[-44:]
    assert (newest.seen, newest.skipped, taken.received_s) == (6, 4, 2.0)
    assert newest.take() is taken  # nothing new: the same again, and nothing is skipped by that
    assert newest.skipped == 4


def test_a_record_that_is_not_finite_replaces_nothing(cars):
    newest = NewestRecord()
    good = Record(TMRL11, struct.unpack("<11f", cars.packed(TMRL11, cars.told())), 0.0)
    assert newest.put(good)
    for broken in ({"x_m": float("nan")}, {"rpm": float("inf")}, {"gas": 1.5}, {"gear": 2.5}, {"finished": 0.5}):
        values = struct.unpack("<11f", cars.packed(TMRL11, cars.told(**broken)))
        assert not newest.put(Record(TMRL11, values, 1.0))
    assert newest.take() is good
    assert newest.unsound == 5


def stream_of(layout, cars, state):
    def values(index):
        if state == "standing":
            return cars.told()
        if state == "driving":
            return cars.driving(index)
        return cars.driving(index, finished=1.0)

    return b"".join(cars.packed(layout, values(index)) for index in range(12 * BURST))


@pytest.mark.point("trackmania", 4)
@pytest.mark.parametrize("state", ["standing", "driving", "finished"])
@pytest.mark.parametrize("layout", KNOWN, ids=lambda layout: layout.name)
def test_a_layout_is_identified_or_refused_by_name_but_never_mistaken(layout, state, cars):
    data = stream_of(layout, cars, state)
    if layout.name not in TWINS:
        assert identify(data) is layout
        return
    with pytest.raises(ProtocolError) as raised:
        identify(data)
    assert all(name in str(raised.value) for name in {layout.name} | TWINS[layout.name])
    assert identify(data, [layout]) is layout  # as configured


@pytest.mark.point("trackmania", 4)
@pytest.mark.parametrize("layout", KNOWN, ids=lambda layout: layout.name)
def test_no_other_layout_survives_a_configured_check(layout, cars):
    data = stream_of(layout, cars, "driving")
    for other in KNOWN:
        if other is layout:
            continue
        with pytest.raises(ProtocolError, match=other.name):
            identify(data, [other])


@pytest.mark.point("trackmania", 4)
def test_a_stream_that_everything_explains_is_refused_with_the_candidates(cars):
    """A car at the origin, all zeros: nothing is known."""
    with pytest.raises(ProtocolError, match=r"TMRL8, TMRL9, TMRL11.*env.layout"):
        identify(bytes(44 * 200))


@pytest.mark.point("trackmania", 5)
def test_multiples_of_11_floats_are_not_taken_for_each_other(cars):
    standing = cars.packed(IQN33, cars.told())
    assert identify(standing * 200) is IQN33
    with pytest.raises(ProtocolError, match="no records of TMRL11"):
        identify(standing * 200, [TMRL11])
    ours = cars.packed(TMRL11, cars.told())
    for times in (2, 3):  # two or three records at once, as bursts bring them
        assert identify(ours * times * 200) is TMRL11
    with pytest.raises(ProtocolError, match="no records of IQN33"):
        identify(ours * 600, [IQN33])


def test_it_takes_a_burst_to_be_sure(cars):
    data = stream_of(TMRL11, cars, "driving")
    assert identify(data[: 44 * (BURST - 1)], [TMRL11]) is None
    assert identify(data[: 44 * BURST], [TMRL11]) is TMRL11


def test_one_restart_may_fall_into_the_burst(cars):
    away = b"".join(cars.packed(TMRL11, cars.driving(500 + index)) for index in range(BURST))
    assert identify(away + stream_of(TMRL11, cars, "standing")) is TMRL11
    with pytest.raises(ProtocolError, match="the car"):
        identify((away + stream_of(TMRL11, cars, "standing")) * 2, [TMRL11])


@pytest.mark.point("trackmania", 1)
@pytest.mark.parametrize(("factor", "unit"), [(1.0, None), (3.6, "km/h"), (1000.0, "mm/s"), (2.0, "no speed")])
def test_speed_is_checked_to_be_metres_per_second(factor, unit, cars):
    records = []  # a reader that is held up gets them in bunches of 20
    for index in range(6 * 60):
        values = cars.driving(index, fps=60.0, speed=30.0) | {"speed_mps": 30.0 * factor}
        records.append(
            Record(MAP25, tuple(values.get(name, 0.0) for name in MAP25.fields), index // 20 * 20 / 60.0, index)
        )
    ratio = speed_ratio(records)
    assert ratio == pytest.approx(factor, rel=1e-3)
    if unit is None:
        check_units(MAP25, ratio)
        return
    with pytest.raises(ProtocolError, match=unit):
        check_units(MAP25, ratio)


def test_a_car_that_stands_tells_nothing_of_units(cars):
    values = tuple(cars.told()[name] for name in TMRL9.fields)
    assert speed_ratio([Record(TMRL9, values, index / 60.0, index) for index in range(600)]) is None
