"""Bundles packaged for an engine, as the command does it, and the answers that the engine must give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bundles import sentences

from ftcore.cli import main
from ftcore_runtime import Pipeline

TEXTS = sentences(6, seed=9)


def package(target: str, bundle: Path, output: Path, *more: str) -> Path:
    """The folder that `ftcore package` writes."""
    assert main(["package", target, str(bundle), "--output", str(output), *more]) == 0
    return output


def expected(bundle: Path) -> list[dict[str, Any]]:
    """The bundle's own answers to `TEXTS`."""
    return [answer.to_json() for answer in Pipeline.load(bundle).predict(TEXTS)]
