"""Memory that a process frees stays with it."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, torch
from experiments.allocation import keep_memory

def activations():
    return [torch.ones(2**n) for n in (19, 21, 21, 23, 24)]  # 2 to 64 MiB each

def faults():
    for _ in range(5):
        activations()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        activations()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20

torch.set_num_threads(1)
before = faults()
keep_memory()
print(before, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_was_freed_is_allocated_again_without_page_faults(root):
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], cwd=root, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    if before < 500:
        pytest.skip("this system's allocator, or its huge pages, hardly fault")
    assert after < before / 10


def test_fresh_memory_is_not_filled_where_algorithms_are_deterministic(root):
    code = (
        "import torch; from experiments.allocation import keep_memory; torch.use_deterministic_algorithms(True);"
        "assert torch.empty(4).isnan().all(); keep_memory();"
        "assert not torch.utils.deterministic.fill_uninitialized_memory;"
        "assert torch.are_deterministic_algorithms_enabled()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
