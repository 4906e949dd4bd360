"""Seeing the dream: what was real, what the world model makes of it, and what it imagines, side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from experiments.transfer import onto
from experiments.videos import open_mp4
from models.dreamer_module import DreamerModule
from models.world_model.categoricals import one_hot
from models.world_model.dreaming import transitions
from models.world_model.encoder import LAST_ACTION, Unrolled

_CONTEXT = 5  # slots that are seen before imagination sets in
_ROWS = 4  # sequences
_FPS = 10.0
_HEIGHT = 128  # pixels of a picture, at least
_GAP = 4
_SEEN, _IMAGINED = (90, 200, 120), (230, 120, 60)  # the frame around what was seen, and around what was not

Pictures = npt.NDArray[np.uint8]  # (B, T, H, W, C)


@torch.no_grad()
def dream_pictures(net: DreamerModule, batch: dict[str, Any], device: torch.device) -> tuple[Pictures, ...]:
    """Return what was real, reconstructed and imagined `(B, T, H, W, C)`.

    The last sees what `_is_seen` says, and follows the real actions blindly from there on.

    Args:
        net: In any state of training; its observation has an image.
        batch: Of `SequenceReplay`.
        device: Of the net.
    """
    encoder, predictions = net.world_model, net.predictions
    assert encoder.image is not None
    observation = {name: onto(device, part) for name, part in batch["obs"].items()}
    state, is_first = onto(device, batch["state"]), onto(device, batch["is_first"])
    with encoder.in_precision(device):
        seen = encoder.observe(observation, state, is_first)
        told = predictions.image_decoder(seen.features.flatten(0, 1))
        blind = _blind(net, seen, observation[LAST_ACTION], onto(device, _is_seen(batch)))
        imagined = predictions.image_decoder(blind.flatten(0, 1))
    real: Pictures = np.ascontiguousarray(batch["obs"][encoder.image[0]])
    shape = real.shape[:2]
    return real, *((255.0 * p).round().byte().unflatten(0, shape).cpu().numpy() for p in (told, imagined))


def _is_seen(batch: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Return `(B, T)` where imagination sees: in the first five slots, and where another episode begins."""
    is_seen = np.array(batch["is_first"], np.bool_)
    is_seen[:, :_CONTEXT] = True
    return is_seen


def _blind(net: DreamerModule, seen: Unrolled, actions: torch.Tensor, is_seen: torch.Tensor) -> torch.Tensor:
    """Return features `(B, T, D)`: of what was seen, and between it of what is imagined with the same actions."""
    encoder = net.world_model
    latents = one_hot(seen.index, encoder.sizes.classes).flatten(2)
    deter, latent = seen.deter[:, 0], latents[:, 0]
    features, dreamt = [], transitions(encoder, net.predictions)
    for step, sees in enumerate(is_seen[..., None].unbind(1)):
        if not bool(sees.all()):
            deter, latent = dreamt(deter, latent, actions[:, step])
        deter = torch.where(sees, seen.deter[:, step], deter)
        latent = torch.where(sees, latents[:, step], latent)
        features.append(torch.cat([deter, latent], -1))
    return torch.stack(features, 1)


def write_dream(net: DreamerModule, batch: dict[str, Any], device: torch.device, path: Path) -> None:
    """Write a video: a row for each of some sequences, real, reconstructed and imagined from left to right.

    Imagined pictures are framed in orange, those that the model has seen in green.
    """
    batch = {name: {n: p[:_ROWS] for n, p in part.items()} if name == "obs" else part[:_ROWS]
             for name, part in batch.items() if name != "places"}  # fmt: skip
    columns = dream_pictures(net, batch, device)
    is_seen = _is_seen(batch)
    frames = [_frame(columns, is_seen, step) for step in range(columns[0].shape[1])]
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    writer = open_mp4(unfinished, (frames[0].shape[1], frames[0].shape[0]), _FPS)
    try:
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
    finally:
        writer.close()
    unfinished.replace(path)


def _frame(columns: tuple[Pictures, ...], is_seen: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.uint8]:
    """Return one picture of the video `(H, W, 3)`, with even sides."""
    rows = []
    for row in range(len(columns[0])):
        panels = []
        for number, pictures in enumerate(columns):
            is_imagined = number == len(columns) - 1 and not is_seen[row, step]
            panels.append(_panel(pictures[row, step], _IMAGINED if is_imagined else _SEEN))
        rows.append(np.concatenate(panels, axis=1))
    frame = np.concatenate(rows)
    return np.pad(frame, [(0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)])


def _panel(picture: Pictures, colour: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return a picture `(H, W, C)`, of a stack its newest, enlarged in whole pixels and framed."""
    channels = 3 if picture.shape[2] % 3 == 0 else 1
    newest = np.repeat(picture[..., -channels:], 3 // channels, axis=2)
    factor = max(1, _HEIGHT // newest.shape[0])
    large = newest.repeat(factor, axis=0).repeat(factor, axis=1)
    framed = np.empty((large.shape[0] + 2 * _GAP, large.shape[1] + 2 * _GAP, 3), np.uint8)
    framed[:] = colour
    framed[_GAP:-_GAP, _GAP:-_GAP] = large
    return framed
