"""What is wrong with a spec, and where: sources, spans, diagnostics, and how they are shown."""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ftcore.errors import UserError
from ftcore_runtime.terminal import printable

if TYPE_CHECKING:
    from rich.text import Text

#: Where something is in a document: `("data", "where", 0, "min")`; `()` is the document itself.
Key = tuple[str | int, ...]

_EXCERPT_WIDTH = 100
#: Errors that are shown of one spec.
MOST = 50


def dotted(key: Key) -> str:
    """A key as people write it: `data.where[0].min`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in key)
    return text.removeprefix(".")


def short(text: str, width: int = 60) -> str:
    """A text of the user's for a message: cut to `width` characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


@dataclass(frozen=True)
class Source:
    """A text that spans point into: a spec file, or one `--set` argument. Line breaks are `\\n` alone."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(i + 1 for i, character in enumerate(self.text) if character == "\n")]

    def line_column(self, index: int) -> tuple[int, int]:
        """Line and column (both from 1) of a character."""
        line = bisect.bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its break."""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]


@dataclass(frozen=True)
class Span:
    """Some characters of a source."""

    source: Source
    start: int
    length: int = 1

    @property
    def line(self) -> int:
        """The line it starts on, from 1."""
        return self.source.line_column(self.start)[0]

    @property
    def column(self) -> int:
        """The column it starts at, from 1, in characters."""
        return self.source.line_column(self.start)[1]

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong.

    Args:
        code: kebab-case name of the kind of error, stable for tools.
        message: what is wrong, in one sentence.
        at: the file's name when no location in it is known, else the location.
        help: what would be right.
        key: the key of the document that it is about.
    """

    code: str
    message: str
    at: Span | str
    help: str | None = None
    key: Key = ()

    @property
    def line(self) -> int | None:
        """The line, from 1; None for an error of the whole file."""
        return self.at.line if isinstance(self.at, Span) else None

    @property
    def column(self) -> int | None:
        """The column, from 1; None for an error of the whole file."""
        return self.at.column if isinstance(self.at, Span) else None

    def as_json(self) -> dict[str, Any]:
        """The diagnostic for tools."""
        return {
            "file": self.at.source.name if isinstance(self.at, Span) else self.at,
            "line": self.line,
            "column": self.column,
            "key": dotted(self.key),
            "code": self.code,
            "message": self.message,
            "help": self.help,
        }


def and_more(count: int, at: Span | str) -> Diagnostic:
    """Stands for the errors that are not shown.

    Args:
        at: the first of them.
    """
    return Diagnostic(
        "more", f"and {count:,} more errors", at, "correct the first ones; they may be of one kind"
    )


class SpecError(UserError):
    """A spec that cannot be used, with everything that is wrong with it."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        first = diagnostics[0]
        super().__init__(first.message, where=str(first.at), hint=first.help)
        self.diagnostics = list(diagnostics)
        if len(self.diagnostics) > MOST + 1:  # the last one may stand for others already
            self.diagnostics[MOST:] = [and_more(len(diagnostics) - MOST, diagnostics[MOST].at)]

    def __str__(self) -> str:
        return render(self.diagnostics).plain


def render(diagnostics: Iterable[Diagnostic]) -> Text:
    """Diagnostics for people: location, message, source line with a caret, help. `.plain` has no colours."""
    from rich.text import Text

    return Text("\n\n").join(_render(diagnostic) for diagnostic in diagnostics)


def _render(diagnostic: Diagnostic) -> Text:
    from rich.text import Text

    text = Text()
    text.append(f"{printable(str(diagnostic.at))}: ", "bold")
    text.append(f"error[{diagnostic.code}]", "bold red")
    text.append(f": {printable(diagnostic.message)}", "bold")
    gutter = "     "
    if isinstance(diagnostic.at, Span):
        number, line, caret = _excerpt(diagnostic.at)
        gutter = " " * (len(number) + 1)
        text.append(f"\n{number} | ", "blue").append(line)
        text.append(f"\n{gutter}| ", "blue").append(caret, "bold red")
    if diagnostic.help:
        text.append(f"\n{gutter}= ", "blue").append("help: ", "bold cyan").append(printable(diagnostic.help))
    return text


def _excerpt(span: Span) -> tuple[str, str, str]:
    """Line number, line and carets, cut to a width that fits a terminal."""
    line, column = span.line, span.column - 1
    text = printable(span.source.line(line))
    first = max(0, column - _EXCERPT_WIDTH // 2) if len(text) > _EXCERPT_WIDTH else 0
    shown = text[first : first + _EXCERPT_WIDTH]
    under = text[column : min(column + span.length, first + _EXCERPT_WIDTH)]
    before, after = "…" if first else "", "…" if first + _EXCERPT_WIDTH < len(text) else ""
    caret = " " * _cells(before + text[first:column]) + "^" * max(1, _cells(under.rstrip()))
    return f"{line:>4}", before + shown + after, caret


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
