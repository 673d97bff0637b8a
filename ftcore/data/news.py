"""Headlines and their articles: a folder of .txt files whose first line is the headline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ftcore.data.records import Record
from ftcore.data.textfile import Encodings, whole_text


def read_news(root: Path, name: str, encodings: Encodings) -> Iterator[Record]:
    """One record a .txt file below `root`, in sorted order, if it has a body.

    Columns: source (the article, a paragraph a line), target (its headline) and topic (the file's folder).
    """
    for path in sorted(root.rglob("*.txt")):
        location = f"{name.rstrip('/')}/{path.relative_to(root).as_posix()}"
        headline, _, body = whole_text(path, location, encodings).strip().partition("\n")
        body = paragraphs(body)
        if body:
            yield Record(location, {"source": body, "target": headline.strip(), "topic": path.parent.name})


def paragraphs(text: str) -> str:
    """A text without blank lines, and without blanks at the ends of its lines."""
    return "\n".join(filter(None, map(str.strip, text.split("\n"))))
