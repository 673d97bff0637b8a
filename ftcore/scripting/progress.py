"""The progress of a run: in a notebook as a bar of the page's own, in a script as the command line shows it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

from ftcore.cli.console import console
from ftcore.cli.progress import RunProgress

_EVERY = 0.25  # seconds between two pictures of the bar


class NotebookBar:
    """A bar in the output of a cell.

    Args:
        show: shows HTML, and returns what takes the HTML that comes in its place.
        first: steps that were taken before.
        steps: all of them.
    """

    def __init__(self, show: Callable[[str], Callable[[str], object]], first: int, steps: int) -> None:
        self._steps = steps
        self._drawn = time.monotonic()
        self._newest = first, ""
        self._replace = show(self._html())

    def move(self, step: int, note: str) -> None:
        """Show how far it is, unless it was shown a moment ago."""
        self._newest = step, note
        if time.monotonic() - self._drawn >= _EVERY or step == self._steps:
            self._drawn = time.monotonic()
            self._replace(self._html())

    def close(self) -> None:
        """Leave it as it is now."""
        self._replace(self._html())

    def _html(self) -> str:
        step, note = self._newest
        bar = f'<progress value="{step}" max="{self._steps}" style="width: 20rem"></progress>'
        return f"<div>training {bar} {step}/{self._steps} {escape(note)}</div>"


def progress() -> RunProgress:
    """What shows the events of a run where Python is running."""
    show = _cell()
    return RunProgress(console(), None if show is None else partial(NotebookBar, show))


def _cell() -> Callable[[str], Callable[[str], object]] | None:
    """Shows HTML in the cell that is running; None outside a notebook."""
    if "ipykernel" not in sys.modules:
        return None
    from IPython.display import HTML, display

    def show(html: str) -> Callable[[str], object]:
        handle: Any = display(HTML(html), display_id=True)
        return lambda later: handle.update(HTML(later))

    return show
