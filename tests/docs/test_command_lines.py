"""Every command's `--help` has an example, and lines of the documents that no test runs are such as ftcore takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from doc_blocks import NOT_RUN

from ftcore.cli import make_parser
from ftcore.cli.epilogs import EXAMPLES, EXIT_CODES

PARSERS = dict(make_parser().commands())


@pytest.mark.parametrize("line", NOT_RUN)
def test_a_line(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever runs and bundles it names need not be there.
    monkeypatch.setattr("ftcore.runs.names.find_run", lambda argument, _: Path(argument))
    monkeypatch.setattr("ftcore.runs.names.find_bundle", lambda argument, _: Path(argument))
    assert callable(make_parser().parse_args(shlex.split(line)[1:]).run)


@pytest.mark.parametrize("name", PARSERS)
def test_the_help_of_a_command(name: str) -> None:
    assert EXAMPLES[name].startswith(f"ftcore {name}")
    text = PARSERS[name].format_help()
    assert f"\nexample: {EXAMPLES[name]}\n" in text
    for code, meaning in EXIT_CODES.get(name, {}).items():
        assert f"\nexit code {code.value}: {meaning}\n" in text


def test_nothing_is_said_of_a_command_that_is_not_there() -> None:
    assert {*EXAMPLES} == {*PARSERS} >= {*EXIT_CODES}
    assert all(shlex.split(line)[0] == "ftcore" for line in EXAMPLES.values())
