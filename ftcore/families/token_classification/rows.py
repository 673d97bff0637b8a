"""Rows of the family `token_classification`: entities of any shape, as spans of the text from word to word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from ftcore.errors import REMARK, RowError
from ftcore.families.token_classification.spec import TokenClassificationData
from ftcore_runtime import strict_json
from ftcore_runtime.words import NO_BLANKS, addresses, word_ends, word_starts

Join = Literal["auto", "blank", "nothing"]
_SHOWN = 60  # characters of a cell or a text in a message
#: B begins an entity, I (M) goes on with it, E (L) ends it, S (U) is one by itself.
_TAG = re.compile(r"([BIMELSU])(?:-(.+))?", re.DOTALL)
#: The label of tags that are a letter alone.
ONLY_LABEL = "entity"
_NO_BLANKS = re.compile(f"[{NO_BLANKS}]")


class Span(NamedTuple):
    """An entity: characters (code points) of the text from `start` to before `end`."""

    start: int
    end: int
    label: str


def parse_row(row: Mapping[str, Any], data: TokenClassificationData) -> dict[str, Any]:
    """One source row -> text, starts, ends, labels, in the order of the text.

    Raises:
        RowError: an empty text, a value of the wrong type, spans that overlap, that are not in the text, or that begin
            or end within a word where those are no entities.
    """
    names = data.columns
    value, cell = row[names.text], row[names.entities]
    if isinstance(value, list | tuple):
        text, places = joined(value, data.join_words, names.text)
        spans = list(tagged_spans(value, _listed(cell, names.entities), places, names.entities))
    elif isinstance(value, str):
        text = value
        spans = [_span(one, text, names.entities) for one in _listed(cell, names.entities)]
    else:
        raise RowError(f"expected a text or a list of words, got {value!r:.{_SHOWN}}", names.text)
    if not text.strip():
        raise RowError("the text is empty", names.text)
    spans, remarks = _aligned(text, sorted(spans), data.misaligned, names.entities)
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise RowError(f"{_shown(text, one)} and {_shown(text, other)} overlap", names.entities)
    made: dict[str, Any] = {
        "text": text,
        "starts": [one.start for one in spans],
        "ends": [one.end for one in spans],
        "labels": [one.label for one in spans],
    }
    return {**made, REMARK: f"widened {', '.join(remarks)}"} if remarks else made


def addresses_are_whole(rows: pa.Table) -> bool:
    """Whether no entity of these rows, of the family's schema, begins or ends within a handle, a hashtag or a URL."""
    columns = (rows[name].to_pylist() for name in ("text", "starts", "ends"))
    for text, starts, ends in zip(*columns, strict=True):
        for address in addresses(text):
            inner = range(address[0] + 1, address[1])
            if any(edge in inner for edge in (*starts, *ends)):
                return False
    return True


def joined(words: Sequence[Any], join: Join, column: str) -> tuple[str, list[tuple[int, int]]]:
    """The text that words make up, and where each of them stands in it.

    Raises:
        RowError: a word that is no text, or an empty one.
    """
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for number, word in enumerate(words, 1):
        if not isinstance(word, str) or not word.strip():
            raise RowError(f"word {number} is {word!r:.{_SHOWN}}; expected a text that is not empty", column)
        if parts and (join == "blank" or (join == "auto" and not _adjoin(parts[-1], word))):
            parts.append(" ")
            at += 1
        parts.append(word)
        places.append((at, at + len(word)))
        at += len(word)
    return "".join(parts), places


def _adjoin(one: str, other: str) -> bool:
    """Whether nothing stands between two words."""
    return bool(_NO_BLANKS.match(one[-1]) and _NO_BLANKS.match(other[0]))


def tagged_spans(
    words: Sequence[str], tags: Sequence[Any], places: Sequence[tuple[int, int]], column: str
) -> Iterator[Span]:
    """The entities that tags of BIO (also as IOB1 has it) or BIOES say.

    An I whose label is not that of the entity before it begins one, as in IOB1 (Tjong Kim Sang and Veenstra 1999).

    Raises:
        RowError: another number of tags than of words, or one that is no tag.
    """
    if len(tags) != len(words):
        raise RowError(f"{len(tags)} tags for {len(words)} words", column)
    open_span: Span | None = None
    for number, (word, tag, (start, end)) in enumerate(zip(words, tags, places, strict=True), 1):
        found = _TAG.fullmatch(tag) if isinstance(tag, str) else None
        if found is None and tag != "O":
            raise RowError(
                f"word {number} ({word!r:.{_SHOWN}}) has the tag {tag!r:.{_SHOWN}}; expected O, or B-, I-, E- or S- and"
                " a label",
                column,
            )
        kind, label = (found[1], found[2] or ONLY_LABEL) if found else ("O", "")
        if open_span is not None and kind in "IMEL" and label == open_span.label:
            open_span = open_span._replace(end=end)
        else:
            if open_span is not None:
                yield open_span
            open_span = Span(start, end, label) if found else None
        if open_span is not None and kind in "ELSU":
            yield open_span
            open_span = None
    if open_span is not None:
        yield open_span


def _listed(cell: Any, column: str) -> list[Any]:  # noqa: ANN401 (a cell)
    """The items of a cell: of a list, of one in JSON, of nothing."""
    if isinstance(cell, str) and cell.strip():
        try:
            cell = strict_json.loads(cell)
        except ValueError as error:
            raise RowError(
                f"expected a list, got {cell!r:.{_SHOWN}}, which is no JSON: {error}", column
            ) from None
    if cell is None or cell == "" or (isinstance(cell, str) and not cell.strip()):
        return []
    if not isinstance(cell, list | tuple):
        raise RowError(f"expected a list of entities or of tags, got {cell!r:.{_SHOWN}}", column)
    return list(cell)


def _span(item: Any, text: str, column: str) -> Span:  # noqa: ANN401 (any JSON)
    """One entity as it is written, compared with the text."""
    if isinstance(item, Mapping):
        start, end = (item.get(name, item.get(f"{name}_offset")) for name in ("start", "end"))
        label = item.get("label", item.get("labels"))
        if isinstance(label, list) and len(label) == 1:
            label = label[0]
    elif isinstance(item, list | tuple) and len(item) == 3:
        start, end, label = item
    else:
        raise RowError(f"expected {{start, end, label}}, got {item!r:.{_SHOWN}}", column)
    if not all(isinstance(place, int) and not isinstance(place, bool) for place in (start, end)):
        raise RowError(f"`start` and `end` are whole numbers, got {start!r:.20} and {end!r:.20}", column)
    if not isinstance(label, str) or not label.strip():
        raise RowError(f"expected one label of {start} to {end}, got {label!r:.{_SHOWN}}", column)
    if label.strip() == "O":
        raise RowError(f"{start} to {end} has the label O, which is that of no entity: leave it out", column)
    if not 0 <= start < end <= len(text):
        raise RowError(f"{start} to {end} is no span of a text of {len(text):,} characters", column)
    span = Span(start, end, label.strip())
    said = item.get("text") if isinstance(item, Mapping) else None
    if isinstance(said, str) and said != text[start:end]:
        raise RowError(
            f"{_shown(text, span)} stands there, and the entity says {said!r:.{_SHOWN}}: offsets count characters"
            " (Unicode code points) from 0",
            column,
        )
    return span


def _aligned(
    text: str, spans: Sequence[Span], misaligned: Literal["error", "widen"], column: str
) -> tuple[list[Span], list[str]]:
    """The spans from the beginning of a word to the end of one, and what had to be changed for that, in words."""
    starts = word_starts(text)
    ends = word_ends(text, starts)
    made, remarks = [], []
    for span in spans:
        inner = text[span.start : span.end]
        start = span.start + len(inner) - len(inner.lstrip())
        end = span.end - len(inner) + len(inner.rstrip())
        if start >= end:
            raise RowError(f"{span.start} to {span.end} is blank", column)
        while not starts[start]:
            start -= 1
        whole = Span(start, int(ends[end - 1]), span.label)
        if whole != span:
            if misaligned == "error":
                raise RowError(
                    f"{_shown(text, span)} does not begin and end with a word; as words it is {_shown(text, whole)}"
                    " (`data.misaligned: widen` takes that)",
                    column,
                )
            remarks.append(f"{_shown(text, span)} to {_shown(text, whole)}")
        made.append(whole)
    return made, remarks


def _shown(text: str, span: Span) -> str:
    return f"{text[span.start : span.end]!r:.{_SHOWN}} ({span.label}, {span.start} to {span.end})"
