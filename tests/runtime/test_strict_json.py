"""JSON as the standard has it, in time linear in its length."""

from __future__ import annotations

import time

import pytest

from ftcore_runtime import strict_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2, 1.5, "x", null, true]}', {"a": [1, -2, 1.5, "x", None, True]}),
        ("-" + "9" * 309, -int("9" * 309)),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud800"', "\\ud800"),
        ('{"\\uD83D\\uDE00": "\\u00e9"}', {"\U0001f600": "\xe9"}),
        ("1e308", 1e308),
    ],
)
def test_what_is_valid(text: str, value: object) -> None:
    assert strict_json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("NaN", "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("1e309", "a number is out of range"),
        ("[" + "9" * 310 + "]", "a number is out of range"),
        ("-" + "9" * 310, "a number is out of range"),
        ('{"a": 1, "a": 1}', "a key appears twice"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('["a", {"b": "x\\uDFFFy"}]', "half of a surrogate pair"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        ('"\\ude00\\ud83d"', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        ('["a', "Unterminated string starting at at line 1 column 2"),
        ("", "Expecting value at line 1 column 1"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_not(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        strict_json.loads(text)


def test_halves_are_left_to_a_caller_that_looks() -> None:
    assert strict_json.loads('{"a": "\\ud800"}', lone_surrogates=True) == {"a": "\ud800"}


@pytest.mark.parametrize("before", [0, 1, 151, 152, 153, 154, 155, 308, 309, 1000])
def test_a_number_is_too_long_wherever_it_stands(before: int) -> None:
    with pytest.raises(ValueError, match="a number is out of range"):
        strict_json.loads("[" + " " * before + "9" * 310 + "]")


def test_long_numbers_cost_no_more_than_their_length() -> None:
    began = time.thread_time()
    for digits in ("1" * 2**20, "[" + "1" * 4299 + ("," + "1" * 4299) * 200 + "]"):
        with pytest.raises(ValueError, match="out of range"):
            strict_json.loads(digits)
    assert time.thread_time() - began < 0.1
