"""The pages of the reference that follow from the code, a module each; `python docs/generate.py` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ftcore.plugins import PluginRegistry


def head(title: str, text: str) -> str:
    """The beginning of a page."""
    written = "Written from the code by `python docs/generate.py`; a test holds that it is current."
    return f"# {title}\n\n{written} {text}\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"


def cell(text: str) -> str:
    """A text as a cell has it: in one line, and no border of the table."""
    return " ".join(text.split()).replace("|", "\\|")


def shipped_plugins() -> PluginRegistry:
    """Those of ftcore, without the drop-ins of any project."""
    return PluginRegistry.discover(cwd=Path(__file__).parent / "none")
