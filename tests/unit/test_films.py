"""Films of the dream reach the tracker once each, while training goes on."""

from types import SimpleNamespace

from experiments.tracker import Tracker
from tune.films import Films


class Watched(Tracker):
    def __init__(self):
        self.sent = []

    def log_artifact(self, run, path, folder=None):
        self.sent.append((run.name, path.name, folder))


def test_each_film_is_sent_once_and_none_that_is_unfinished(tmp_path):
    tracker, run = Watched(), SimpleNamespace(name="run")
    films = Films(tracker)
    films.send(run, tmp_path)  # nothing was filmed, or elsewhere
    folder = tmp_path / "dreams"
    folder.mkdir()
    (folder / "frames_000000000100.mp4").touch()
    (folder / ".frames_000000000200.mp4").touch()
    films.send(run, tmp_path)
    (folder / ".frames_000000000200.mp4").rename(folder / "frames_000000000200.mp4")
    films.send(run, tmp_path)
    films.send(run, tmp_path)
    assert tracker.sent == [(run.name, f"frames_000000000{n}00.mp4", "dreams") for n in (1, 2)]
