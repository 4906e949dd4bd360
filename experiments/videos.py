"""Videos of driven episodes: what a person sees beside what the policy sees, as H.264 that every browser plays."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from envs.contract import SPEED_MPS
from envs.errors import ConfigError
from envs.factory import make_env
from experiments.drive import Episode, Policy, drive_episode
from experiments.racing_lines import Trace

logger = logging.getLogger(__name__)

Picture = npt.NDArray[np.uint8]  # (H, W, 3), RGB

_MIN_HEIGHT, _MAX_HEIGHT = 400, 720  # pixels of the picture that a person sees
_CAPTION_HEIGHT = 32
_GAP = 8
_DARK = (24, 28, 33)
_LIGHT = (232, 236, 240)
_HOLD_S = 1.0  # the last picture stays, so that the final return can be read


def record_episode(
    policy: Policy,
    env_config: Mapping[str, Any],
    seed: int,
    path: Path,
    *,
    fps: float | None = None,
    batch: int = 1,
    trace: Trace | None = None,
) -> Episode:
    """Drive the episode of `seed` and write it to `path`, one picture a decision.

    Left is the env's own `rgb_array` picture, right the policy's stacked image: the newest frame large, the older
    ones small beneath it, oldest first. A policy without eyes leaves the left alone.

    Args:
        policy: is started afresh.
        env_config: as for `make_env`.
        seed: of the reset.
        path: of an mp4; appears when it is complete.
        fps: decisions a second; default real time, from the env's `render_fps` and `action_repeat`.
        batch: as for `drive_episode`.
        trace: gets where the episode leads.

    Raises:
        ConfigError: real time is asked for but the env does not say its rate, or the env draws no pictures.
    """
    unfinished = path.with_name(f".{path.name}")
    with closing(make_env(env_config, training=False, render_mode="rgb_array")) as env:
        rate = _real_time_fps(env, env_config) if fps is None else fps
        film = _Film(unfinished, rate, num_frames=int(env_config.get("frame_stack", 1)))

        def shoot(episode: Episode, info: Mapping[str, Any]) -> None:
            film.add(_render(env), policy.view(), _caption(episode, info))
            if trace is not None:
                trace.add(env, info)

        try:
            episode = drive_episode(policy, env, seed, on_step=shoot, batch=batch)
            film.add(_render(env), policy.view(), _closing_caption(episode), times=max(1, round(_HOLD_S * rate)))
            film.close()
            unfinished.replace(path)
        finally:
            film.close()
            unfinished.unlink(missing_ok=True)
    return episode


class Filmed(NamedTuple):
    """An episode that was driven once more, its video, and where it led."""

    episode: Episode
    video: Path
    trace: Trace


def record_best_median_worst(
    policy: Policy, env_config: Mapping[str, Any], episodes: Sequence[Episode], folder: Path
) -> dict[str, Filmed]:
    """Drive the best, the worst and the (lower) median episode once more and film them.

    Args:
        policy: the one that drove `episodes`.
        env_config: the one they were driven in.
        episodes: at least one; fewer than three give fewer videos, none twice.
        folder: gets `best_seed10042.mp4` and so on; is made if need be.

    Returns:
        `best`, `worst`, `median` -> the film.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranked = sorted(episodes, key=lambda episode: episode.episode_return)
    picks = {"best": ranked[-1], "worst": ranked[0], "median": ranked[(len(ranked) - 1) // 2]}
    films: dict[str, Filmed] = {}
    filmed: list[Episode] = []
    for name, driven in picks.items():
        if driven in filmed:
            continue
        path, trace = folder / f"{name}_seed{driven.seed}.mp4", Trace()
        again = record_episode(policy, env_config, driven.seed, path, batch=driven.batch, trace=trace)
        if abs(again.episode_return - driven.episode_return) > 1e-3:
            logger.warning(
                "The video of seed %d shows a return of %.1f, the evaluation had %.1f: env or policy do not repeat "
                "themselves exactly.",
                driven.seed,
                again.episode_return,
                driven.episode_return,
            )
        filmed.append(driven)
        films[name] = Filmed(again, path, trace)
    return films


def _real_time_fps(env: gym.Env, env_config: Mapping[str, Any]) -> float:
    render_fps = (env.metadata or {}).get("render_fps")
    if not render_fps:
        raise ConfigError(
            f"A video in real time needs metadata['render_fps'] of {env_config.get('_target_', env)}, which has none. "
            "Give the env its frames a second, or pass fps."
        )
    repeat: Any = env_config.get("action_repeat") or getattr(env.unwrapped, "action_repeat", 1)
    return float(render_fps) / int(repeat)


def _render(env: gym.Env) -> Picture:
    picture: Any = env.render()
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        came = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ConfigError(
            f"A video needs (H, W, 3) uint8 pictures from {env.unwrapped}.render() in render_mode 'rgb_array', not "
            f"{came}. Record another env, or evaluate with video=false."
        )
    return picture


def _caption(episode: Episode, info: Mapping[str, Any]) -> str:
    caption = f"seed {episode.seed}    return {episode.episode_return:6.1f}"
    return f"{caption}    {info[SPEED_MPS] * 3.6:3.0f} km/h"


def _closing_caption(episode: Episode) -> str:
    ending = f"lap {episode.lap_time_s:.2f} s" if episode.finished else "no lap finished"
    return f"seed {episode.seed}    return {episode.episode_return:6.1f}    {ending}"


def open_mp4(path: Path, size: tuple[int, int], fps: float) -> Generator[None, Any, None]:
    """Begin an mp4 that every browser plays, and return what takes its pictures (`send`); `close` completes it.

    Args:
        path: of the file.
        size: width and height, even.
        fps: pictures a second.
    """
    writer: Generator[None, Any, None] = imageio_ffmpeg.write_frames(
        str(path),
        size,
        fps=fps,
        codec="libx264",
        pix_fmt_out="yuv420p",  # the one format that all browsers play
        macro_block_size=2,
        quality=7,
        output_params=["-movflags", "+faststart"],
    )
    writer.send(None)
    return writer


class _Film:
    """An mp4 in the making; its size is settled by the first picture."""

    def __init__(self, path: Path, fps: float, *, num_frames: int) -> None:
        self._path = path
        self._fps = fps
        self._num_frames = num_frames
        self._writer: Generator[None, Any, None] | None = None

    def add(self, picture: Picture, view: npt.NDArray[np.uint8] | None, caption: str, *, times: int = 1) -> None:
        """Append a picture, so many times."""
        image = compose(picture, view, caption, num_frames=self._num_frames)
        if self._writer is None:
            self._writer = open_mp4(self._path, (image.shape[1], image.shape[0]), self._fps)
        for _ in range(times):
            self._writer.send(np.ascontiguousarray(image))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def compose(picture: Picture, view: npt.NDArray[np.uint8] | None, caption: str, *, num_frames: int) -> Picture:
    """Return one picture of a video.

    Args:
        picture: what a person sees.
        view: `(H, W, C * num_frames)`, newest last, what the policy sees; C is 1 or 3.
        caption: one line beneath both.
        num_frames: how many frames the view is a stack of.

    Returns:
        `(H, W, 3)` with even H and W.
    """
    picture = _fit_height(picture)
    panels = [picture] if view is None else [picture, _view_panel(_frames_of(view, num_frames), picture.shape[0])]
    width = sum(panel.shape[1] for panel in panels) + _GAP * (len(panels) - 1)
    height = picture.shape[0] + _CAPTION_HEIGHT
    canvas = np.full((height + height % 2, width + width % 2, 3), _DARK, dtype=np.uint8)
    left = 0
    for panel in panels:
        canvas[: panel.shape[0], left : left + panel.shape[1]] = panel
        left += panel.shape[1] + _GAP
    place = (10, picture.shape[0] + _CAPTION_HEIGHT - 10)
    cv2.putText(canvas, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, _LIGHT, 1, cv2.LINE_AA)
    return canvas


def _fit_height(picture: Picture) -> Picture:
    height = picture.shape[0]
    if height < _MIN_HEIGHT:
        return _enlarge(picture, -(-_MIN_HEIGHT // height))
    if height > _MAX_HEIGHT:
        width = round(picture.shape[1] * _MAX_HEIGHT / height)
        return np.asarray(cv2.resize(picture, (width, _MAX_HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return picture


def _enlarge(picture: Picture, factor: int) -> Picture:
    """Return the picture with every pixel as a square of `factor`: nothing is smoothed that the policy sees sharp."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _frames_of(view: npt.NDArray[np.uint8], num_frames: int) -> list[Picture]:
    """Return the frames of a stack in colour, oldest first."""
    if view.ndim != 3 or view.shape[2] not in (num_frames, 3 * num_frames):
        raise ValueError(
            f"The policy's view should be (H, W, {num_frames}) or (H, W, {3 * num_frames}) for {num_frames} stacked "
            f"grey or colour frames (env.frame_stack), but is {view.shape}."
        )
    frames = np.split(view, num_frames, axis=2)
    return [frame if frame.shape[2] == 3 else frame.repeat(3, axis=2) for frame in frames]


def _view_panel(frames: Sequence[Picture], height: int) -> Picture:
    """Return the newest frame large, with the older ones in a row beneath it."""
    frame_height, frame_width = frames[-1].shape[:2]
    older = frames[:-1]
    share = 0.8 if older else 1.0
    newest = _enlarge(frames[-1], max(1, int(height * share) // frame_height))
    panel = np.full((height, max(newest.shape[1], frame_width), 3), _DARK, dtype=np.uint8)
    panel[: newest.shape[0], : newest.shape[1]] = newest[:height]
    room = (panel.shape[1] + _GAP) // max(1, len(older)) - _GAP  # width of each of the older frames
    size = min(room, (height - newest.shape[0] - _GAP) * frame_width // frame_height)
    if older and size > 0:
        small_height = size * frame_height // frame_width
        top = newest.shape[0] + _GAP
        for k, frame in enumerate(older):
            left = k * (room + _GAP)
            panel[top : top + small_height, left : left + size] = cv2.resize(
                frame, (size, small_height), interpolation=cv2.INTER_NEAREST
            )
    return panel
