"""Freed memory that stays, and holes that do not: in processes of their own, since the switch is the process's."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest
import torch

COUNT = """
def number(mode):
    if mode == "keep":
        assert FreedMemory().kept
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(60):
        torch.ones(10_000_000)  # 40 MB, above every threshold that malloc sets by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""


HOLES = """
def number(mode):
    freed = FreedMemory()
    kept = []
    for step in range(220):  # most of a gigabyte of holes
        block = torch.ones(500_000 + 5_000 * step)  # each a bit larger than the hole of the one before
        kept.append(torch.ones(50_000))  # and something that stays behind it, too large for what imports left free
        del block
        if mode == "watch":
            freed.after_step()
    return resident() // 2**20
"""

#: Runs `number` of each mode in a process that is forked for it: torch is imported once.
FORKED = """
import ctypes, json, os, resource, sys
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: a fault is one page, whatever memory the kernel has at hand
import torch
from ftcore.training.malloc import FreedMemory, resident
{code}
for mode in sys.argv[1:]:
    if not (child := os.fork()):
        print(json.dumps([mode, number(mode)]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def numbers(code: str, *modes: str) -> dict[str, int]:
    script = FORKED.format(code=code)
    ended = subprocess.run([sys.executable, "-c", script, *modes], capture_output=True, text=True, check=True)
    found = dict(map(json.loads, ended.stdout.splitlines()))
    assert found.keys() == set(modes), ended.stderr
    return found


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_a_block_that_was_freed_is_used_again_as_it_is() -> None:
    found = numbers(COUNT, "keep", "leave")
    assert found["keep"] < found["leave"] / 3


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="with CUDA's libraries the process is too large to grow by half"
)
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_holes_are_given_back() -> None:
    found = numbers(HOLES, "watch", "leave")
    assert found["watch"] < found["leave"] - 100
