"""Files that are either whole or not there, whatever ends the process that writes them."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk, so that a name given to it afterwards never names half of it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """Put a file with these bytes in the place of `path`.

    A process that is killed meanwhile leaves what was there before, and a hidden file that ends in `.part`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
