"""The campaigns: a small part of each, and the whole behind `slow`. Each is a program of its own as well."""

from __future__ import annotations

import mutated_files
import mutated_specs
import pytest


@pytest.mark.parametrize("count", [300, pytest.param(36_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(7200)
def test_no_mutated_spec_is_an_internal_error_or_takes_a_second(count: int) -> None:
    codes, wrong = mutated_specs.campaign(count)
    assert sum(codes.values()) == count
    assert codes[2] > count // 2
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_rows_in_are_rows_out_or_an_error_names_the_line(count: int) -> None:
    wrong = list(mutated_files.campaign(count))
    assert not wrong, "\n".join(wrong[:5])
