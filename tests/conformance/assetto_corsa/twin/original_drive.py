"""Run with the original's own interpreter, not by pytest: two episodes of its env; prints a line of JSON each.

python original_drive.py CLONE CONFIGS TRACK EGO_PORT MANAGEMENT_PORT WORK_FOLDER
"""

import json
import sys
import time
from pathlib import Path


def main(clone, configs, track, ego_port, management_port, work):
    """Drive, and print what was seen."""
    sys.path.insert(0, str(next(Path(clone).rglob("AssettoCorsaEnv")).parent))
    from AssettoCorsaEnv.assettoCorsa import make_ac_env
    from omegaconf import OmegaConf

    config = OmegaConf.load(Path(clone) / "config.yml")
    changes = {
        "remote_machine_ip": "127.0.0.1",
        "ego_server_port": int(ego_port),
        "simulation_management_server_port": int(management_port),
        "vjoy_executed_by_server": True,
        "track": track,
        "car": "dallara_f317",
    }
    config.AssettoCorsa.update(changes)
    env = make_ac_env(cfg=config, work_dir=work, ac_configs_path=configs)
    inner = env.unwrapped
    for _ in range(2):
        obs = inner.reset()
        began_s = time.perf_counter()
        for _ in range(100):
            obs, reward, done, _ = inner.step(inner.action_space.sample() * 0 + [0.0, 0.3, -1.0])
            assert not done
        told = {"size": len(obs), "steps": inner.state["steps"], "reward": float(reward)}
        told |= {"out_of_sync": inner.state["total_errors_out_of_sync"], "speed": inner.state["speed"]}
        print(json.dumps(told | {"rate": 100 / (time.perf_counter() - began_s)}), flush=True)
    inner.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
