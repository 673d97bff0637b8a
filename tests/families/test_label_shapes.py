"""Labels of several, in every shape that files have them in: the same labels, or an error that says what to set."""

from __future__ import annotations

from typing import Any

import pytest

from ftcore.errors import RowError
from ftcore.families.sequence_classification.labels import check_names, label_set, natural

ABC = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "labels", "expected"),
    [
        (["b", "a"], None, ["a", "b"]),
        ("b|a", None, ["a", "b"]),
        ("", None, []),
        ([], None, []),
        ("[]", None, []),
        ("['b', 'a']", None, ["a", "b"]),
        ("['b' 'a']", None, ["a", "b"]),  # NumPy
        ("['b',\n 'a']", None, ["a", "b"]),
        ("('a',)", None, ["a"]),
        ("{'b', 'a'}", None, ["a", "b"]),
        ('["b", "a"]', None, ["a", "b"]),
        ('["it\\u0027s", "a, b"]', None, ["a, b", "it's"]),
        ('["it\'s", "a"]', None, ["a", "it's"]),
        ([1, 0, 1], ABC, ["a", "c"]),
        ([True, False, True], ABC, ["a", "c"]),
        ([1.0, 0.0, 1.0], ABC, ["a", "c"]),
        ("[1, 0, 1]", ABC, ["a", "c"]),
        ("[1 0 1]", ABC, ["a", "c"]),
        ("[True, False, True]", ABC, ["a", "c"]),
        ("[true, false, true]", ABC, ["a", "c"]),
        ({"a": 1, "b": 0, "c": True}, None, ["a", "c"]),
        ('{"a": true, "b": false}', None, ["a"]),
        ([0, 1], ["0", "1", "2"], ["0", "1"]),  # names
        ([3, 12], None, ["12", "3"]),
        ("[a]", ["[a]", "b"], ["[a]"]),  # a name that the spec gives
        ("set()", None, []),
        ("frozenset({'b', 'a'})", None, ["a", "b"]),
        ("array(['b', 'a'], dtype=object)", None, ["a", "b"]),
        ("array([1., 0., 1.])", ABC, ["a", "c"]),
        ([3.0, 12.0], None, ["12", "3"]),  # a column of numbers with an empty cell
    ],
)
def test_every_shape_of_labels(value: Any, labels: list[str] | None, expected: list[str]) -> None:
    assert label_set(value, "label", "|", labels) == expected


@pytest.mark.parametrize(
    ("value", "labels", "message"),
    [
        ([1, 0, 0], None, "data.labels"),
        ([True, False], None, "data.labels"),
        ([1, 0], ABC, "there are 2 zeros and ones for the 3 labels"),
        ("[a, b]", None, "label_separator"),
        ("['a', b]", None, "label_separator"),
        ("['a', ['b']]", None, "label_separator"),
        (["a", "b", "a"], None, "'a' stands in .* more than once"),
        ("a|a", None, "more than once"),
        ({"a": 0.5}, None, "expected 0 or 1"),
        (["a", None], None, "expected a label"),
        (None, None, "expected a list"),
        (7, None, "expected a list"),
    ],
)
def test_a_shape_that_says_no_labels_is_refused(value: Any, labels: list[str] | None, message: str) -> None:
    with pytest.raises(RowError, match=message):
        label_set(value, "label", "|", labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", "a, b"], "label_separator` to ','"),
        (["a; b", "b; c"], "label_separator` to ';'"),
        (["0", "1"], "name what they stand for"),
        (["a", "b", "a/b"], "label_separator` to '/'"),
        (["a", "b", "a\nb"], "label_separator` to '.n'"),
        (["\u597d", "\u574f", "\u597d\u3001\u574f"], "label_separator` to '\u3001'"),
    ],
)
def test_labels_that_are_visibly_several_in_one_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(RowError, match=message):
        check_names(labels, "label", "|")


def test_a_comma_within_a_name_is_part_of_it() -> None:
    check_names(["travel, hotels", "food", "sports, games"], "label", "|")
    check_names(["news", "news/politics", "very good", "good", "R&D"], "label", "|")


def test_numbers_of_any_length_are_sorted() -> None:
    long = "1" * 5000
    assert sorted(["10", "9", long, "b", "-1"], key=natural) == ["-1", "9", "10", long, "b"]


def test_a_cell_of_many_quotes_takes_no_time() -> None:
    with pytest.raises(RowError, match="looks like a list"):
        label_set("[" + "'\\" * 200_000 + "]", "label", "|", None)
