"""Run with the original's own interpreter, not by pytest: its env in a twin; prints its states and observations.

python original_observations.py CLONE CONFIGS TRACK EGO_PORT MANAGEMENT_PORT WORK_FOLDER NUM_STEPS
"""

import json
import math
import sys
from pathlib import Path

import numpy as np


def plain(value):
    """Return what JSON can say of a value of a state."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def main(clone, configs, track, ego_port, management_port, work, num_steps):
    """Drive in curves, and print a line of JSON for the reset and each step."""
    sys.path.insert(0, str(next(Path(clone).rglob("AssettoCorsaEnv")).parent))
    from AssettoCorsaEnv.assettoCorsa import make_ac_env
    from omegaconf import OmegaConf

    config = OmegaConf.load(Path(clone) / "config.yml")
    changes = {
        "remote_machine_ip": "127.0.0.1",
        "ego_server_port": int(ego_port),
        "simulation_management_server_port": int(management_port),
        "vjoy_executed_by_server": True,
        "enable_out_of_track_termination": False,
        "track": track,
        "car": "dallara_f317",
    }
    config.AssettoCorsa.update(changes)
    inner = make_ac_env(cfg=config, work_dir=work, ac_configs_path=configs).unwrapped
    obs = inner.reset()
    for step in range(int(num_steps)):
        state = {key: plain(value) for key, value in inner.state.items()}
        print(json.dumps({"state": state, "obs": [float(one) for one in obs]}), flush=True)
        action = np.array([0.15 * math.sin(0.2 * step), 0.3, -1.0])
        obs, _, _, _ = inner.step(action)
    inner.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
