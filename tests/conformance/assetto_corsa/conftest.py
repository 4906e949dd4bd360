"""A plugin by hand: its two ports, written from the protocol's description alone, and every datagram in order."""

import json
import select
import socket
import threading
import time

import numpy as np
import pytest

from envs.assetto_corsa import ego_client
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.files import pickled_grid_name, save_ac_track
from envs.assetto_corsa.tracks.occupancy import occupancy_grid
from envs.assetto_corsa.tracks.pickled_grid import write_pickled_grid

RADIUS_M, ROWS = 200.0, 1000

_KEYS = """
steps timestamp_ac total_errors_out_of_sync packetId currentTime world_position_x world_position_y world_position_z
speed local_velocity_x local_velocity_y local_velocity_z accelX accelY accStatus brakeStatus actualGear RPM steerAngle
yaw pitch roll LastFF NormalizedSplinePosition LapCount BestLap iLastTime completedLaps numberOfTyresOut LapInvalidated
isInPit penaltyTime angular_velocity_x angular_velocity_y angular_velocity_z velocity_x velocity_y velocity_z cgHeight
SlipAngle_fl SlipAngle_fr SlipAngle_rl SlipAngle_rr tyreContactHeading_FL_x tyreContactHeading_FL_y
tyreContactHeading_FL_z tyreContactHeading_FR_x tyreContactHeading_FR_y tyreContactHeading_FR_z tyreContactHeading_RL_x
tyreContactHeading_RL_y tyreContactHeading_RL_z tyreContactHeading_RR_x tyreContactHeading_RR_y tyreContactHeading_RR_z
tyre_slip_ratio_fl tyre_slip_ratio_fr tyre_slip_ratio_rl tyre_slip_ratio_rr Dy_fl Dy_fr Dy_rl Dy_rr Mz dynamic_pressure
tyre_loaded_radius tyres_load NdSlip SuspensionTravel CamberRad wheel_speed_fl wheel_speed_fr wheel_speed_rl
wheel_speed_rr fl_tire_temperature_core fr_tire_temperature_core rl_tire_temperature_core rr_tire_temperature_core
fl_damper_linear_potentiometer fr_damper_linear_potentiometer rl_damper_linear_potentiometer
rr_damper_linear_potentiometer fl_wheel_load fr_wheel_load rl_wheel_load rr_wheel_load fl_tire_pressure fr_tire_pressure
rl_tire_pressure rr_tire_pressure
"""
_INTEGERS = """steps total_errors_out_of_sync packetId currentTime actualGear LapCount BestLap iLastTime completedLaps
numberOfTyresOut LapInvalidated isInPit"""
_FOURS = "Mz dynamic_pressure tyre_loaded_radius tyres_load NdSlip SuspensionTravel CamberRad"
KEYS, INTEGERS, FOURS = _KEYS.split(), _INTEGERS.split(), _FOURS.split()


def told(steps=1, **fields):
    """Return a state: a car on +x of the circle, heading along it, at 20 m/s; `fields` differ."""
    state = {key: 0 if key in INTEGERS else [0.25] * 4 if key in FOURS else 0.0 for key in KEYS}
    state |= {"steps": steps, "timestamp_ac": 100.0 + 0.04 * steps, "world_position_x": RADIUS_M, "speed": 20.0}
    return state | {"yaw": np.pi / 2, "actualGear": 2, "RPM": 5000.0} | fields


def circle(radius_m=RADIUS_M, half_width_m=6.0, rows=ROWS, name="ring"):
    """Return an anticlockwise circle around the origin, row 0 on +x."""
    angles = 2 * np.pi * np.arange(rows) / rows
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    length = float(2 * rows * radius_m * np.sin(np.pi / rows))
    left, right = (radius_m - half_width_m) * unit, (radius_m + half_width_m) * unit
    return AcTrack(name, "", left, right, radius_m * unit, None, None, length)


STATIC = {
    **{"TrackName": "ring", "TrackConfiguration": "", "TrackLength": circle().length_m, "CarName": "dallara_f317"},
    **{"autoShifterOn": 1, "penaltiesEnabled": 1, "WorldPosition": [0.0, 0.0, 200.0]},
}
CONFIG = {
    **{"sampling_freq": 100, "ego_sampling_freq": 25, "vjoy_executed_by_server": True, "color_mode": "gray"},
    **{"screen_capture_enable": False, "final_image_width": 320, "final_image_height": 240},
}


class ScriptedPlugin:
    """A plugin that answers as it is told to, one state for each control.

    Attributes:
        heard: everything that came, oldest first: datagrams as bytes, commands as text.
        times: when it came.
        answers: how many `connect` are answered; the first ones are not.
        deaf: `connect` that are not answered before that.
        burst: states for each control.
        state: makes a state from its number.
        extra: datagrams that are sent before the next state, each once.
        silent: no states come.
    """

    def __init__(self):
        self.heard, self.times, self.senders = [], [], []
        self.deaf, self.burst, self.silent, self.first = 0, 1, False, True
        self.state, self.extra, self.steps = told, [], 0
        self.static, self.config, self.track_info = dict(STATIC), dict(CONFIG), {}
        self.on_control, self.on_reset = lambda control: None, lambda: None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:  # management is two ports above
            self.socket.bind(("127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]
            try:
                self.server = socket.create_server(("127.0.0.1", self.port + 2))
                break
            except OSError:
                self.socket.close()
                self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.host = f"127.0.0.1:{self.port}"
        self.has_ended = threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._hear, self._manage)]
        for thread in self.threads:
            thread.start()

    @property
    def controls(self):
        """The control objects so far."""
        return [json.loads(one) for one in self.datagrams if one.startswith(b"{")]

    @property
    def datagrams(self):
        return [one for one in self.heard if isinstance(one, bytes)]

    def note(self, what):
        self.heard.append(what)
        self.times.append(time.monotonic())

    def send(self, data):
        self.socket.sendto(data if isinstance(data, bytes) else json.dumps(data).encode(), self.client)

    def send_state(self, **fields):
        self.steps += 1
        self.send(self.state(self.steps, **fields))

    def close(self):
        self.has_ended.set()
        for thread in self.threads:
            thread.join(2.0)
        self.socket.close()
        self.server.close()

    def _hear(self):
        while not self.has_ended.is_set():
            if not select.select([self.socket], [], [], 0.02)[0]:
                continue
            data, sender = self.socket.recvfrom(1 << 16)
            self.note(data)
            if data == b"connect":
                if self.deaf > 0:
                    self.deaf -= 1
                    continue
                self.client, self.steps = sender, 0
                self.send(b"identified")
                if self.first:
                    self.send_state()
            elif data.startswith(b"{"):
                self.on_control(json.loads(data))
                while self.extra:
                    self.send(self.extra.pop(0))
                for _ in range(0 if self.silent else self.burst):
                    self.send_state()

    def _manage(self):
        self.server.settimeout(0.02)
        while not self.has_ended.is_set():
            try:
                connection, _ = self.server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(2.0)
                command = connection.recv(1024).decode()
                self.note(command)
                if command == "reset":
                    self.on_reset()
                reply = {
                    "get_static_info": json.dumps(self.static),
                    "get_config": repr(self.config),
                    "get_track_info": json.dumps(self.track_info),
                }.get(command)
                if reply is not None:
                    connection.sendall(reply.encode())
                connection.recv(1)  # the plugin never closes first


class FakeTime:
    """A clock on which waits for datagrams that do not come take no time."""

    def __init__(self):
        self.now_s = 1000.0

    def now(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds

    def wait(self, heard, seconds):
        if not select.select([heard], [], [], 0.05)[0]:
            self.now_s += seconds


@pytest.fixture
def plugin():
    """Return a plugin at free ports."""
    one = ScriptedPlugin()
    yield one
    one.close()


@pytest.fixture
def plugins():
    """Return a function that starts so many plugins."""
    started = []

    def start(count):
        started.extend(ScriptedPlugin() for _ in range(count))
        return started

    yield start
    for one in started:
        one.close()


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def make_state():
    return told


@pytest.fixture(scope="session")
def ring():
    return circle()


@pytest.fixture(scope="session")
def make_circle():
    return circle


@pytest.fixture(scope="session")
def ring_folder(tmp_path_factory, ring):
    """Return a configuration folder with the circle."""
    folder = tmp_path_factory.mktemp("ring")
    save_ac_track(ring, folder)
    return str(folder)


@pytest.fixture(scope="session")
def save_originals_folder():
    """Return a function that writes a track and a car, all of it ours, in the original's format."""

    def save(track, folder, *grid):
        save_ac_track(track, folder)
        write_pickled_grid(occupancy_grid(track, *grid), folder / "tracks" / pickled_grid_name(track.full_name))
        car = folder / "cars" / "dallara_f317"
        car.mkdir(parents=True)
        (car / "steer_map.csv").write_text("x_points,y_points\n-0.5341796875,-240\n0.5341796875,240\n")
        brakes = [f"{x / 10 - 1},{(x / 20) ** 2.4}" for x in range(21)]
        (car / "brake_map.csv").write_text("\n".join(["x_points,y_points", *brakes]) + "\n")

    return save


@pytest.fixture
def quick(monkeypatch):
    """Let `connect` be repeated soon: plugins of tests do not mind."""
    monkeypatch.setattr(ego_client, "LEAST_APART_S", 0.01)


@pytest.fixture
def connect_env(plugin, ring_folder, quick):
    """Return a function that makes an env for the plugin by hand, which has not been reset."""
    from envs.assetto_corsa.env import AssettoCorsaEnv

    made = []

    def make(**arguments):
        chosen = {"hosts": plugin.host, "track": ring_folder, "reset_wait_s": 0.0, "measure_rate": False}
        made.append(AssettoCorsaEnv(**chosen | {"state_timeout_s": 2.0} | arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture
def lockstep(ring):
    """Return a function that makes an env whose twin is in lock-step, on the circle."""
    from envs.assetto_corsa.env import AssettoCorsaEnv

    made = []

    def make(**arguments):
        game = {"track": ring} | arguments.pop("twin_game", {})
        made.append(AssettoCorsaEnv(**{"twin": "lockstep", "twin_game": game} | arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()
