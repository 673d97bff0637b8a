"""The commands and snippets of README, docs and `--help`, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcore.cli.examples import EXAMPLES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: What else than ftcore is called in a block without a language.
PROGRAMS = frozenset({
    "accelerate", "automodel", "az", "cd", "curl", "docker", "hf", "kubectl", "make", "openssl", "pip", "python",
    "tritonserver", "torchrun", "yes",
})  # fmt: skip
_SHELL = ("bash", "console", "sh")
_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
#: What stands for something: a bracket of synopses, dots, a choice.
_SYNOPSIS = re.compile(r"\.\.\.|[|\[<>…]| \(")
_ASSIGNMENT = re.compile(r"^(\w+=\S* )+")


@dataclass(frozen=True)
class Command:
    """A line that somebody types.

    Args:
        page: where it stands.
        line: as it stands there, without a prompt, in one line and without its comment.
    """

    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """As a shell reads it, without values of the environment in front."""
        return shlex.split(_ASSIGNMENT.sub("", self.line), comments=True)

    @property
    def program(self) -> str:
        """What it starts."""
        return self.words[0]


@dataclass(frozen=True)
class Snippet:
    """A block of code; `number` counts those of the page."""

    page: str
    number: int
    text: str


def commands() -> list[Command]:
    """Those of all pages, in their order, and the examples of `--help`."""
    found = [Command(name(page), line) for page in PAGES for line in _lines(page.read_text("utf-8"))]
    return [*found, *(Command("--help", line) for line in EXAMPLES.values())]


def snippets(language: str) -> list[Snippet]:
    """The blocks in a language, of all pages."""
    return [
        Snippet(name(page), number, text)
        for page in PAGES
        for number, (kind, text) in enumerate(_FENCED.findall(page.read_text("utf-8")))
        if kind == language
    ]


def name(page: Path) -> str:
    """A page as messages call it."""
    return page.relative_to(ROOT).as_posix()


def _lines(text: str) -> Iterator[str]:
    """The commands of a page, each in one line."""
    fenced = [(kind, block) for kind, block in _FENCED.findall(text) if kind in ("", *_SHELL)]
    indented = [("", found[0]) for found in _INDENTED.finditer(_FENCED.sub("", text))]
    for kind, block in [*fenced, *indented]:
        lines = re.sub(r" *\\\n\s*", " ", block).splitlines()
        prompted = any(line.lstrip().startswith("$ ") for line in lines)
        for line in lines:
            stripped = line.strip()
            if stripped.startswith("$ "):
                yield _bare(stripped[2:])
            elif not prompted and (kind in _SHELL or _calls(stripped)) and stripped:
                yield _bare(stripped)


def _calls(line: str) -> bool:
    """Whether a line of a block without a language is a command: it begins with the name of a program."""
    return _ASSIGNMENT.sub("", line).partition(" ")[0].rpartition("/")[2] in {"ftcore", *PROGRAMS}


def _bare(line: str) -> str:
    return line.partition("  #")[0].strip()


def is_synopsis(line: str) -> bool:
    """Whether parts of it stand for something."""
    return bool(_SYNOPSIS.search(line))
