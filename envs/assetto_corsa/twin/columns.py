"""Columns of the twin's cars `(B, CAR_SIZE)`: the vehicle model's state, then what the game adds."""

from envs.track.bicycle import STATE_SIZE

(
    GEAR,  # 0 reverse, 1 neutral, 2 first …
    RPM,
    SHIFT_LEFT_S,  # without drive
    WHEEL_DEG,  # feedback of the controls: steering wheel, positive to the right
    THROTTLE,  # 0 … 1
    BRAKE,  # 0 … 1
    DRIVE_N,  # force of the engine at the wheels
    SEGMENT,  # of the line, where the car is
    S_M,  # along the line
    LEFT_M,  # of the line
    TYRES_OUT,  # 0 … 4
    PITCH_RAD,  # nose up
    ROLL_RAD,  # to the right: the body leans outwards in a bend to the left
    PITCH_RATE,
    ROLL_RATE,
    FRONT_C,  # core of the tyres of an axle
    REAR_C,
    LAP_BEGIN_S,  # when the running time was 0
    TRAVELLED_M,  # since then
    IS_TIMED,  # whether that was at the line or a start
    IS_INVALID,  # the running lap
    LAPS,  # completed
    LAST_LAP_S,
    BEST_LAP_S,  # 0: none
) = range(STATE_SIZE, STATE_SIZE + 24)
CAR_SIZE = STATE_SIZE + 24

# Columns of commands `(B, 3)`, -1 … 1 each; of pedals -1 is released.
STEER, ACC, BRAKING = range(3)
FIRST_GEAR, NEUTRAL, REVERSE = 2, 1, 0
