import os
from pathlib import Path

import pytest

from ftcore_runtime.cpus import cpu_count


def host(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 16),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 16),
        ({"sys/fs/cgroup/cpu.max": "nonsense"}, 16),
        # the quota of a group above this process's own
        (
            {
                "proc/self/cgroup": "0::/kube/pod/box\n",
                "sys/fs/cgroup/kube/pod/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/kube/pod/box/cpu.max": "max 100000\n",
            },
            3,
        ),
        # version 1
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            16,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
    ],
)
def test_quota_of_the_control_group(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert cpu_count(host(tmp_path, files)) == count


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert cpu_count(host(tmp_path, {"sys/fs/cgroup/cpu.max": "400000 100000\n"})) == 1
