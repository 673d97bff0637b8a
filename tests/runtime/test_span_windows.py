"""Windows of questions and contexts, with the tokenizers of every kind of encoder."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from span_tokenizers import KINDS, TEXTS, make_tokenizer

from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.windows import WindowConfig, WindowEncoder, _cuts

ANSWERS = ["1951", "Bergen", "😀", "👩‍👩‍👧", "é", "光荣", "ω-force", "2009年", "12,000 copies"]
QUESTION, CONTEXT = TEXTS[0], " ".join(TEXTS[1:])


def encoder(kind: str, max_length: int) -> TextEncoder:
    pad, types = KINDS[kind]
    tokenizer = make_tokenizer(kind)
    inputs = ("input_ids", "attention_mask", *(("token_type_ids",) if types else ()))
    return TextEncoder(tokenizer, EncoderConfig(max_length, tokenizer.token_to_id(pad), "right", inputs))


def windows_of(kind: str, question: str, context: str, max_length=64, stride=8, longest=20):
    return WindowEncoder(encoder(kind, max_length), WindowConfig(stride, longest)).encode(
        [question], [context]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_that_fits_gets_the_ids_and_types_of_the_tokenizer_itself(kind: str) -> None:
    found = windows_of(kind, QUESTION, CONTEXT, max_length=512, longest=200)
    tokenizer = make_tokenizer(kind)
    expected = tokenizer.encode(QUESTION, CONTEXT)
    assert found.encoded.input_ids == [expected.ids]
    if KINDS[kind][1]:
        assert found.encoded.token_type_ids == [expected.type_ids]
    assert expected.sequence_ids.index(1) == found.offset[0]
    assert expected.sequence_ids.count(1) == found.count[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_window_has_the_question_whole_and_all_of_the_context_is_seen(kind: str) -> None:
    found = windows_of(kind, QUESTION, CONTEXT, max_length=48, longest=64)
    whole = make_tokenizer(kind).encode(QUESTION, CONTEXT)
    first = whole.sequence_ids.index(1)
    head = whole.ids[:first]
    context = [i for i, side in zip(whole.ids, whole.sequence_ids, strict=True) if side == 1]
    if found.encoded.truncated.any():  # half of the window is the question's, at most
        assert len(head) > 24
    else:
        assert all(ids[: len(head)] == head for ids in found.encoded.input_ids)
    seen = [False] * len(context)
    for ids, offset, at, count in zip(
        found.encoded.input_ids, found.offset, found.first, found.count, strict=True
    ):
        assert len(ids) <= 48
        assert ids[offset : offset + count] == context[at : at + count]
        assert ids[offset + count :] == whole.ids[first + len(context) :]
        seen[at : at + count] = [True] * int(count)
    assert all(seen)
    assert len(found) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "answer", ["1951", "Bergen", "😀", "👩‍👩‍👧", "é", "光荣", "ω-force", "2009年", "12,000 copies"]
)
def test_an_answer_is_found_by_code_points_and_given_back_as_it_stands(kind: str, answer: str) -> None:
    start = CONTEXT.index(answer)
    tokens = windows_of(kind, QUESTION, CONTEXT).contexts[0]
    span = tokens.find(start, start + len(answer))
    assert span is not None
    begin, end = int(tokens.offsets[span[0], 0]), int(tokens.offsets[span[1], 1])
    assert answer in CONTEXT[begin:end]
    assert (
        len(CONTEXT[begin:end]) - len(answer) <= 8
    )  # a token may be more than the answer, never another one
    assert not CONTEXT[begin:end][:1].isspace()
    assert not CONTEXT[begin:end][-1:].isspace()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_begin_and_end_in_the_context_alone_and_each_place_once(kind: str) -> None:
    found = windows_of(kind, QUESTION, CONTEXT)
    begins, ends = found.edges()
    for begin, end, offset, count in zip(begins, ends, found.offset, found.count, strict=True):
        outside = [i for i in range(len(begin)) if not offset <= i < offset + count]
        assert (begin[outside] == -1).all()
        assert (end[outside] == -1).all()
    positions = [int(x) for begin in begins for x in begin if x >= 0]
    assert positions == sorted(set(positions))  # owned by one window each
    assert not any(CONTEXT[offset].isspace() for offset in positions)
    for end in ends:
        real = end[end >= 0]
        assert (real[1:] > real[:-1]).all()


def test_the_same_context_is_tokenised_once() -> None:
    cutter = WindowEncoder(encoder("bert", 64), WindowConfig(8, 20))
    found = cutter.encode(["who?", "when?"], [CONTEXT, CONTEXT])
    assert found.contexts[0] is found.contexts[1]
    assert (found.row[1:] >= found.row[:-1]).all()


def test_a_long_question_is_cut_and_leaves_half_of_the_window() -> None:
    found = windows_of("bert", QUESTION * 20, CONTEXT, max_length=32, longest=64)
    assert found.encoded.truncated.all()
    assert all(len(ids) <= 32 for ids in found.encoded.input_ids)
    assert found.count.max() >= 14


def test_a_context_of_nothing_that_the_tokenizer_knows_makes_one_window_without_places() -> None:
    found = windows_of("bert", QUESTION, "\u200b\u200b")
    begins, _ = found.edges()
    assert len(found) == 1
    assert (begins[0] == -1).all()


def test_a_tokenizer_without_special_tokens_is_refused() -> None:
    broken = encoder("bert", 64)
    broken.tokenizer.post_processor = None
    with pytest.raises(BundleError, match="no special token before a pair"):
        WindowEncoder(broken, WindowConfig(8, 20))


def test_a_window_config_survives_json_and_is_read_strictly() -> None:
    config = WindowConfig(8, 20)
    assert WindowConfig.from_json(config.to_json(), "x") == config
    for bad in ({}, {"stride": -1, "max_question_length": 3}, {**config.to_json(), "more": 1}):
        with pytest.raises(BundleError):
            WindowConfig.from_json(bad, "x")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 300), st.integers(1, 60), st.integers(0, 80))
def test_cuts_cover_and_own_every_token_once(tokens: int, width: int, stride: int) -> None:
    cuts = _cuts(tokens, width, stride)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == tokens
    assert [i for _, _, own, until in cuts for i in range(own, until)] == list(range(tokens))
    for first, last, own, until in cuts:
        assert first <= own <= until <= last
        assert last - first <= width
    shared = [before[1] - after[0] for before, after in pairwise(cuts)]
    assert all(part == min(stride, width // 2) for part in shared)
