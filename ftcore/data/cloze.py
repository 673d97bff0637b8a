"""Questions out of articles that nobody annotated, in the manner of Hermann et al. (2015).

A name or a number of an article's headline or first sentence becomes a blank; the answer is where it stands in the rest
of the article. The same articles always give the same questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcore.data.news import paragraphs
from ftcore.data.records import Record
from ftcore.data.textfile import Encodings, whole_text

#: What stands in a question for the answer.
BLANK = "___"

_NAME = re.compile(r"(?<![\w'’-])[A-Z][\w-]+(?: [A-Z][\w-]+)*(?![\w-])")
_NUMBER = re.compile(r"(?<![\w.,£$€-])[£$€]?\d+(?:[.,]\d+)*(?:%|bn|m|k)?(?![\w%])")
_SENTENCE = re.compile(r"(?<!\b[A-Z])(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)[.!?][\"'’”)]*(?=\s)")


@dataclass(frozen=True)
class Cloze:
    """A question with a blank, and every position in the context where its answer stands."""

    question: str
    answer: str
    starts: tuple[int, ...]


def read_cloze(root: Path, name: str, encodings: Encodings) -> Iterator[Record]:
    """Questions of every .txt file below `root`, in sorted order.

    The first line of a file is the headline. Columns: id, title (the headline), question, context and answers
    (`{text: [...], answer_start: [...]}`). An article without a usable name or number gives no record.
    """
    for path in sorted(root.rglob("*.txt")):
        file = path.relative_to(root).as_posix()
        location = f"{name.rstrip('/')}/{file}"
        headline, lead, context = split_article(whole_text(path, location, encodings))
        for number, cloze in enumerate(clozes(headline, lead, context), 1):
            answers = {"text": [cloze.answer] * len(cloze.starts), "answer_start": list(cloze.starts)}
            yield Record(
                location,
                {
                    "id": f"{file}#{number}",
                    "title": headline,
                    "question": cloze.question,
                    "context": context,
                    "answers": answers,
                },
            )


def split_article(text: str) -> tuple[str, str, str]:
    """Headline (the first line), first sentence of the body, and the rest of it with its paragraphs."""
    headline, _, body = text.strip().partition("\n")
    body = paragraphs(body)
    paragraph = body.partition("\n")[0]
    end = found.end() if (found := _SENTENCE.search(paragraph)) else len(paragraph)
    return headline.strip(), body[:end].strip(), body[end:].strip()


def clozes(headline: str, lead: str, context: str) -> Iterator[Cloze]:
    """Questions of one article; each answer is asked for once."""
    used: set[str] = set()
    for sentence in (headline, lead):
        for answer in _candidates(sentence):
            if answer in used:
                continue
            pattern = _whole(answer)
            starts = tuple(match.start() for match in pattern.finditer(context))
            if starts and (answer[0].isdigit() or not answer[0].isalpha() or _is_name(answer, context)):
                used.add(answer)
                yield Cloze(pattern.sub(BLANK, sentence), answer, starts)


def _candidates(sentence: str) -> list[str]:
    found = [*_NAME.finditer(sentence), *_NUMBER.finditer(sentence)]
    return [match[0] for match in sorted(found, key=lambda match: match.start())]


def _whole(answer: str) -> re.Pattern[str]:
    """The answer where it is no part of a longer word or number."""
    return re.compile(rf"(?<![\w£$€-])(?<!\d[.,]){re.escape(answer)}(?![\w%-])(?![.,]\d)")


def _is_name(answer: str, context: str) -> bool:
    """Whether capitals are this word's own: it has them within a sentence, and never goes without."""
    inside = re.search(rf"[a-z,;] {re.escape(answer)}(?!\w)", context)
    return bool(inside) and not re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", context)
