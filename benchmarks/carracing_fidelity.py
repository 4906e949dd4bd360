"""`python -m benchmarks.carracing_fidelity PICTURE.png`: how far the fast renderer is from Gymnasium's pixels.

1,000 frames of 20 tracks with random driving, the first second's zoom included. Prints mean absolute differences of 255
levels, and draws pairs: exact, fast, eight times their difference, in colour (96x96) and in grey (64x64).
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from gymnasium.utils import seeding
from tqdm import tqdm

from envs.carracing.exact import ExactRenderer
from envs.carracing.fast import FastRenderer
from envs.carracing.game import CarRacingGame
from envs.carracing.preprocess import preprocess

TRACKS, FRAMES, EVERY = 20, 400, 8
PAIRS = {(0, 8), (3, 184), (8, 248), (14, 240), (17, 392)}  # track and frame of the pictures
ROW_OF_BAR = {96: 84, 64: 56}
GREEN_EXCESS = 40  # of grass over red; road, kerbs and car have less
ENLARGED, GAIN = 256, 8


def differences(exact: np.ndarray, colour: np.ndarray, grey: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return for each size the mean difference of the whole picture, and of road, kerbs and car alone."""
    found = {}
    for name, fast, is_grey in (("96x96 colour", colour, False), ("64x64 grey", grey, True)):
        size = fast.shape[0]
        wanted = preprocess(exact, size, grayscale=is_grey).astype(int)
        small = preprocess(exact, size, grayscale=False).astype(int)
        difference = np.abs(fast - wanted).mean(axis=2)
        road = small[..., 1] - small[..., 0] < GREEN_EXCESS
        road[ROW_OF_BAR[size] :] = False
        found[name] = float(difference.mean()), float(difference[road].mean())
    return found


def row(exact: np.ndarray, colour: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """Return exact, fast and their enlarged difference side by side, in colour and in grey."""
    exact_grey = preprocess(exact, grey.shape[0], grayscale=True)
    pictures = []
    for one, other in ((exact, colour), (exact_grey, grey)):
        difference = np.clip(GAIN * np.abs(one.astype(int) - other), 0, 255).astype(np.uint8)
        pictures += [one, other, difference]
    return np.hstack([_enlarge(picture) for picture in pictures])


def _enlarge(picture: np.ndarray) -> np.ndarray:
    picture = np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
    picture = cv2.resize(picture, (ENLARGED, ENLARGED), interpolation=cv2.INTER_NEAREST)
    return cv2.copyMakeBorder(picture, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def main(path: Path) -> None:
    """Drive, compare, print and draw."""
    game, exact, colour, grey = CarRacingGame(), ExactRenderer(), *(FastRenderer(grayscale=g) for g in (False, True))
    found: dict[str, list[tuple[float, float]]] = {}
    rows = []
    for track in tqdm(range(TRACKS), unit="track"):
        random = np.random.default_rng(track)
        game.reset(seeding.np_random(track)[0])
        for frame in range(FRAMES):
            if frame % 12 == 0:
                action = random.uniform([-0.4, 0.0, 0.0], [0.4, 0.6, 0.05]).astype(np.float32)
            game.step(action)
            if frame % EVERY:
                continue
            pictures = exact.pixels(game), colour.pixels(game), preprocess(grey.pixels(game), 64, grayscale=True)
            for name, value in differences(*pictures).items():
                found.setdefault(name, []).append(value)
            if (track, frame) in PAIRS:
                rows.append(row(*pictures))
    for name, values in found.items():
        whole, road = np.array(values).T
        print(f"{name}: mean {whole.mean():.3f}, worst frame {whole.max():.3f}; ", end="")
        print(f"road, kerbs and car alone: mean {np.nanmean(road):.2f}, worst frame {np.nanmax(road):.2f}")
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
