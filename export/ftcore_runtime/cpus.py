"""How many CPUs this process may use: its affinity and its control group's quota, not the host's cores."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath


def cpu_count(root: Path = Path("/")) -> int:
    """CPUs that this process may use, at least 1.

    onnxruntime sizes its pool to the host's cores even where a container may use two of them, which makes
    every call wait for threads that are throttled.

    Args:
        root: where `proc` and `sys` lie; only tests give another.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in (_quota_v2(root), _quota_v1(root)) if quota is not None]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _quota_v2(root: Path) -> float | None:
    """The smallest `cpu.max` of this process's group and the groups above it."""
    base = root / "sys/fs/cgroup"
    group = PurePosixPath("/")
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::/"):
            group = PurePosixPath(line[3:])
    quotas = []
    for level in (group, *group.parents):
        words = _read(base / str(level).lstrip("/") / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _quota_v1(root: Path) -> float | None:
    base = root / "sys/fs/cgroup/cpu"
    quota, period = _read(base / "cpu.cfs_quota_us").strip(), _read(base / "cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit() and int(period):  # -1: no quota
        return int(quota) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
