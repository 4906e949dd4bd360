"""How arrays reach the learner's device."""

import numpy as np
import torch


def onto(device: torch.device, array: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return an array as a tensor on `device`: on the CPU its own memory, on a GPU copied without waiting for it.

    Copying goes on beside computing only from memory that is pinned.
    """
    tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
