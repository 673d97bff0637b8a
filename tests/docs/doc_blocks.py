"""The commands and snippets of README, docs and `--help`, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftcore.cli.epilogs import EXAMPLES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Programs that the documents call and no test here starts, and why.
PROGRAMS = {
    "accelerate": "tests/training/test_distributed.py starts several processes",
    "automodel": "trains on GPUs",
    "az": "asks a cloud",
    "cd": "tells where the next line runs",
    "curl": "tests/server/test_curl_lines.py runs it",
    "docker": "needs a daemon",
    "kubectl": "needs a cluster",
    "make": "builds an environment, or runs this suite",
    "openssl": "makes the keys that a fixture has made",
    "pip": "installs packages",
    "python": "measures for minutes or hours, or runs the slow tests",
    "torchrun": "tests/training/test_distributed.py starts several processes",
    "tritonserver": "is no Python package",
    "yes": "goes into a line of curl",
}
#: Lines of ftcore that `test_documented_commands.py` does not run, and why.
NOT_RUN = {
    "ftcore init 评论.csv --base intfloat/multilingual-e5-small": "asks the Hub; test_chinese_documents.py does not",
    "ftcore predict BUNDLE --input rows/ --engine ray --workers 8 --output answers/": "needs Ray: tests/offline",
    "ftcore predict BUNDLE --input s3://bucket/rows/"
    " --engine ray --output s3://bucket/answers/": "needs Ray and a store: tests/offline",
    "ftcore predict reviews --input s3://bucket/rows/"
    " --engine ray --workers 8 --output s3://bucket/answers/": "needs Ray and a store: tests/offline",
    "ftcore predict RUN/bundle --variant fp16 --device cuda --input texts.csv --output answers.jsonl": "needs a GPU",
    "ftcore push reviews --repo acme/reviews --private": "asks the Hub; tests/packaging/test_push.py does not",
    "ftcore run rating.yaml": "tests/examples/test_label_and_number.py installs the example",
    "ftcore run reviews.yaml --observer mlflow": "MLflow is not installed; tests/plugins/test_trackers.py",
    "ftcore run tasks/*.yaml": "starts a process a run; tests/runs/test_queue.py",
    "ftcore run tasks/sentiment.yaml tasks/classification.yaml --jobs 2": "starts processes; tests/runs/test_queue.py",
    "ftcore serve RUN/bundle --variant fp16 --device cuda --batch-tokens 8192": "needs a GPU",
}
_SHELL = ("bash", "console", "sh")
_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
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
