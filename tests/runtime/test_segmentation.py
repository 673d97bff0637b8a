"""Words in any script: what is one, that nothing is lost, and texts without some of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore_runtime.segmentation import is_word, reordered, without, words


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The crew was great, really!!!", ["The", "crew", "was", "great", ",", "really", "!!!"]),
        ("don't re-send it\nagain", ["don't", "re-send", "it", "again"]),
        ("物流太慢了，质量还可以", ["物流", "太慢", "了", "，", "质量", "还", "可以"]),
        ("iPhone很好用", ["iPhone", "很", "好", "用"]),
        ("今日は天気がいい", ["今日は", "天気が", "いい"]),
        ("สวัสดีครับ", ["สวัสดี", "ครับ"]),
        ("हिन्दी में लिखा", ["हिन्दी", "में", "लिखा"]),
        ("می‌خواهم بروم", ["می‌خواهم", "بروم"]),
        ("ok 👩‍👩‍👧👩‍👩‍👧 é", ["ok", "👩‍👩‍👧👩‍👩‍👧", "é"]),
        ("ကောင်း", ["ကေ", "ာ", "င်", "း"]),
        ("좋은 영화", ["좋은", "영화"]),
        ("  \n", []),
        ("", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_every_character_but_blanks_is_in_one_word(text: str) -> None:
    spans = words(text)
    assert all(begin < end for begin, end in spans)
    assert [at for begin, end in spans for at in range(begin, end)] == [
        at
        for at, character in enumerate(text)
        if not character.isspace() or any(b <= at < e for b, e in spans)
    ]
    assert without(text, spans, set()) == (text if spans else "")
    assert reordered(text, spans, range(len(spans))) == text
    assert without(text, spans, range(len(spans))) == ""


@pytest.mark.parametrize(
    ("text", "removed", "left"),
    [
        ("the food was good", {1}, "the was good"),
        ("the food was good", {0}, "food was good"),
        ("the food was good", {3}, "the food was"),
        ("a, b", {1}, "a b"),
        ("so good!", {1}, "so !"),
        ("物流太慢了", {1}, "物流了"),
        ("first\n\nsecond third", {1}, "first\n\nthird"),
        (" padded ", {0}, ""),
    ],
)
def test_what_is_left_without_a_word(text: str, removed: set[int], left: str) -> None:
    assert without(text, words(text), removed) == left


def test_words_change_places_and_gaps_stay() -> None:
    assert reordered("a,  b c.", words("a,  b c."), [2, 1, 0, 3, 4]) == "b,  a c."
    assert is_word("2")
    assert not is_word("!?")


@pytest.mark.parametrize("unit", ["word ", "物流太慢", "今日は", "สวัสดี", "!", "'-", "‍", "́", "ကောင်း"])
def test_time_is_linear(unit: str) -> None:
    def seconds(times: int) -> float:
        text = unit * times
        taken = []
        for _ in range(3):
            began = time.process_time()
            words(text)
            taken.append(time.process_time() - began)
        return min(taken)

    words(unit)
    assert seconds(20_000) < 40 * max(seconds(2_000), 1e-3), (
        "ten times the text, and no hundred times the time"
    )
