"""What a step says beside its observation: the suite's names always, the bridge's own beside them."""

from typing import Any

from envs import contract
from envs.roblox.fold import Record
from envs.roblox.progress import FRAMES_PER_TICK
from envs.roblox.slot import Slot

MAX_SPEED_MPS = 31.3  # 70 mph, the car's `forwardMaxSpeed`; observations say a share of it

TICKS, OBS_AGE_MS, CAR_ID, ENV_ID, DIALECT = "ticks", "obs_age_ms", "car_id", "env_id", "dialect"
FINAL_KIND, REASON, STALE, PRE_ACTION_REWARD = "final_kind", "reason", "stale", "pre_action_reward"


def info_of(
    slot: Slot, record: Record, now_s: float, *, reconnects: int, min_ticks: int, max_speed_mps: float
) -> dict[str, Any]:
    """Return the info of a slot's last step.

    Args:
        slot: whose.
        record: what came of it.
        now_s: the world's time.
        reconnects: of the world so far.
        min_ticks: that a decision takes at least.
        max_speed_mps: what a velocity of 1 means.
    """
    is_decision = not slot.is_reset
    ticks = record.ticks if is_decision else 0
    age_s = max(now_s - record.received_s, 0.0)
    info: dict[str, Any] = {
        contract.SPEED_MPS: max_speed_mps * float(record.info.get("velocity", 0.0)),
        contract.PROGRESS: float(record.info.get("progress", 0.0)),
        contract.LAP: int(record.info.get("lap", 0)),
        contract.OFF_TRACK: False,  # walls bound the road: a car that meets one is gone
        contract.FRAMES: FRAMES_PER_TICK * ticks,
        contract.LINK_AGE_S: age_s,
        contract.LINK_SKIPPED: max(ticks - min_ticks, 0),
        contract.LINK_RECONNECTS: reconnects,
        TICKS: ticks,
        OBS_AGE_MS: 1000.0 * age_s,
        CAR_ID: slot.car.id,
        ENV_ID: slot.car.env_id,
        DIALECT: slot.game.dialect or "",
        STALE: record.ticks == 0 and not record.is_end if is_decision else record.is_end,
        PRE_ACTION_REWARD: slot.pre_action_reward,
    }
    if is_decision and "lap_time_s" in record.events:
        info[contract.LAP_TIME_S] = float(record.events["lap_time_s"])
    if record.is_end:
        ends = {FINAL_KIND: record.final_kind, REASON: record.reason}
        info.update({name: value for name, value in ends.items() if value is not None})
    if record.is_end and record.reason == "disconnect" and is_decision:
        info[contract.FAULT] = f"The game was lost: {slot.game.fault}."
    elif record.is_end and record.reason in ("stale", "absent"):
        info[contract.FAULT] = f"{slot.car.id} was not seen for long."
    return info
