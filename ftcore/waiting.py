"""How threads of one computation wait for each other: a moment at work, then asleep.

OpenMP's threads burn their CPU for milliseconds while they wait. On a machine that other processes use as well, the one
that is waited for often has no CPU, for the very reason that another one burns it: training then falls by far more than
its share of the machine does. Threads that soon sleep leave it to whoever has work, and where others are at work from
the start they sleep at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from pathlib import Path

from ftcore_runtime.cpus import cpu_count

#: Turns of waiting, about a millisecond: as long as one thread of a MiniLM's step waits for another on a quiet machine,
#: and shorter than a turn on the CPU. With half as many, training on a quiet virtual machine now and then used little
#: more than one core, and fell to half its rate.
_TURNS = "20000"
_NONE = "0"
_LOOKS, _BETWEEN = 5, 0.001  # seconds
#: Milliseconds, of Intel's OpenMP.
_MILLISECONDS = "0"


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have OpenMP wait so, unless the environment says how; before torch is imported, which reads it once."""
    if "OMP_WAIT_POLICY" not in environment:
        if "GOMP_SPINCOUNT" not in environment:
            environment["GOMP_SPINCOUNT"] = _NONE if crowded() else _TURNS
        environment.setdefault("KMP_BLOCKTIME", _MILLISECONDS)


def crowded(loadavg: Path = Path("/proc/loadavg")) -> bool:
    """Whether other processes are at work on CPUs that this one may use: whoever can run at each of several looks.

    Args:
        loadavg: says how many threads of the machine can run now, on Linux; elsewhere nobody is taken to be there.
    """
    free = (os.cpu_count() or 1) - cpu_count()
    for _ in range(_LOOKS):
        try:
            others = int(loadavg.read_text().split()[3].split("/")[0]) - 1
        except OSError:
            return False
        if others <= free:
            return False
        time.sleep(_BETWEEN)
    return True
