"""The campaigns: a small part of each, and the whole behind `slow`. Each is a program of its own as well."""

from __future__ import annotations

from pathlib import Path

import mutated_files
import mutated_specs
import pytest
import round_trip
from graph_cache import cache


@pytest.mark.parametrize("count", [100, pytest.param(36_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(7200)
def test_no_mutated_spec_is_an_internal_error_or_takes_a_second(count: int) -> None:
    codes, wrong = mutated_specs.campaign(count)
    assert sum(codes.values()) == count
    assert codes[0] >= len(mutated_specs.SPECS), "they are valid as they are"
    assert codes[2] > count // 2
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_rows_in_are_rows_out_or_an_error_names_the_line(count: int) -> None:
    wrong = list(mutated_files.campaign(count))
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("count", [2, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(7200)
def test_rows_in_are_answers_out_of_a_training_and_of_predict(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTCORE_CACHE", cache(tmp_path / "cache"))
    wrong = list(round_trip.campaign(count))
    assert not wrong, "\n".join(wrong[:5])
