"""Written answers that are not those of their inputs: each kind is found, and nothing in rows that are in order."""

from __future__ import annotations

import random

import pytest
from audited_texts import audited

from ftcore.audit.alignment import misplaced_answers
from ftcore.audit.findings import Finding

WORDS = (
    "river",
    "mountain",
    "a",
    "winter",
    "letter",
    "of",
    "kitchen",
    "green",
    "slowly",
    "tea",
    "to",
    "morning",
)


def pairs(count: int) -> list[tuple[str, str]]:
    """Sentences of 3 to 20 words and their translation: each word backwards, so that no word is in both languages."""
    made = []
    for number in range(count):
        draw = random.Random(number)
        words = [f"{draw.choice(WORDS)}{draw.randrange(9)}" for _ in range(draw.randint(3, 20))]
        made.append((" ".join(words), " ".join(word[::-1] for word in words)))
    return made


def found(pairs: list[tuple[str, str]], places: list[int] | None = None) -> list[Finding]:
    return [*misplaced_answers(audited(pairs, places))]


def moved(pairs: list[tuple[str, str]], start: int, by: int) -> list[tuple[str, str]]:
    """From row `start` on, the answers are those of the rows `by` further."""
    last = len(pairs) - 1
    return [
        (given, answer if row < start else pairs[min(row + by, last)][1])
        for row, (given, answer) in enumerate(pairs)
    ]


@pytest.mark.parametrize("count", [199, 200, 1000])
def test_rows_in_order(count: int) -> None:
    assert found(pairs(count)) == []


def test_answers_that_were_mixed_up() -> None:
    rows = pairs(300)
    answers = random.Random(0).sample([answer for _, answer in rows], 300)
    (one,) = found(list(zip([given for given, _ in rows], answers, strict=True)))
    assert one.severity == "warning"
    assert one.what == (
        "the answers fit their inputs no better than those of other rows: neither by length nor by words"
    )


def test_answers_of_one_length_that_have_words_of_their_inputs() -> None:
    """A title, say: of some words of the text, as long as any other."""
    rows = [(given, " ".join(random.Random(given).sample(given.split(), 3))) for given, _ in pairs(300)]
    assert found(rows) == []
    answers = random.Random(0).sample([answer for _, answer in rows], 300)
    (one,) = found(list(zip([given for given, _ in rows], answers, strict=True)))
    assert one.check == "misplaced answers"


def test_a_line_that_is_missing() -> None:
    (one,) = found(moved(pairs(1000), start=420, by=1))
    assert one.what == "the answers of about 550 rows stand 1 row before their inputs"
    assert [example.rows[0].location for example in one.examples] == ["rows:451"]


def test_a_line_that_is_missing_where_lengths_tell_nothing() -> None:
    rows = [(given, " ".join(random.Random(given).sample(given.split(), 3))) for given, _ in pairs(400)]
    (one,) = found(moved(rows, start=200, by=1))
    assert one.what == "the answers of about 200 rows stand 1 row before their inputs"
    assert [example.rows[0].location for example in one.examples] == ["rows:201"]


def test_two_lines_too_many() -> None:
    (one,) = found(moved(pairs(1000), start=2, by=-2))
    assert one.what == "the answers of about 1,000 rows stand 2 rows after their inputs"


def test_splits_are_put_together_as_the_file_has_them() -> None:
    rows = moved(pairs(600), start=0, by=1)
    order = random.Random(3).sample(range(600), 600)
    (one,) = found([rows[row] for row in order], order)
    assert one.what == "the answers of about 600 rows stand 1 row before their inputs"


def test_rows_the_wrong_way_round() -> None:
    rows = [
        (answer, given) if row % 10 == 0 else (given, answer)
        for row, (given, answer) in enumerate(pairs(400))
    ]
    (one,) = found(rows)
    assert one.check == "swapped answers"
    assert 30 <= one.count <= 40, "of 40: a few have hardly a word that is often there"
    assert all(int(example.rows[0].location.split(":")[1]) % 10 == 1 for example in one.examples)
    same = [(given, f"{given} indeed") for given, _ in pairs(400)]
    assert found(same) == [], "inputs and answers of one language have no sides"


def test_chinese_has_no_blanks() -> None:
    signs = [chr(0x4E00 + number) for number in range(60)]
    rows = [
        (given, "".join(random.Random(given).choices(signs, k=len(given) // 3))) for given, _ in pairs(400)
    ]
    assert found(rows) == []
    rows[7] = rows[7][::-1]
    (one,) = found(rows)
    assert (one.check, one.count) == ("swapped answers", 1)


def test_one_answer_for_most() -> None:
    rows = [
        (given, answer if row % 3 == 0 else "I do not know.")
        for row, (given, answer) in enumerate(pairs(300))
    ]
    (one,) = found(rows)
    assert one.what == "200 of 300 rows have one answer: 'I do not know.'"


def test_classes_that_are_written_are_no_translation() -> None:
    assert (
        found([(given, ("yes", "no", "perhaps")[row % 3]) for row, (given, _) in enumerate(pairs(300))]) == []
    )
