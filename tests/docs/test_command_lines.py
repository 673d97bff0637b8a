"""Every `ftcore` line of README, docs and `--help` is one that the command line takes."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftcore.cli import COMMANDS, _parser
from ftcore.cli.examples import EXAMPLES
from ftcore.cli.package import _TARGETS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: A command of a code block, fenced or indented, with the lines that a backslash adds to it.
LINE = re.compile(r"^(?:    |\$ )?((?:\w+=\S+ )*ftcore (?:.*\\\n)*.*)$", re.MULTILINE)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
#: What stands for something: a bracket of synopses, dots, a choice.
SYNOPSIS = re.compile(r"\.\.\.|[|\[\]<>…]")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Where each is, and its arguments."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [
            (found.start(), found[2]) for found in FENCED.finditer(text) if found[1] in ("", "bash", "sh")
        ]
        blocks += [(found.start(), found[0]) for found in INDENTED.finditer(FENCED.sub("", text))]
        for _, block in blocks:
            for found in LINE.finditer(block):
                line = found[1].replace("\\\n", " ").partition("  #")[0].partition("  ->")[0]
                if not SYNOPSIS.search(line):
                    words = shlex.split(line, comments=True)
                    yield f"{page.relative_to(ROOT)}: {line}", words[words.index("ftcore") + 1 :]


FOUND = dict(commands())


def parsed(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """The arguments as the command takes them; whatever runs and bundles they name need not be there."""
    monkeypatch.setattr("ftcore.runs.names.find_run", lambda argument, _: Path(argument))
    monkeypatch.setattr("ftcore.runs.names.find_bundle", lambda argument, _: Path(argument))
    found: argparse.Namespace = _parser().parse_args(arguments)
    return found


def test_there_are_many() -> None:
    assert len(FOUND) > 40


@pytest.mark.parametrize("where", FOUND)
def test_a_line_of_the_docs(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(parsed(FOUND[where], monkeypatch).run)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, command, *rest = shlex.split(EXAMPLES[name])
    assert (program, command) == ("ftcore", name)
    assert callable(parsed([command, *rest], monkeypatch).run)
    with pytest.raises(SystemExit):
        _parser().parse_args([name, "--help"])
    assert f"example: {EXAMPLES[name]}" in capsys.readouterr().out


@pytest.mark.parametrize("name", _TARGETS)
def test_the_example_of_a_target(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = _TARGETS[name].example
    assert parsed(shlex.split(example)[1:], monkeypatch).target == name
    with pytest.raises(SystemExit):
        _parser().parse_args(["package", name, "--help"])
    assert f"example: {example}" in capsys.readouterr().out


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference/cli.md").read_text()
    assert [
        name for name in COMMANDS if f"`ftcore {name}" not in text and name not in ("resume", "reproduce")
    ] == []
