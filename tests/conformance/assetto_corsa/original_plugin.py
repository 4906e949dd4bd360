"""Run with the original's own interpreter, not by pytest: its plugin, with stand-ins for the game's modules.

python original_plugin.py CLONE EGO_PORT WORK_FOLDER TRACK TRACK_LENGTH RADIUS

Opponents' and management ports are the next two. A car goes round a circle at 20 m/s; a reset puts it back.
"""

import math
import sys
import time
import types
from pathlib import Path

SPEED_MPS = 20.0
FOURS = (
    *("SlipAngle", "SlipRatio", "Mz", "DY", "DynamicPressure", "TyreLoadedRadius", "Load", "NdSlip"),
    *("SuspensionTravel", "CamberRad", "WheelAngularSpeed", "CurrentTyresCoreTemp", "TyreRadius", "TyreSlip"),
)
WHEELS = {"FL": (0.7, 1.4), "FR": (-0.7, 1.4), "RL": (0.7, -1.4), "RR": (-0.7, -1.4)}


class Names(type):
    """A class of which every attribute is its own name."""

    def __getattr__(cls, name):
        return name


class Circle:
    """Where the car is."""

    def __init__(self, radius, track, length):
        self.radius, self.track, self.length, self.angle = radius, track, length, 0.0

    def state(self, car, key, *wheel):
        place = [self.radius * math.sin(self.angle), 0.0, self.radius * math.cos(self.angle)]
        if key == "WorldPosition":
            return place
        if key in ("TyreContactPoint", "TyreHeadingVector", "TyreContactHeading"):
            side, ahead = WHEELS.get(wheel[0] if wheel else "FL", (0.7, 1.4))
            return [side, 0.0, ahead] if key == "TyreContactPoint" else [0.0, 0.0, 1.0]
        vectors = {
            "LocalVelocity": [0.0, 0.0, SPEED_MPS],
            "LocalAngularVelocity": [0.0, SPEED_MPS / self.radius, 0.0],
            "Velocity": [SPEED_MPS * math.cos(self.angle), 0.0, -SPEED_MPS * math.sin(self.angle)],
            "AccG": [SPEED_MPS**2 / self.radius / 9.81, 0.0, 0.0],
        }
        if key in vectors:
            return vectors[key]
        if key in FOURS:
            return [0.25] * 4
        numbers = {"SpeedMS": SPEED_MPS, "SpeedKMH": 3.6 * SPEED_MPS, "Gear": 3, "RPM": 5000.0}
        if key == "NormalizedSplinePosition":
            return self.angle / (2 * math.pi) % 1.0
        return numbers.get(key, 0)


def stand_ins(circle):
    """Put modules in place of the game's."""
    ac = types.ModuleType("ac")
    nothing = lambda *_: 0  # noqa: E731
    for name in ("setSize", "log", "console", "getWindSpeed", "getWindDirection", "isCarInPitlane", "isCarInPit"):
        setattr(ac, name, nothing)
    for name in ("ext_takeAStepBack", "ext_isAltPressed", "ext_isButtonPressed"):
        setattr(ac, name, nothing)
    ac.newApp = lambda name: 1
    ac.getTrackName, ac.getTrackConfiguration = lambda car: circle.track, lambda car: ""
    ac.getTrackLength, ac.getCarsCount = lambda car: circle.length, lambda: 1
    ac.getCarName = lambda car: "dallara_f317" if car == 0 else -1
    ac.getLastSplits = lambda car: []
    ac.getCarState = circle.state
    ac.ext_resetCar = lambda *_: setattr(circle, "angle", 0.0)
    acsys = types.ModuleType("acsys")
    acsys.CS, acsys.WHEELS = Names("CS", (), {}), Names("WHEELS", (), {})
    sim_info = types.ModuleType("sim_info")

    class Physics:
        pitch = roll = 0.0
        numberOfTyresOut, autoShifterOn = 0, 1  # noqa: N815 (the game's names)

        @property
        def heading(self):
            return -(circle.angle + math.pi / 2)

    graphics = types.SimpleNamespace(
        packetId=1, iCurrentTime=1000, iLastTime=0, completedLaps=0, isInPit=0, penaltyTime=0.0
    )
    sim_info.info = types.SimpleNamespace(
        physics=Physics(), graphics=graphics, static=types.SimpleNamespace(penaltiesEnabled=1)
    )
    sys.modules.update({"ac": ac, "acsys": acsys, "sim_info": sim_info})


def main(clone, port, work, track, length, radius):
    """Be the game until the input ends."""
    plugin = next(Path(clone).rglob("sensors_par.py")).parent
    for part in ("system\\x64\\DLLs", "system\\x64\\Lib"):
        (Path(work) / part).mkdir(exist_ok=True)
    sys.executable = str(Path(work) / "acs.exe")  # beside which the plugin looks for these folders
    circle = Circle(float(radius), track, float(length))
    stand_ins(circle)
    sys.path.insert(0, str(plugin))
    from config import config

    config.vjoy_executed_by_server, config.sampling_freq, config.sampling_time = True, 100, 0.01
    config.ego_server_port, config.opponents_server_port = int(port), int(port) + 1
    config.simulation_management_server_port = int(port) + 2
    import sensors_par

    sensors_par.acMain("1.16")
    print("running", flush=True)
    due = time.perf_counter()
    while True:
        circle.angle += SPEED_MPS * 0.01 / circle.radius
        sensors_par.acUpdate(0.01)
        due += 0.01
        time.sleep(max(due - time.perf_counter(), 0.0))


if __name__ == "__main__":
    main(*sys.argv[1:])
