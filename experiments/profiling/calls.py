"""Where one process spends its time: the calls of its main thread, sampled, as a flame graph and as a list."""

import os
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyinstrument import Profiler
from pyinstrument.frame import Frame
from pyinstrument.processors import aggregate_repeated_calls
from pyinstrument.renderers import HTMLRenderer

# Between two samples at least. Coarser than 4 ms, the interval of Linux's cheap clock, costs no less: what remains is
# a hook in every call, which makes the runners' many small ones up to a third slower, and torch's long ones hardly.
_INTERVAL_S = 0.004

_HOW_TO_READ = "flame graph, calls merged by stack, widest first; the wheel zooms"
_BUILT_IN, _THREAD = "<built-in>", "<thread>"  # pyinstrument's files of what is not written in Python, and of roots
# Longest first: a package may lie in an environment in the project's folder.
_FOLDERS = {*map(sysconfig.get_path, ("purelib", "platlib", "stdlib")), str(Path(__file__).parents[2])}
_ROOTS = sorted((folder + os.sep for folder in _FOLDERS), key=len, reverse=True)
# The page remembers which view was chosen last, and shows the table at first: here the flame graph comes first.
_OPEN_ON_GRAPH = """<script>
try { localStorage.setItem("pyinstrument:viewOptions", JSON.stringify({viewMode: "timeline"})); } catch (error) {}
</script>"""


@dataclass(frozen=True)
class HotFunction:
    """A function and the time that was spent in it, not in what it called.

    Attributes:
        name: Of the function.
        place: `FILE:LINE` where it begins; of a built-in function that of its caller, behind "built-in, in".
        seconds: By the wall clock.
    """

    name: str
    place: str
    seconds: float


@dataclass(frozen=True)
class ProcessProfile:
    """What is known of a process, as it crosses to another one.

    Attributes:
        process: The process in a word, as in `learner` or `runner_1`.
        seconds: Time that was profiled.
        samples: How often it was looked what the process does.
        functions: The hottest functions, hottest first.
        page: A web page with the flame graph, which needs no other file and no network.
    """

    process: str
    seconds: float
    samples: int
    functions: list[HotFunction]
    page: str


class CallProfile:
    """Samples what the calling thread does between `start` and `stop`, which may come in many pairs."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._profiler = Profiler(interval=_INTERVAL_S, async_mode="disabled")

    def start(self) -> None:
        """Begin to sample, or go on."""
        self._profiler.start(target_description=f"{self._process}: {_HOW_TO_READ}")

    def stop(self) -> None:
        """Sample no more until the next `start`."""
        self._profiler.stop()

    def result(self, num_functions: int) -> ProcessProfile:
        """Return what was found between all starts and stops.

        Raises:
            RuntimeError: It never ran.
        """
        session = self._profiler.last_session
        if session is None:
            raise RuntimeError(f"The profile of {self._process} was never started and stopped.")
        renderer = HTMLRenderer()
        # Merged by stack and widest first, what the page calls a timeline is a flame graph.
        renderer.preprocessors = [aggregate_repeated_calls]
        page = renderer.render(session).replace("<body>", f"<body>{_OPEN_ON_GRAPH}", 1)
        times: dict[tuple[str, str], float] = defaultdict(float)
        root = session.root_frame(trim_stem=False)
        for frame in _frames(root) if root is not None else ():
            times[_name(frame), _place(frame)] += frame.total_self_time
        functions = [HotFunction(name, place, seconds) for (name, place), seconds in times.items()]
        functions.sort(key=lambda function: function.seconds, reverse=True)
        return ProcessProfile(self._process, session.duration, session.sample_count, functions[:num_functions], page)


def _frames(root: Frame) -> Iterator[Frame]:
    waiting = [root]
    while waiting:
        frame = waiting.pop()
        yield frame
        waiting += [child for child in frame.children if not child.is_synthetic]


def _name(frame: Frame) -> str:
    return "(between two requests)" if _is_ray(frame) else frame.function


def _place(frame: Frame) -> str:
    if _is_ray(frame):
        return "Ray"
    if frame.file_path == _BUILT_IN and frame.parent is not None:
        return f"built-in, in {frame.parent.function}, {_position(frame.parent)}"
    return _position(frame)


def _position(frame: Frame) -> str:
    """Return `FILE:LINE`, the file from where its package lies; pyinstrument would start at Ray's folders as well."""
    path = frame.file_path or ""
    for folder in _ROOTS:
        path = path.removeprefix(folder)
    return f"{path}:{frame.line_no}"


def _is_ray(frame: Frame) -> bool:
    """Return whether it is from here that Ray calls everything in an actor; it also waits, sends and receives here."""
    file = frame.file_path or ""
    return file == _THREAD or (frame.function == "main_loop" and file.endswith("worker.py"))
