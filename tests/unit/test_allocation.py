"""Memory that a process frees stays with it."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, torch
from experiments.allocation import keep_memory

def faults_of_an_allocation():
    torch.ones(2**20)  # 4 MiB: 1,024 pages
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(2**20)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50

torch.set_num_threads(1)
before = faults_of_an_allocation()
keep_memory()
print(before, faults_of_an_allocation())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_what_was_freed_is_allocated_again_without_page_faults(root):
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], cwd=root, capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    if before < 1000:
        pytest.skip("this system's allocator, or its huge pages, do not fault by the page")
    assert after < 10


def test_fresh_memory_is_not_filled_where_algorithms_are_deterministic(root):
    code = (
        "import torch; from experiments.allocation import keep_memory; torch.use_deterministic_algorithms(True);"
        "assert torch.empty(4).isnan().all(); keep_memory();"
        "assert not torch.utils.deterministic.fill_uninitialized_memory;"
        "assert torch.are_deterministic_algorithms_enabled()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
