from typing import Any

import pytest

from ftcore_runtime.json_types import is_of


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("a", str, True),
        (1, str, False),
        (True, bool, True),
        (True, int, False),
        (True, float, False),
        (1, float, True),
        (10**400, float, False),
        (1.0, int, False),
        (None, float | None, True),
        ("1", float | None, False),
        ({"a": 0.5, "b": 1}, dict[str, float], True),
        ({"a": "0.5"}, dict[str, float], False),
        (True, dict[str, float], False),
        (["a"], list[str], True),
        (["a", None], list[str], False),
        ("ab", list[str], False),
        ([{"text": 1}], list[dict[str, Any]] | None, True),
        ([1], list[dict[str, Any]] | None, False),
    ],
)
def test_a_value_is_of_its_annotation(value: object, annotation: object, expected: bool) -> None:
    assert is_of(value, annotation) is expected


def test_an_annotation_that_no_json_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="complex"):
        is_of(1, complex)
