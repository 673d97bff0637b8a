"""Every command with its arguments, exit codes and an example, and what exit codes mean."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from ftcore.cli import make_parser
from ftcore.cli.epilogs import EXAMPLES, EXIT_CODES
from ftcore.cli.options import Parser
from ftcore.errors import ExitCode
from generating import cell, head, table


def page() -> str:
    """The page."""
    parser = make_parser()
    # Options that stand before a command as well as after it.
    common = {flag for action in parser._actions for flag in action.option_strings}
    codes = [(str(code.value), cell(code.meaning)) for code in ExitCode]
    text = (
        "`ftcore COMMAND --help` says the\nsame. What the arguments SPEC, RUN and BUNDLE may be, how files are scored"
        " and what a run's folder holds is in\n[the command line](cli.md)."
    )
    parts = [
        head("Every command", text),
        "## Exit codes\n",
        table(("code", "meaning"), codes),
        "## Options of every command\n",
        table(("argument", "what it is"), list(_arguments(parser, set()))),
    ]
    for name, command in parser.commands():
        parts += _command(name, command, common)
    return "\n".join(parts)


def _command(name: str, command: Parser, common: set[str]) -> Iterator[str]:
    """What the page says of one command."""
    yield f"## `ftcore {name}`\n"
    yield f"{_sentence(command.description or '')}\n"
    yield f"    {EXAMPLES[name]}\n"
    if rows := list(_arguments(command, common)):
        yield table(("argument", "what it is"), rows)
    for code, meaning in EXIT_CODES.get(name, {}).items():
        yield f"Exit code {code.value}: {meaning}.\n"


def _arguments(parser: argparse.ArgumentParser, left_out: set[str]) -> Iterator[Sequence[str]]:
    """Name and help of each argument; of commands below this one each has a place of its own."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction) and left_out.isdisjoint(action.option_strings):
            text = (action.help or "") % {**vars(action), "prog": parser.prog}
            if action.choices is not None:
                text = f"one of {', '.join(f'`{choice}`' for choice in action.choices)}; {text}"
            yield f"`{_name(action)}`", cell(text)


def _name(action: argparse.Action) -> str:
    """As a command line has it, with the value that it takes."""
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    if not action.option_strings:
        return f"{value} ..." if action.nargs in ("*", "+") else value
    flags = ", ".join(action.option_strings)
    if action.nargs == 0:
        return flags
    return f"{flags} {value} ..." if action.nargs in ("*", "+") else f"{flags} {value}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
