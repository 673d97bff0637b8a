"""How threads of one computation wait for each other: a moment at work, then asleep.

OpenMP's threads burn their CPU for milliseconds while they wait. On a machine that other processes use as well, the one
that is waited for often has no CPU, for the very reason that another one burns it: training then falls by far more than
its share of the machine does. Threads that soon sleep leave it to whoever has work.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

#: Turns of waiting, about a millisecond: as long as one thread of a MiniLM's step waits for another on a quiet machine,
#: and shorter than a turn on the CPU. With half as many, training on a quiet virtual machine now and then used little
#: more than one core, and fell to half its rate.
_TURNS = "20000"
#: Milliseconds, of Intel's OpenMP.
_MILLISECONDS = "0"


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have OpenMP wait so, unless the environment says how; before torch is imported, which reads it once."""
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", _TURNS)
        environment.setdefault("KMP_BLOCKTIME", _MILLISECONDS)
