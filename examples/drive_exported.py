"""Drive an env with an exported policy: ONNX Runtime, NumPy and the env, neither torch nor the trainer.

    python -m examples.drive_exported outputs/latest/export/policy.onnx --episodes 3

What another program, in any language, has to do is in `OnnxDriver`: keep the last frames of the episode, carry the
state of a recurrent policy, and hand both over. `docs/export.md` says what is in the file.
"""

import argparse
import json
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from envs.factory import make_env


class OnnxDriver:
    """One policy, one env: from single observations to actions.

    Args:
        path: Of a file that `python -m experiments.export format=onnx` wrote.
    """

    def __init__(self, path: str) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.description: dict[str, Any] = json.loads(
            self._session.get_modelmeta().custom_metadata_map["policy.json"]
        )  # the env's config, the spaces of single frames, where the policy comes from
        self._num_frames = int(self.description["env"].get("frame_stack", 1))
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self._state_dim = shapes["state"][1] if "state" in shapes else 0

    def begin_episode(self) -> None:
        """Forget the frames and the state of the episode before."""
        self._frames: dict[str, list[npt.NDArray[np.uint8]]] = {}
        self._state = np.zeros((1, self._state_dim), np.float32)
        self._is_first = np.ones(1, np.bool_)

    def act(self, observation: Any) -> Any:
        """Return the action for one observation: `(A,)` in the env's own box, or the number of the one chosen."""
        if not isinstance(observation, dict):  # a bare image or vector has no name of its own
            observation = {"image" if observation.dtype == np.uint8 else "vector": observation}
        inputs = {name: self._as_input(name, part)[None] for name, part in observation.items()}
        if not self._state_dim:
            return self._session.run(["actions"], inputs)[0][0]
        inputs |= {"state": self._state, "is_first": self._is_first}
        actions, self._state = self._session.run(["actions", "next_state"], inputs)
        self._is_first = np.zeros(1, np.bool_)
        return actions[0]

    def _as_input(self, name: str, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a vector in float32, or an image's last frames as `(H, W, C * k)`, newest last."""
        if part.dtype != np.uint8:
            return part.astype(np.float32)
        before = self._frames.get(name) or [part] * self._num_frames  # an episode's first frame stands for all
        self._frames[name] = [*before[1:], part]
        return np.concatenate(self._frames[name], axis=-1)


def drive_episode(driver: OnnxDriver, env: Any, seed: int) -> tuple[float, int]:
    """Drive the episode that begins with `seed`; return the sum of rewards and the number of decisions."""
    observation, _ = env.reset(seed=seed)
    driver.begin_episode()
    episode_return, decisions, is_over = 0.0, 0, False
    while not is_over:
        observation, reward, terminated, truncated, _ = env.step(driver.act(observation))
        episode_return, decisions, is_over = episode_return + float(reward), decisions + 1, terminated or truncated
    return episode_return, decisions


def main() -> None:
    """Drive the policy's own env and print what each episode came to."""
    parser = argparse.ArgumentParser(description="Drive an env with an exported policy.")
    parser.add_argument("path", help="policy.onnx, written by python -m experiments.export format=onnx")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=10_000, help="of the first episode")
    arguments = parser.parse_args()
    driver = OnnxDriver(arguments.path)
    with closing(make_env(driver.description["env"], training=False)) as env:
        for seed in range(arguments.seed, arguments.seed + arguments.episodes):
            episode_return, decisions = drive_episode(driver, env, seed)
            print(f"seed {seed}: return {episode_return:.1f} in {decisions} decisions")


if __name__ == "__main__":
    main()
