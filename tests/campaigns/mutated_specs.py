"""Specs that a few edits turned into something else: every one is valid or ends with 2, in a second at most."""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from light_base import save_light_base

SPECS = (
    "task: classification\ndata: {train: train.csv, labels: [a, b]}\nmodel: {base: ./base}\ntraining: {epochs: 1}\n",
    "task: sentiment\ndata:\n  train: {path: train.csv, delimiter: ','}\n  labels: [a, b]\n"
    "  split: {validation: 0.1, seed: 3}\nmodel:\n  base: ./base\n  max_length: 32\nexport: {variants: [fp32, int8]}\n",
    "task: qa\ndata:\n  train: train.csv\n  columns: {start: s}\nmodel: {base: ./base, stride: 8}\n",
    "task: translation\ndata: {train: train.csv, prompt: 'say {source}'}\n"
    "model: {init: config, base: transformer-tiny, vocabulary: {size: 300}}\n",
)
_WORDS = ("good", "bad", "food", "place", "nice", "slow")
_COLUMNS = "text,label,question,context,answers,s,source,target"
_VALUES = (
    "01", "1.10", "true", "null", "~", "''", "[]", "{}", "[1, [2]]", "{a: b}", "1e999", ".nan", "-1", "0",
    "9" * 400, "x" * 5000, "'0,001'", "&a [*a]", "*b", "!!int 3", "!x y", "<<: {a: 1}", "\t", "\u2028", "\x07",
    "package:os/x", "../../etc/passwd", "{path: train.csv, quoting: none}", "[a, a]", "2026-01-01", "0x1F", "- - -",
)  # fmt: skip
_SECOND = 1.0


def mutated(draw: random.Random) -> str:
    """A spec with one to four edits of lines, values, characters or structure."""
    text = draw.choice(SPECS)
    for _ in range(draw.randint(1, 4)):
        text = draw.choice(_EDITS)(text, draw)
    return text


def _value(text: str, draw: random.Random) -> str:
    marks = [index for index, mark in enumerate(text) if mark == ":"]
    if not marks:
        return text
    at = draw.choice(marks) + 1
    end = min((found for mark in ",}\n]" if (found := text.find(mark, at)) >= 0), default=len(text))
    return f"{text[:at]} {draw.choice(_VALUES)}{text[end:]}"


def _character(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice("{}[]:,'\"&*!|>#%@-\t\n \\é\u00a0😀") + text[at + draw.randint(0, 1) :]


def _line(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    return "\n".join([*lines[:at], *([lines[at]] * draw.choice((0, 2, 3))), *lines[at + 1 :]])


def _swap(text: str, draw: random.Random) -> str:
    words = text.split(" ")
    one, other = draw.randrange(len(words)), draw.randrange(len(words))
    words[one], words[other] = words[other], words[one]
    return " ".join(words)


def _cut(text: str, draw: random.Random) -> str:
    return text[: draw.randrange(len(text) + 1)]


def _many(text: str, draw: random.Random) -> str:
    return text + "".join(
        f"key{number}: {draw.choice(_VALUES[:8])}\n" for number in range(draw.choice((3, 300)))
    )


_Edit = Callable[[str, random.Random], str]
_EDITS: tuple[_Edit, ...] = (_value, _value, _value, _character, _line, _swap, _cut, _many)


def _rows() -> str:
    """A table from which each of the specs can learn."""
    rows = [
        f"{one} {other} eat,{'ab'[number % 2]},what {one},{one} {other},{other},{len(one) + 1},{one} {other},{other}"
        for number, (one, other) in enumerate(itertools.product(_WORDS, _WORDS))
    ]
    return "\n".join([_COLUMNS, *rows, ""])


def _validated() -> tuple[int, float, str]:
    """Validate spec.yaml: exit code, CPU seconds of this thread, and what was printed."""
    from ftcore.cli import main

    printed = io.StringIO()
    start = time.thread_time()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main(["validate", "spec.yaml"])
    return code, time.thread_time() - start, printed.getvalue()


def campaign(count: int, seed: int = 0) -> tuple[Counter[int], list[str]]:
    """Validate the specs as they are, and then mutants of them, `count` in all.

    Returns:
        specs of each exit code, and what is wrong: another code than 0 and 2, or CPU seconds above one.
    """
    draw = random.Random(seed)
    codes: Counter[int] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("train.csv").write_text(_rows())
        save_light_base(Path("base"))
        for number in range(count):
            text = mutated(draw) if number >= len(SPECS) else SPECS[number]
            Path("spec.yaml").write_text(text, "utf-8", errors="surrogatepass")
            code, took, printed = _validated()
            if (
                took > _SECOND
            ):  # the first one of a task imports its plugin, and a large process collects garbage
                code, took, printed = _validated()
            codes[code] += 1
            if code not in (0, 2) or took > _SECOND or "\ufffd[" in printed:
                wrong.append(f"{number}: code {code} in {took:.2f} s\n{text}\n{printed[:500]}")
    return codes, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=36_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found, problems = campaign(arguments.count, arguments.seed)
    sys.stdout.write(f"{dict(found)}; {len(problems)} wrong\n" + "\n".join(problems[:10]))
    raise SystemExit(bool(problems))
