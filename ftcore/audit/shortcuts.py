"""Words that give a label away, such as a source's name: what a model learns in place of what the texts say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ftcore.audit.findings import Example, Finding, Severity, counted, kept
from ftcore.audit.texts import Texts

_FEWEST_ROWS = 20  # of a label, and of all others: of fewer a word may do so by chance
_FIRST, _OF_FIRST = 20, 15  # a word of nearly all rows is in so many of the first ones
_IN_OWN, _IN_OTHERS = 0.95, 0.005  # shares of the rows from, and up to, which a word gives its label away
_MOST = 0.5  # share of the training rows from which such labels are no peculiarity of a few
_SHOWN = 4  # words named in a sentence


def giveaway_words(rows: Texts) -> Iterator[Finding]:
    """Labels of which nearly every training row has a word that hardly any other row has.

    A source's name, a tag or a template does that: a classifier learns it and nothing else, its test rows have it, too,
    and only texts from elsewhere show that it has learnt nothing. Words are parted by blanks.
    """
    if rows.labels is None or not all(isinstance(answer, str) for answer in rows.answers):
        return  # of entities, say, a row has as many as it has
    by_label: dict[str, list[int]] = defaultdict(list)
    for index in rows.of_split("train"):
        by_label[rows.labels[index][0]].append(int(index))
    words = _giveaways({label: [rows.plain[index] for index in own] for label, own in by_label.items()})
    if not words:
        return
    rows_of_these = sum(len(by_label[label]) for label in words)
    said = [
        f"{word!r} is in {own:.0%} of the rows with {label!r} and in {others:.1%} of the others"
        for label, (word, own, others) in words.items()
    ]
    what = f"{counted(len(words), 'label')} given away by one word: {'; '.join(said[:_SHOWN])}"
    hint = "if other texts will lack it, take it out of these: a model learns little else, and no test row shows it"
    severity: Severity = "warning" if rows_of_these >= _MOST * sum(map(len, by_label.values())) else "note"
    examples = [Example((rows.row(by_label[label][0]),), word) for label, (word, _, _) in words.items()]
    yield Finding("giveaway words", severity, what, rows_of_these, hint, kept(examples))


def _giveaways(texts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, float, float]]:
    """Label -> the word that gives it away, the share of its rows that have it, and that of the others."""
    candidates: dict[str, set[str]] = {}
    for label, own in texts.items():
        first = Counter(word for text in own[:_FIRST] for word in set(text.split()))
        if len(own) >= _FEWEST_ROWS:
            candidates[label] = {word for word, count in first.items() if count >= _OF_FIRST}
    looked_for = set().union(*candidates.values())
    counts = {
        label: Counter(word for text in own for word in looked_for.intersection(text.split()))
        for label, own in texts.items()
    }
    every = sum(counts.values(), Counter[str]())
    all_rows = sum(map(len, texts.values()))
    found = {}
    for label, words in candidates.items():
        rows, others = len(texts[label]), all_rows - len(texts[label])
        if others < _FEWEST_ROWS:
            continue
        for word in sorted(words, key=lambda word: (-counts[label][word], word)):
            share, elsewhere = counts[label][word] / rows, (every[word] - counts[label][word]) / others
            if share >= _IN_OWN and elsewhere <= _IN_OTHERS:
                found[label] = (word, share, elsewhere)
                break
    return found
