"""`ftcore audit`: what is printed, as JSON and as a page, and what a run makes of it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from spec_text import VALID

from ftcore.cli import main

WORDS = [
    "coffee",
    "table",
    "garden",
    "window",
    "street",
    "river",
    "market",
    "letter",
    "music",
    "winter",
    "paper",
]
TEXTS = [
    "the soup was cold and the waiter would not hear of it",
    "we came back twice because the bread is so very good",
    "nobody told us that the kitchen closes at eight o'clock",
    "a quiet place with a view of the harbour and honest prices",
]
ROWS = [
    (f"{text}, says guest {'abcdefghijklmnopqrstuvwxyz'[n]}" * (n + 1), n % 2) for n, text in enumerate(TEXTS)
]


def table(rows: list[tuple[str, int]]) -> str:
    return "text,label\n" + "".join(f'"{text}",{("neg", "pos")[label]}\n' for text, label in rows)


def write(project: Path, *, most: str = "") -> None:
    train = [*ROWS, *((f"{n} " + " ".join(random.Random(n).sample(WORDS, 6)), n % 2) for n in range(16))]
    test = [(ROWS[0][0].upper(), 0), (ROWS[1][0] + "!", 1), ("nothing of the like was ever written", 1)]
    (project / "train.csv").write_text(table(train))
    (project / "test.csv").write_text(table(test))
    given = "train.csv\n  test: test.csv" + (f"\n  max_leakage: {most}" if most else "")
    (project / "spec.yaml").write_text(VALID.replace("train.csv", given))


def test_it_prints_sizes_labels_and_findings_in_80_columns(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project)
    assert main(["audit", "spec.yaml", "--rows-only"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    assert lines[0] == "spec.yaml: 2 warnings"
    assert re.search(r"^rows +18 +2 +3 *$", out, flags=re.MULTILINE)
    assert re.search(r"^neg +9 +1 +1 *$", out, flags=re.MULTILINE)
    assert "warning: leakage: 2 rows of test (66.7%) found in train, too: 2 equal, 0 nearly so" in " ".join(
        line.strip() for line in lines
    ).replace("  ", " ")
    assert "  test.csv:2 (equal): THE SOUP WAS COLD" in out
    assert "  = train.csv:2: the soup was cold" in out


def test_json_and_page_have_all_that_was_found(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project)
    (project / "test.csv").write_text(table([("<script>alert(1)</script> the soup", 0), (ROWS[0][0], 0)]))
    assert main(["audit", "spec.yaml", "--rows-only", "--json", "--html", "audit.html"]) == 0
    found = json.loads(capsys.readouterr().out)
    (leak,) = (finding for finding in found["findings"] if finding["check"] == "leakage")
    assert [row["location"] for row in leak["examples"][0]["rows"]] == ["test.csv:3", "train.csv:2"]
    page = (project / "audit.html").read_text("utf-8")
    assert "1 row of test (50.0%) found in train, too" in page
    assert "test.csv:3" in page
    assert "default-src" in page
    assert "<script" not in page


def test_more_leakage_than_is_allowed_ends_audit_and_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, most="0.3")
    assert main(["audit", "spec.yaml", "--rows-only"]) == 2
    assert "error: leakage: 2 rows of test (66.7%)" in capsys.readouterr().out
    near = [(ROWS[0][0].replace("soup", "soop"), 0), ("nothing of the like was ever written", 1)]
    (project / "test.csv").write_text(table(near))
    assert main(["validate", "spec.yaml"]) == 0, "nearly equal rows are the audit's to find"
    assert main(["run", "spec.yaml"]) == 2
    err = capsys.readouterr().err
    assert "error: audit: leakage: 1 row of test (50.0%) found in train, too" in err
    assert "data.max_leakage allows 30.0%" in err
    assert "help: leave one of each pair out of its file, or allow more with data.max_leakage" in err
    assert not (project / "runs").exists()


def test_equal_rows_above_the_share_are_found_by_validate(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, most="0.3")
    (project / "test.csv").write_text(table([(ROWS[0][0], 0), ("nothing of the like was ever written", 1)]))
    assert main(["validate", "spec.yaml"]) == 2
    err = capsys.readouterr().err
    assert "data.test: 1 rows of test (50.0%) have the input of a training row" in err
    assert "`ftcore audit` lists them" in err


def test_what_cannot_be_read_is_said_as_by_validate(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "train.csv").write_text("text;label\na;neg\n")
    assert main(["audit", "spec.yaml", "--rows-only"]) == 2
    err = capsys.readouterr().err
    assert "there is no column 'text'; the columns are 'text;label'" in err


def test_an_audit_of_rows_imports_no_torch(project: Path) -> None:
    write(project)
    code = (
        "from ftcore.cli import main; import sys; main(['audit', 'spec.yaml', '--rows-only']);"
        " print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False", result.stderr
