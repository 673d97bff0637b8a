"""Labels that differ by their spelling alone."""

from __future__ import annotations

import pytest

from ftcore.families.spelling import means_nothing, spelled, unknown_label, variants


@pytest.mark.parametrize(
    "labels",
    [
        ["pos", "Pos", " pos ", "\uff30\uff2f\uff33", "pos\u200b", "po\u00ads", "\ufeffpos"],
        ["very good", "very\u00a0good", "very_good", "Very-Good"],
        ["n\u00e9", "ne\u0301"],
        ["1", "1.0", "01", "+1", "1.", "\uff11"][:4],
        ["0", "-0", "0.0"],
        ["-1", "-1.0"],
        ["1.10", "1.1"],
    ],
)
def test_one_label_in_several_ways(labels: list[str]) -> None:
    assert len({*map(spelled, labels)}) == 1
    assert variants(["other", *labels]) == [labels]


@pytest.mark.parametrize("labels", [["1", "-1"], ["1", "10"], ["1.1", "1.01"], ["a", "b"], ["1e3", "1000"]])
def test_labels_that_are_several(labels: list[str]) -> None:
    assert variants(labels) == []


def test_what_programs_write_for_nothing() -> None:
    assert [*filter(means_nothing, ["nan", "None", "#N/A", "none", "no", "pos"])] == ["nan", "None", "#N/A"]


def test_a_label_that_is_known_but_for_its_spelling_is_said_in_ascii() -> None:
    said = unknown_label("ne\u0301", ["x", "n\u00e9"])
    assert said.endswith(r"; 'n\xe9' differs from 'ne\u0301' by its spelling alone")
    assert unknown_label("y", ["x"]) == "unknown label 'y'; the labels are x"
