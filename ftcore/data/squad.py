"""Files of one JSON value: SQuAD's (versions 1.1 and 2.0, and the many sets of its shape), or an array of objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftcore.data.json_file import read_json_file
from ftcore.data.records import Record
from ftcore.errors import DataError


def read_squad(path: Path, name: str, encoding: str) -> Iterator[Record]:
    """One record a question: id, title, question, context and answers (`{text: [...], answer_start: [...]}`).

    The location is the number of the question. A question marked `is_impossible` has no answers. Of an array each
    object is a record, and the location its number.

    Raises:
        DataError: the file is too large, or not JSON of this shape.
    """
    document = read_json_file(path, name, encoding)
    if isinstance(document, list):
        yield from _objects(document, name)
        return
    number = 0
    for a, article in enumerate(_list(document, "data", name)):
        for p, paragraph in enumerate(_list(article, "paragraphs", f"{name}: data[{a}]")):
            where = f"{name}: data[{a}].paragraphs[{p}]"
            for question in _list(paragraph, "qas", where):
                number += 1
                location = f"{name}:{number}"
                if not isinstance(question, Mapping):
                    yield Record(location, None, f"expected an object, got {type(question).__name__}")
                    continue
                impossible = question.get("is_impossible")
                problem = (
                    ""
                    if impossible is None or isinstance(impossible, bool)
                    else f"`is_impossible` is true or false, not {impossible!r:.60}"
                )
                yield Record(location, None if problem else _values(question, paragraph, article), problem)


def _objects(rows: list[Any], name: str) -> Iterator[Record]:
    for number, row in enumerate(rows, 1):
        location = f"{name}:{number}"
        if isinstance(row, dict):
            yield Record(location, row)
        else:
            yield Record(location, None, f"expected an object, got {type(row).__name__}")


def _values(
    question: Mapping[str, Any], paragraph: Mapping[str, Any], article: Mapping[str, Any]
) -> dict[str, Any]:
    found = {"id": question.get("id"), "title": article.get("title")}
    for key, owner in (("question", question), ("context", paragraph), ("answers", question)):
        if key in owner:
            found[key] = owner[key]
    if question.get("is_impossible") is True:
        found["answers"] = []
    return found


def _list(owner: Any, key: str, where: str) -> list[Any]:  # noqa: ANN401 (any JSON)
    found = owner.get(key) if isinstance(owner, Mapping) else None
    if not isinstance(found, list):
        raise DataError(
            f"not of SQuAD's shape: there is no list {key!r}",
            where=where,
            hint="it is {data: [{title, paragraphs: [{context, qas: [{id, question, answers}]}]}]}; write other"
            " data as JSON Lines",
        )
    return found
