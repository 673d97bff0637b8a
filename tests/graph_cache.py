"""Templates of exported graphs, shared by the processes of a test run: tracing one takes seconds."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache as cache_of
from pathlib import Path

import pytest

_VARIABLE = "FTCORE_TEST_GRAPHS"
#: Whether this process has made the folder; pytest's workers and the commands that they start inherit it.
_OWN = _VARIABLE not in os.environ
#: The folder.
SHARED = Path(os.environ.setdefault(_VARIABLE, tempfile.mkdtemp() if _OWN else ""))


def cache(folder: Path) -> str:
    """For FTCORE_CACHE: a folder of one's own, but for the templates."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (graphs := folder / "graphs").exists():
        graphs.symlink_to(SHARED)
    return str(folder)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Commands run in a folder, with its cache: for fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FTCORE_CACHE", cache(folder / ".cache"))
        yield


def keep_operators() -> None:
    """Have torch make its tables of operators once a process, and not anew for each graph: a third of a trace.

    The graphs are the same to the byte. A process that has not imported torch is left alone.
    """
    if "torch" not in sys.modules:
        return
    # Where anybody listens, torch takes down every step; pytest listens to each logger that does not propagate.
    steps = logging.getLogger("torch.__trace")
    steps.handlers.clear()
    steps.propagate = True
    from torch._export import utils
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    made = cache_of(ONNXRegistry.from_torchlib.__func__)
    ONNXRegistry.from_torchlib = classmethod(made)  # type: ignore[method-assign, assignment]
    # Each of them is looked up some fifty times for a graph.
    utils._materialize_cpp_cia_ops = cache_of(utils._materialize_cpp_cia_ops)


def forget_operators() -> None:
    """Have the next graph's table made anew, with whatever torch says of it."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    ONNXRegistry.from_torchlib.__func__.cache_clear()


def forget_shared() -> None:
    """Delete the templates, in the process that has made the folder."""
    if _OWN:
        shutil.rmtree(SHARED, ignore_errors=True)
