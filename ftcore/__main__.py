"""The program `ftcore`, which is `python -m ftcore` too."""

from __future__ import annotations

import gc
import sys

from ftcore.cli import main


def program() -> int:
    """Run the command that the process was given; returns the exit code."""
    gc.freeze()  # see `ftcore.imports`
    code = main()
    gc.freeze()  # with torch imported, Python looks through half a million objects for a second before it ends
    return code


if __name__ == "__main__":
    sys.exit(program())
