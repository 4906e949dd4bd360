"""Which sizes a replay ring can have, in words."""

from envs.errors import ConfigError


def check_sizes(
    images: dict[str, tuple[int, int, int]],
    vectors: dict[str, int],
    action_dim: int,
    num_streams: int,
    frame_stack: int,
    n_step: int,
    gamma: float,
) -> None:
    """Raise a ConfigError unless a replay ring can be made of these, see `ReplayRing`."""
    names = [*images, *vectors]
    bad_names = [name for name in names if not name.isidentifier()]
    if not names or bad_names or len(set(names)) < len(names):
        raise ConfigError(
            "The replay ring needs observations with names that are words (they become file names), each once; "
            f"it got the images {sorted(images)} and the vectors {sorted(vectors)}."
        )
    sizes = {
        **{f"image {name}": min(shape) if len(shape) == 3 else 0 for name, shape in images.items()},
        **{f"vector {name}": dim for name, dim in vectors.items()},
        "action_dim": action_dim,
        "num_streams": num_streams,
        "frame_stack": frame_stack,
        "n_step": n_step,
    }
    if min(sizes.values()) < 1:
        raise ConfigError(f"The replay ring needs images (H, W, C) and sizes of at least 1; it got {sizes}.")
    if not 0.0 <= gamma <= 1.0:
        raise ConfigError(f"gamma must lie in 0..1; the replay ring got {gamma}.")
