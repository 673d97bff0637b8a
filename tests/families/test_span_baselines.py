"""What found answers are compared with, and what is said where a model finds none, or always the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ftcore.families.span_extraction.baselines import span_baselines, span_warnings
from ftcore_runtime.spans import SpanAnswer

ROWS = pa.table(
    {
        "question": ["Who wrote the book?", "谁写了这本书？", "When?"],
        "context": [
            "The sun shone. Ann wrote the book! It sold well.",
            "阳光明媚。安写了这本书。销量很好。",
            "...",
        ],
    }
)
SENTENCE = "the sentence most like the question"


def test_the_sentence_most_like_the_question() -> None:
    found = span_baselines(ROWS, optional=False)
    assert list(found) == [SENTENCE]
    english, chinese, nothing = found[SENTENCE]
    assert english.text.strip() == "Ann wrote the book!"
    assert chinese.text == "安写了这本书。"
    assert nothing.text == ""
    for answer, context in zip((english, chinese), ROWS["context"].to_pylist(), strict=False):
        assert context[answer.start : answer.end] == answer.text
    assert english.no_answer is None


def test_no_answer_where_that_may_be_right() -> None:
    found = span_baselines(ROWS, optional=True)
    assert {answer.text for answer in found["never giving an answer"]} == {""}
    assert all(answer.no_answer is not None for answers in found.values() for answer in answers)


@pytest.mark.parametrize(
    ("references", "answers", "expected"),
    [
        ([["a"], ["b"]], ["", ""], ["no question gets an answer"]),
        ([[], []], ["", ""], []),
        ([["a"], ["b"]], ["a", "a"], ["every question gets the same answer, 'a'"]),
        ([["a"], ["a"]], ["a", "a"], []),
        ([["a"], ["b"]], ["a", ""], []),
        ([["a"]], ["x"], []),
    ],
)
def test_what_is_plainly_wrong(references: list[list[str]], answers: list[str], expected: list[str]) -> None:
    assert span_warnings(references, [SpanAnswer(text) for text in answers]) == expected
