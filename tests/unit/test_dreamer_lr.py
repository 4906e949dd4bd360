"""DreamerV3's learning rate: it rises over the first updates and falls over environment frames."""

from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from experiments.dreamer import Dreamer
from experiments.dreamer_options import DreamerOptions


class Scheduled(Dreamer):
    """The algorithm without runners and learners, after so many updates and frames."""

    lr_factor = 1.0

    def __init__(self, decay_frames):
        self.config = SimpleNamespace(
            options=SimpleNamespace(lr=4e-4, lr_end=1e-4, lr_decay_frames=decay_frames, warmup_updates=9)
        )
        self.learner_group = SimpleNamespace(_learner=SimpleNamespace(set_lr=self._note))

    def _note(self, lr):
        self.noted = lr

    def after(self, updates, frames):
        self.updates, self.frames = updates, frames
        self.set_lr()
        return self.noted


@pytest.mark.parametrize(
    ("updates", "frames", "expected"),
    [
        (0, 0, 4e-5),  # the first of ten steps up
        (4, 0, 2e-4),
        (9, 0, 4e-4),
        (4, 500, 1.25e-4),  # half of what is halfway from 4e-4 to 1e-4
        (100, 500, 2.5e-4),
        (100, 1000, 1e-4),
        (100, 5000, 1e-4),
    ],
)
def test_it_rises_with_updates_and_falls_with_frames(updates, frames, expected):
    assert Scheduled(1000).after(updates, frames) == pytest.approx(expected)


def test_without_frames_to_fall_over_it_stays():
    assert Scheduled(None).after(10_000, 10**9) == pytest.approx(4e-4)


def test_a_run_from_before_the_rate_could_fall_keeps_it(root):
    saved = OmegaConf.to_container(OmegaConf.load(root / "conf/algo/dreamerv3.yaml").training)
    del saved["lr_end"], saved["lr_decay_frames"]
    assert DreamerOptions(**saved).lr_decay_frames is None
