"""Every curl line of the documents, run as it stands but for host and port: the answer is the one that follows it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from serving import process

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HOST = "localhost:8000"
#: A line of a code block, indented or fenced, with what is piped into it and the lines that a backslash adds to it.
COMMAND = re.compile(r"^[ \t]*((?:[^`|\n]+\| )*curl\b(?:.*\\\n)*.*)$", re.MULTILINE)
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


@dataclass(frozen=True)
class Documented:
    """A command, and the answer that the document shows for it."""

    location: str
    command: str
    answer: str


def documented(path: Path) -> Iterator[Documented]:
    """What a document shows: the answer is the first fenced block after a command, in its section."""
    text = path.read_text(encoding="utf-8")
    for found in COMMAND.finditer(text):
        location = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
        rest = re.split(r"^#|^[ \t]*curl\b", text[found.end() :], maxsplit=1, flags=re.MULTILINE)[0]
        answer = FENCED.search(rest)
        yield Documented(location, found[1], answer[1] if answer else "")


SHOWN = [one for path in DOCUMENTS for one in documented(path)]


@pytest.fixture(scope="module")
def address(tiny_bundle: Path, generating_bundle: Path) -> Iterator[str]:
    """Where models are served by the names that the documents use."""
    with process(f"reviews={tiny_bundle}", f"manuals={generating_bundle}") as (_, url):
        yield url.removeprefix("http://")


def hold(shown: Documented, address: str, folder: Path) -> None:
    """Run the command; its answer must have the status and the shape that is shown, an error the very text."""
    assert HOST in shown.command
    assert shown.answer, f"{shown.location}: no answer is shown"
    (folder / ".curlrc").write_text(
        'noproxy = "*"\nwrite-out = "%{stderr}\\n%{http_code} %{content_type}\\n"\n'
    )
    done = subprocess.run(
        ["bash", "-c", shown.command.replace(HOST, address)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "CURL_HOME": str(folder)},
    )
    assert done.returncode == 0, f"{shown.location}: {done.stderr}"
    streams = shown.answer.startswith(("data:", "event:"))
    kind = "text/event-stream" if streams else "application/json"
    status = done.stderr.splitlines()[-1].split(";")[0]
    fails = not streams and "error" in json.loads(shown.answer)
    assert status == f"{400 if fails else 200} {kind}", f"{shown.location}: {status} {done.stdout}"
    seen, wanted = (
        events(text)
        if streams
        else {**json.loads(text), "request_id": 0}
        if fails
        else shape(json.loads(text))
        for text in (done.stdout, shown.answer)
    )
    assert seen == wanted, f"{shown.location}: {done.stdout}"


def events(stream: str) -> list[tuple[str, Any]]:
    """Name and shape of server-sent events; of several alike in a row the first."""
    found: list[tuple[str, Any]] = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields:
            one = (fields.get("event", "message"), shape(json.loads(fields["data"])))
            found += [one] if found[-1:] != [one] else []
    return found


def shape(value: Any) -> Any:
    """A JSON value with the names of types in place of texts and numbers."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [shape(part) for part in value]
    return type(value).__name__


def test_no_line_goes_by_unseen() -> None:
    for path in DOCUMENTS:
        mentions = re.findall(r"\bcurl +(?:-|http|localhost)", path.read_text(encoding="utf-8"))
        assert len(mentions) == sum(one.location.startswith(f"{path.relative_to(ROOT)}:") for one in SHOWN), (
            path
        )
    assert SHOWN


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.location)
def test_the_answer_is_as_shown(shown: Documented, address: str, tmp_path: Path) -> None:
    hold(shown, address, tmp_path)


@pytest.mark.parametrize(
    ("model", "part", "old", "new"),
    [
        ("reviews", "command", ":predict", ":foretell"),
        ("reviews", "command", "reviews", "others"),
        ("reviews", "command", '"inputs"', '"texts"'),
        ("reviews", "command", "application/json", "text/plain"),
        ("reviews", "command", ', "Never again."', ""),
        ("reviews", "answer", '"label"', '"class"'),
        ("manuals", "command", '"stream": true', '"stream": false'),
        ("manuals", "answer", "event: end", "event: done"),
        ("manuals", "answer", 'data: {"text"', 'data: {"piece"'),
    ],
)
def test_a_wrong_line_is_found(
    model: str, part: str, old: str, new: str, address: str, tmp_path: Path
) -> None:
    shown = next(one for one in SHOWN if f"{model}:predict" in one.command)
    text = getattr(shown, part)
    assert old in text
    with pytest.raises(AssertionError, match=re.escape(shown.location)):
        hold(replace(shown, **{part: text.replace(old, new)}), address, tmp_path)
