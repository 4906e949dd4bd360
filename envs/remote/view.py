"""How one connection wants the states of games to be told."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from envs.remote.messages import BAD_MESSAGE, FREE, LOCKSTEP, MessageError

RGB, GRAY, NONE = "rgb", "gray", "none"
BASE64, BINARY = "b64", "bin"
RAW, PNG, JPEG = "raw", "png", "jpeg"
_MAX_SIZE = 2048  # pixels a side: a client may not make the server draw posters

_CHOICES = {
    "mode": (FREE, LOCKSTEP),
    "frame": (RGB, GRAY, NONE),
    "encoding": (BASE64, BINARY),
    "codec": (RAW, PNG, JPEG),
}
_SWITCHES = ("autoreset", "obs", "training")


@dataclass(frozen=True, kw_only=True)
class View:
    """What CONFIG sets.

    Attributes:
        mode: of games that are reset from now on.
        frame: pictures of the game in colour, in grey, or none.
        size: height and width of pictures, pixels; None: as they are drawn.
        encoding: arrays as base64 in the line, or as bytes after it.
        codec: of images with one or three channels; `jpeg` loses details.
        quality: of JPEG, 1 … 100.
        autoreset: whether STEP after an end begins the next episode.
        obs: tell the env's own observation instead of a picture.
        training: whether the rules of training apply in episodes that are begun from now on.
    """

    mode: str = FREE
    frame: str = RGB
    size: tuple[int, int] | None = None
    encoding: str = BASE64
    codec: str = RAW
    quality: int = 80
    autoreset: bool = True
    obs: bool = False
    training: bool = False

    @property
    def has_pictures(self) -> bool:
        """Whether the game has to be drawn for it."""
        return self.frame != NONE and not self.obs

    def changed(self, values: dict[str, Any]) -> "View":
        """Return the view with other values.

        Raises:
            MessageError: one is of the wrong type or out of range.
        """
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name in _CHOICES and value not in _CHOICES[name]:
                raise _error(name, f"one of {', '.join(_CHOICES[name])}", value)
            if name in _SWITCHES and not isinstance(value, bool):
                raise _error(name, "true or false", value)
            if name == "quality" and not _is_whole(value, 1, 100):
                raise _error(name, "a whole number of 1 … 100", value)
            if name == "size":
                if not isinstance(value, list) or len(value) != 2 or not all(_is_whole(v, 1, _MAX_SIZE) for v in value):
                    raise _error(name, f"[height, width] in pixels, up to {_MAX_SIZE}", value)
                value = tuple(value)
            checked[name] = value
        return replace(self, **checked)

    def values(self) -> dict[str, Any]:
        """Return all values, as CONFIG_OK tells them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def framed(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a picture `(H, W, 3)` uint8 as it is wanted: `(h, w, 3)`, or `(h, w, 1)` in grey."""
        image: Any = picture
        if self.frame == GRAY:
            image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self.size is not None and image.shape[:2] != self.size:
            height, width = self.size
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(image[..., np.newaxis] if image.ndim == 2 else image)

    def encoded(self, array: npt.NDArray[Any]) -> tuple[bytes, str]:
        """Return the bytes of an array, and the codec that they are in: only images are compressed."""
        if self.codec == RAW or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3):
            return array.tobytes(), RAW
        image = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.shape[2] == 3 else array
        options = [cv2.IMWRITE_JPEG_QUALITY, self.quality] if self.codec == JPEG else [cv2.IMWRITE_PNG_COMPRESSION, 1]
        _, data = cv2.imencode(f".{self.codec}", image, options)
        return data.tobytes(), self.codec


def decoded(data: bytes, codec: str, dtype: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the array that `View.encoded` made bytes of; it is writable.

    Raises:
        ValueError: these are not its bytes.
    """
    if codec == RAW:
        return np.frombuffer(bytearray(data), dtype).reshape(shape)
    flag = cv2.IMREAD_GRAYSCALE if shape[-1:] == (1,) else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f"{len(data):,} bytes that are no {codec}")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.array(image.reshape(shape), dtype)


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _error(name: str, expected: str, value: Any) -> MessageError:
    return MessageError(BAD_MESSAGE, f"Expected {name} to be {expected}, got {value!r}."[:200])
