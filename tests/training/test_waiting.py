"""Threads wait asleep unless the environment says how; it is set before torch, which reads it once, is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ftcore.waiting import wait_asleep


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": "20000", "KMP_BLOCKTIME": "0"}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5", "KMP_BLOCKTIME": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_what_the_environment_says_counts(before: dict[str, str], after: dict[str, str]) -> None:
    wait_asleep(before)
    assert before == after


def test_the_command_line_says_it_before_torch_is_there() -> None:
    code = (
        "import sys, ftcore.waiting as w\n"
        "import ftcore.cli as cli\n"
        "assert 'torch' not in sys.modules\n"
        "cli.main(['tasks'])\n"
        "import os\n"
        "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)\n"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "20000 False"
