"""Freed memory that stays, and holes that do not: in processes of their own, since the switch is the process's."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

COUNT = """
import ctypes, resource, sys
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: a fault is one page, whatever memory the kernel has at hand
import torch
from ftcore.training.malloc import FreedMemory

if sys.argv[1] == "keep":
    assert FreedMemory().kept
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(60):
    torch.ones(10_000_000)  # 40 MB, above every threshold that malloc sets by itself
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


HOLES = """
import sys
import torch
from ftcore.training.malloc import FreedMemory, resident

freed = FreedMemory()
kept = []
for step in range(220):  # most of a gigabyte of holes
    block = torch.ones(500_000 + 5_000 * step)  # each a bit larger than the hole of the one before
    kept.append(torch.ones(50_000))  # and something that stays behind it, too large for what imports left free
    del block
    if sys.argv[1] == "watch":
        freed.after_step()
print(resident() // 2**20)
"""


def number(code: str, mode: str) -> int:
    ended = subprocess.run([sys.executable, "-c", code, mode], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_a_block_that_was_freed_is_used_again_as_it_is() -> None:
    assert number(COUNT, "keep") < number(COUNT, "leave") / 3


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="with CUDA's libraries the process is too large to grow by half"
)
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_holes_are_given_back() -> None:
    assert number(HOLES, "watch") < number(HOLES, "leave") - 100
