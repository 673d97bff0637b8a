"""What `ftcore audit` finds of written answers that were mixed up, moved and swapped in real rows.

    python benchmarks/audit_answers.py --data FOLDER [--stretches 20]

FOLDER has one folder a set, with train.jsonl in it. Stretches of 200 to 1,000 rows are drawn from each set; of each the
audit sees the rows as they are, then with one fault at a time: all answers mixed up; a line missing among the answers,
so that half of the rows or all have that of the next row; a tenth of the rows the wrong way round, where inputs and
answers are of two languages. Counts the stretches of which the fault was said, and those without one of which anything
was. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from few_rows_data import read
from targets import print_target

from ftcore.audit.alignment import misplaced_answers
from ftcore.audit.texts import Texts

Pairs = list[tuple[str, str]]

#: Set -> fields of its inputs and answers, and whether these are of two languages.
_SETS = {
    "translation/tatoeba_en_de": ("en", "de", True),
    "translation/tatoeba_en_zh": ("en", "zh", True),
    "translation/multi30k_en_de": ("en", "de", True),
    "summarization/meqsum": ("document", "summary", False),
    "summarization/scitldr_a": ("document", "summary", False),
}
_FEWEST, _MOST = 200, 1_000


def main() -> None:
    """Plant, look, and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stretches", type=int, default=20, help="of each set")
    args = parser.parse_args()
    said, tried = Counter[str](), Counter[str]()
    for name, (given, written, languages) in _SETS.items():
        rows = [(row[given], row[written]) for row in read(args.data / name / "train.jsonl")]
        draw = random.Random(0)
        here = Counter[str]()
        for _ in range(args.stretches):
            size = draw.randint(_FEWEST, min(_MOST, len(rows)))
            start = draw.randrange(len(rows) - size + 1)
            for fault, (planted, check) in _faults(rows[start : start + size], languages, draw).items():
                checks = _checks(planted)
                here[fault] += bool(checks) if check is None else check in checks
                tried[fault] += 1
        print(json.dumps({"set": name, "stretches": args.stretches, "said": here}), flush=True)
        said += here
    ok = [
        print_target(f"answers {fault}, found", said[fault] / tried[fault], 0.9)
        for fault in tried
        if fault != "in order"
    ]
    ok.append(
        print_target(
            "answers in order, false alarms", said["in order"] / tried["in order"], 0.02, at_most=True
        )
    )
    raise SystemExit(0 if all(ok) else 3)


def _faults(rows: Pairs, languages: bool, draw: random.Random) -> dict[str, tuple[Pairs, str | None]]:
    """The rows with each fault, and the check that should say so; None where any would be wrong."""
    inputs, answers = ([row[side] for row in rows] for side in (0, 1))
    half = len(rows) // 2
    moved = [*answers[1:], answers[0]]
    made: dict[str, tuple[Pairs, str | None]] = {
        "in order": (rows, None),
        "mixed up": (_paired(inputs, draw.sample(answers, len(answers))), "misplaced answers"),
        "moved by a row": (_paired(inputs, moved), "misplaced answers"),
        "half of them moved": (_paired(inputs, answers[:half] + moved[half:]), "misplaced answers"),
    }
    if languages:
        turned = set(draw.sample(range(len(rows)), len(rows) // 10))
        made["swapped in a tenth"] = (
            [row[::-1] if index in turned else row for index, row in enumerate(rows)],
            "swapped answers",
        )
    return made


def _paired(inputs: list[str], answers: list[str]) -> Pairs:
    return list(zip(inputs, answers, strict=True))


def _checks(rows: Pairs) -> set[str]:
    """The names of what the audit finds."""
    inputs, answers = ([row[side] for row in rows] for side in (0, 1))
    locations = pa.chunked_array([pa.array([f"rows:{index + 1}" for index in range(len(rows))])])
    split = np.zeros(len(rows), np.int8)
    texts = Texts(("train",), split, inputs, inputs, answers, None, locations, len(rows))
    return {finding.check for finding in misplaced_answers(texts)}


if __name__ == "__main__":
    main()
