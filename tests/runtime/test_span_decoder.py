"""The span decoder against a search of every span, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.span_extraction import SpanExtractionDecoder
from ftcore_runtime.decoders.windowed import TokenPlaces
from ftcore_runtime.errors import BundleError
from ftcore_runtime.spans import SpanAnswer
from ftcore_runtime.windows import WindowConfig

TEXT = "".join(chr(0x4E00 + i) for i in range(200))  # every character another one: a text tells its place


def decoder(longest: int = 4, threshold: float | None = None) -> SpanExtractionDecoder:
    return SpanExtractionDecoder(WindowConfig(2, 2), longest, threshold)


def random_case(seed: int, questions: int, tokens: int) -> tuple[dict[str, np.ndarray], TokenPlaces]:
    """One to three windows a question; random edges, some of them missing; padding at the right."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, questions)
    row = np.repeat(np.arange(questions), counts)
    begins = np.full((len(row), tokens), -1, np.int32)
    ends = begins.copy()
    window = np.concatenate([np.arange(count) for count in counts])
    for i, w in enumerate(window):
        real = rng.integers(2, tokens + 1)
        token_spans = w * 40 + np.arange(real)
        begins[i, 1:real] = np.where(rng.random(real) < 0.8, token_spans, -1)[1:]
        ends[i, 1:real] = np.where(rng.random(real) < 0.8, token_spans + 1, -1)[1:]
    logits = {
        name: rng.normal(0, 3, begins.shape).astype(np.float32) for name in ("start_logits", "end_logits")
    }
    return logits, TokenPlaces(row, begins, ends, [TEXT] * questions)


def every_span(logits, token_spans, question: int, longest: int) -> list[tuple[float, int, int]]:
    found = []
    for w in np.flatnonzero(token_spans.row == question):
        for i in range(token_spans.begins.shape[1]):
            for j in range(i, min(i + longest, token_spans.begins.shape[1])):
                if token_spans.begins[w, i] >= 0 and token_spans.ends[w, j] >= 0:
                    score = logits["start_logits"][w, i] + logits["end_logits"][w, j]
                    found.append((float(score), int(token_spans.begins[w, i]), int(token_spans.ends[w, j])))
    return sorted(found, reverse=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    questions=st.integers(1, 4),
    tokens=st.integers(2, 12),
    longest=st.integers(1, 14),
    top_k=st.integers(1, 30),
    optional=st.booleans(),
)
def test_finds_what_a_search_of_every_span_finds(seed, questions, tokens, longest, top_k, optional) -> None:
    logits, token_spans = random_case(seed, questions, tokens)
    threshold = 0.5 if optional else None
    answers = decoder(longest, threshold).answers(logits, token_spans, top_k)
    for question, answer in enumerate(answers):
        spans = every_span(logits, token_spans, question, longest)
        first = logits["start_logits"][:, 0].astype(float) + logits["end_logits"][:, 0]
        null = first[token_spans.row == question].min()
        total = (
            np.logaddexp.reduce([score for score, *_ in spans] + [null] * optional)
            if spans or optional
            else 0
        )
        none = not spans or (optional and null - spans[0][0] > threshold)
        assert answer.text == ("" if none else TEXT[spans[0][1] : spans[0][2]])
        assert answer.no_answer == (pytest.approx(np.exp(null - total), rel=1e-4) if optional else None)
        if not none:
            assert (answer.start, answer.end) == spans[0][1:]
            assert answer.score == pytest.approx(np.exp(spans[0][0] - total), rel=1e-4)
        if top_k > 1:
            assert answer.candidates is not None
            assert len(answer.candidates) == min(top_k, len(spans))
            wanted = [np.exp(score - total) for score, *_ in spans[:top_k]]
            assert [c["score"] for c in answer.candidates] == pytest.approx(wanted, rel=1e-4)
        else:
            assert answer.candidates is None


def test_probabilities_of_all_spans_and_no_answer_sum_to_one() -> None:
    logits, token_spans = random_case(3, 2, 10)
    for answer in decoder(10, 0.0).answers(logits, token_spans, 1000):
        assert answer.candidates is not None
        assert sum(c["score"] for c in answer.candidates) + answer.no_answer == pytest.approx(1)


def test_the_threshold_decides_and_the_candidates_stay() -> None:
    logits = {name: np.zeros((1, 3), np.float32) for name in ("start_logits", "end_logits")}
    logits["start_logits"][0] = [3, 1, 0]
    token_spans = TokenPlaces(
        np.array([0]), np.array([[-1, 0, 1]], np.int32), np.array([[-1, 1, 2]], np.int32), ["ab"]
    )
    (none,) = decoder(threshold=1.5).answers(logits, token_spans, 2)
    (some,) = decoder(threshold=2.5).answers(logits, token_spans, 2)
    assert none.text == ""
    assert none.start is none.end is None
    assert some.text in ("a", "ab")
    assert none.candidates == some.candidates
    assert none.score == none.no_answer == some.no_answer
    assert "start" not in none.to_json()


def test_logits_of_another_shape_are_refused() -> None:
    logits, token_spans = random_case(0, 1, 5)
    with pytest.raises(BundleError, match="start_logits"):
        decoder().answers({**logits, "start_logits": logits["start_logits"][:, :-1]}, token_spans)


def test_reads_its_section_strictly() -> None:
    section = {
        "name": "span_extraction",
        "windows": {"stride": 2, "max_question_length": 2},
        "max_answer_length": 4,
        "null_threshold": None,
    }
    assert make_decoder(section) == decoder()
    assert make_decoder({**section, "null_threshold": 1.5}) == decoder(threshold=1.5)
    for key, value in (("max_answer_length", 0), ("null_threshold", "high"), ("windows", 3), ("more", 1)):
        with pytest.raises(BundleError):
            make_decoder({**section, key: value})


def test_agreement_is_about_the_text_and_the_margin_about_its_probability() -> None:
    candidates = [
        {"text": "a", "start": 0, "end": 1, "score": 0.5},
        {"text": "b", "start": 2, "end": 3, "score": 0.3},
        {"text": "b", "start": 5, "end": 6, "score": 0.1},
    ]
    answer = SpanAnswer("a", 0, 1, 0.5, 0.05, candidates)
    assert answer.agrees(SpanAnswer("a", 7, 8, 0.9))
    assert not answer.agrees(SpanAnswer("b", 2, 3, 0.4))
    assert answer.margin(SpanAnswer("b", 5, 6, 0.4)) == pytest.approx(0.2)
    assert answer.margin(SpanAnswer("", score=0.4)) == pytest.approx(0.45)
    assert answer.margin(SpanAnswer("other", 1, 2, 0.4)) == 0.5
    assert SpanAnswer.from_json(answer.to_json()) == answer
