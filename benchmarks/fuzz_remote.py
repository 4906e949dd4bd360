"""`python -m benchmarks.fuzz_remote --seconds 3600`: coverage-guided fuzzing of both ends of the socket protocol.

Half of the inputs are what a client says to a server, half what a server says to an env; `fuzz_targets.py` says what
must hold. An input that breaks it is written to `--folder` and ends the run with an error. Linux and macOS, needs
atheris: `pip install atheris`.
"""

import argparse
import json
import logging
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["envs.remote"]):
    from benchmarks.fuzz_targets import ClientTarget, ServerTarget, hurry

SEEDS = [
    b's{"type": "HELLO", "protocol": 2, "mode": "lockstep", "games": 1}\n{"type": "RESET", "seed": 3}\n'
    b'{"type": "STEP", "action": [0.5, 1], "repeat": 4, "req": 1}\n{"type": "PING", "t": 1.5}',
    b's{"type": "SET_ACTION", "game_id": 0, "action": {"steer": 0.1}}\n{"type": "GET_STATE"}\n{"type": "CLOSE"}',
    b's{"type": "HELLO", "protocol": 2}\n{"type": "CONFIG", "frame": "gray", "size": [9, 9], "encoding": "bin"}\n'
    b'{"type": "RESET_BATCH", "resets": {"0": {"seed": 1}}}\n{"type": "STEP_BATCH", "actions": {"1": {}}, "repeat": 3}',
    b's{"type": "HELLO", "protocol": 2, "mode": "free"}\n{"type": "CONFIG", "obs": true, "codec": "png"}\n'
    b'{"type": "GET_STATE", "wait_ticks": 2, "timeout_ms": 5}',
]


def server_says(target: ClientTarget) -> list[bytes]:
    """Return what servers say to an env that resets and steps: the beginning of most inputs worth trying."""
    state = {"game_id": 0, "reward": 0.5, "done": False, "terminated": False, "truncated": False, "tick": 0, "ticks": 0}
    arrays = {"image": [8, 8, 1], "vector": [3]}
    dtypes = {"image": "uint8", "vector": "float32"}
    sizes = {"image": 64, "vector": 12}
    obs = {n: {"dtype": dtypes[n], "shape": arrays[n], "codec": "raw", "bytes": sizes[n]} for n in arrays}
    full = state | {"telemetry": {}, "info": {"frames": 1}, "reset": True, "obs": obs, "age_s": 0.1, "ends_dropped": 0}
    lines = []
    for number, changes in ((4, {}), (5, {"reset": False, "tick": 1, "ticks": 1})):
        fields = {"type": "STATES", "states": [full | changes], "errors": {}, "req": number}
        lines.append(json.dumps(fields).encode() + b"\n" + bytes(76))
    error = {"type": "STATES", "states": [], "errors": {"0": {"code": "env_error", "message": "broken"}}, "req": 4}
    return [b"c" + b"".join(lines), b"c!" + target.greeting + lines[0], b"c" + json.dumps(error).encode() + b"\n"]


def main() -> None:
    """Fuzz for a while."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--folder", type=Path, default=Path("outputs/fuzz"))
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    hurry()
    server, client = ServerTarget(), ClientTarget()
    corpus = chosen.folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate([*SEEDS, *server_says(client)]):
        (corpus / f"seed_{index}").write_bytes(seed)

    def one(data: bytes) -> None:
        began = time.monotonic()
        (client if data[:1] == b"c" else server)(data[1:])
        assert time.monotonic() - began < 5.0, "it took too long"

    options = [f"-max_total_time={chosen.seconds}", "-max_len=8192", "-rss_limit_mb=2048", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(corpus), *options, f"-artifact_prefix={chosen.folder}/"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
