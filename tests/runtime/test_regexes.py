"""Every regular expression of the sources takes time linear in the text: found by timing inputs four times as long."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "split", "finditer", "findall"}
FLAGS = {"DOTALL": re.DOTALL, "MULTILINE": re.MULTILINE, "UNICODE": re.UNICODE}
SHORT, LONG = 2048, 4 * 2048
Text = str | bytes


@dataclass(frozen=True)
class Used:
    """A pattern, and how it is used: all matches in a text, or at most one, at its beginning."""

    pattern: re.Pattern[Text]
    everywhere: bool


def patterns() -> Iterator[tuple[str, Used]]:
    """Where each stands, and what it is; in those made of a variable, that is the letter a."""
    for path in sorted(
        path for root in ("export", "ftcore", "plugins") for path in (ROOT / root).rglob("*.py")
    ):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"\bre\.\w+\(", text):  # parsing every file takes seconds
            continue
        nodes = list(ast.walk(ast.parse(text)))
        calls = [one for one in nodes if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)]
        names = {
            id(one.value): getattr(one.targets[0], "id", "") for one in nodes if isinstance(one, ast.Assign)
        }
        for call in calls:
            if getattr(call.func.value, "id", "") != "re" or call.func.attr not in FUNCTIONS:
                continue
            used = {call.func.attr}
            if name := names.get(id(call)):
                used = {one.func.attr for one in calls if getattr(one.func.value, "id", "") == name} or used
            flags = sum(FLAGS.get(getattr(one, "attr", ""), 0) for one in ast.walk(call))
            for pattern in _literals(call.args[0]):
                once = used <= {"match", "fullmatch"}
                yield f"{path.relative_to(ROOT)}:{call.lineno}", Used(re.compile(pattern, flags), not once)


def _literals(node: ast.expr) -> Iterator[Text]:
    if isinstance(node, ast.Constant):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "a" for part in node.values)


FOUND = list(patterns())


def seconds(used: Used, text: Text) -> float:
    """CPU time of this thread to find what is looked for."""
    began = time.thread_time()
    used.pattern.fullmatch(text)
    used.pattern.match(text)
    for _ in used.pattern.finditer(text) if used.everywhere else ():
        pass
    return time.thread_time() - began


def slow(used: Used) -> str | None:
    """Text whose repetition takes more than linear time, out of what the pattern itself consists of."""
    pattern = used.pattern
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    own = [letter for letter in dict.fromkeys(source) if letter not in "()[]{}*+?|^$"][:10]
    letters = list(dict.fromkeys([*own, "a", "A", "0", " ", "\n"]))
    start = source.removeprefix("\\A")
    literal = start[: next((index for index, one in enumerate(start) if one in "\\()[{.*+?|^$"), 0)]
    for before, (one, other) in product(
        dict.fromkeys(("", literal, f"{literal}\n")), product(letters, repeat=2)
    ):

        def text(size: int, before: str = before, pump: str = one + other) -> Text:
            made = before + pump * (size // 2) + "\x00"
            return made if isinstance(pattern.pattern, str) else made.encode("latin-1", "replace")

        if seconds(used, text(SHORT)) < 0.001:
            continue
        short = seconds(used, text(SHORT))
        long = seconds(used, text(LONG))
        if long > 8 * short and all(seconds(used, text(LONG)) > 8 * short for _ in range(2)):
            return f"{before + one + other!r}: {1000 * short:.1f} ms, four times as long {1000 * long:.1f} ms"
    return None


def test_there_are_some() -> None:
    locations = " ".join(location for location, _ in FOUND)
    assert "ftcore_server/body.py" in locations
    assert "ftcore_runtime/strict_json.py" in locations


@pytest.mark.parametrize("used", [one for _, one in FOUND], ids=[location for location, _ in FOUND])
def test_is_linear(used: Used) -> None:
    assert slow(used) is None


@pytest.mark.parametrize(
    "pattern",
    [rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', r"\s*\n\s*", r"/[^<>]*\.py\b", r"\A---\s*\n(.*?)\n---\s*\n"],
)
def test_one_that_is_not_is_found(pattern: Text) -> None:
    assert slow(Used(re.compile(pattern, re.DOTALL), everywhere=True)) is not None
