"""Where commands print: people get text with colours on a terminal, tools get JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.errors import UserError
from ftcore_runtime.terminal import json_text, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ftcore_runtime.answers import Mark

#: Off a terminal nothing is wrapped: whoever reads it there wants one line a thing.
_UNWRAPPED = 10_000


def console(*, stderr: bool = False) -> Console:
    """A console for text; without colours off a terminal or where NO_COLOR is set."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNWRAPPED
    # In a notebook lines are lines as well, not HTML as wide as they may be.
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, force_jupyter=False)


def print_text(text: str | Text) -> None:
    """Print text to stdout: a string without what a terminal obeys, as it may quote what comes from outside."""
    console().print(printable(text, lines=True) if isinstance(text, str) else text, soft_wrap=True)


#: Of marks, by their label.
_COLOURS = ("green", "yellow", "cyan", "magenta", "blue", "red")


def marked_text(text: str, marks: Sequence[Mark], labels: Sequence[str], before: str = "") -> Text:
    """A text of anybody's with its marks in the colours of their labels, each label behind its mark.

    Args:
        labels: all that there are: each has the same colour in every text.
        before: what stands in front.
    """
    from rich.text import Text

    shown, made, done = printable(text, lines=True), Text(before), 0  # a character for each: places stay
    for start, end, label in marks:
        colour = _COLOURS[labels.index(label) % len(_COLOURS) if label in labels else 0]
        made.append(shown[done:start]).append(shown[start:end], f"bold {colour}")
        made.append(f" [{printable(label)}]", f"dim {colour}")
        done = end
    return made.append(shown[done:])


def print_json(value: object) -> None:
    """Print JSON to stdout."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns of text to stdout."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(Text(printable(name)))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def metric_text(metric: dict[str, Any]) -> str:
    """A metric's value, with its interval where it has one."""
    value = f"{metric['value']:.4f}"
    if metric.get("low") is not None:
        return f"{value} [{metric['low']:.4f}, {metric['high']:.4f}]"
    return f"{value} [none]" if "low" in metric else value


def print_error(error: Exception | str) -> None:
    """Print an error to stderr."""
    console(stderr=True).print(_error_text(error), soft_wrap=True)


def _error_text(error: Exception | str) -> Any:  # noqa: ANN401 (what rich prints)
    from rich.text import Text

    if isinstance(error, UserError):
        from ftcore.spec.diagnostics import SpecError, render

        if isinstance(error, SpecError):
            return render(error.diagnostics)
        text = Text.assemble(
            ("error", "bold red"), ": ", (printable(error.where), "bold") if error.where else ""
        )
        text.append(": " if error.where else "").append(printable(error.what, lines=True))
        if error.hint:
            text.append("\n  help: ", "bold cyan").append(printable(error.hint, lines=True))
        return text
    return Text.assemble(("error", "bold red"), f": {printable(str(error), lines=True)}")


def write_output(path: Path, data: bytes) -> None:
    """Write what a user asked for to where they said.

    Raises:
        UserError: it cannot be written.
    """
    from ftcore.files import write_atomic

    try:
        if path.is_dir():
            raise UserError("is a folder", where=str(path), hint="name a file in it")
        write_atomic(path, data)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(path)) from None
