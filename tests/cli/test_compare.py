"""`ftcore compare`: the printed verdict on two runs, the rows that changed, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftcore.cli import main


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs of 40 rows: `old` gets 20 right, `new` all, `same` those of `old` but for one more and one less."""
    monkeypatch.chdir(tmp_path)
    write("old", [number < 20 for number in range(40)])
    write("new", [True] * 40)
    write("same", [number < 19 or number == 30 for number in range(40)])
    return tmp_path


def write(name: str, correct: list[bool | None], text: str = "text {}") -> None:
    folder = Path("runs") / name / f"20260101T000000-{name}"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    lines = [
        {
            "input": text.format(number),
            "reference": "a",
            "answer": {},
            "summary": "a 0.9" if right else "b 0.8",
        }
        | ({} if right is None else {"correct": right})
        for number, right in enumerate(correct)
    ]
    (folder / "predictions.test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_better_run_is_named_with_the_rows_that_it_fixed(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "old", "new"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(
        "new is better than old by 50.0 points [35.0, 65.0]: of 40 rows 20 are right in new alone"
    )
    assert shown[1] == "  right now: b 0.8 -> a 0.9: text 20"
    assert len(shown) == 6, "five of the twenty rows"


def test_a_difference_that_chance_explains_is_none(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "same", "new", "--json"]) == 0
    same, new = json.loads(capsys.readouterr().out)
    assert (same["difference"], same["p_value"]) == (0.0, 1.0)
    assert same["fixed"] == ["text 30"]
    assert same["broken"] == ["text 19"]
    assert new["p_value"] == pytest.approx(2 * 2 * 0.5**20), "corrected for two comparisons"
    assert main(["compare", "old", "same"]) == 0
    assert capsys.readouterr().out.startswith("no clear difference between")


def test_rows_with_equal_texts_count_each(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("twice", [True, True, False], text="again")
    write("other", [True, False, False], text="again")
    assert main(["compare", "twice", "other"]) == 0
    assert ": of 3 rows 0 are right in" in capsys.readouterr().out


def test_what_cannot_be_compared_says_why(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("texts", [None] * 3)
    write("short", [True] * 10)
    bare = Path("runs/bare/20260101T000000-bare")
    bare.mkdir(parents=True)
    (bare / "run.json").write_text("{}")
    for arguments, message in {
        ("old",): "give two runs or more",
        ("old", "texts"): "not marked as right or wrong",
        ("old", "bare"): "was not evaluated yet",
        ("old", "nwe"): "did you mean `new`?",
    }.items():
        assert main(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert main(["compare", "old", "short"]) == 0
    assert "warning: 30 rows are not in all of the runs" in capsys.readouterr().out


HOSTILE = "<script>alert(1)</script> {} {{{{ 7*7 }}}}"


def test_a_comparison_as_a_page_with_every_text_escaped(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("worse", [False] * 40, HOSTILE)
    write("better", [number > 3 for number in range(40)], HOSTILE)
    write("again", [False] * 40, HOSTILE)
    assert main(["compare", "worse", "better", "again", "--html", "page.html"]) == 0
    page = Path("page.html").read_text()
    assert "better is better than worse by 90.0 points" in page
    assert '<section class="verdict better"' in page
    assert '<section class="verdict unclear"' in page, "the same answers"
    assert "Right in better alone" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 4 {{ 7*7 }}" in page
    assert "<script" not in page
    assert "://" not in page
    assert main(["compare", "worse", "better", "--html", "nowhere/page.html"]) == 2
    assert "nowhere/page.html: cannot be written" in capsys.readouterr().err
    assert main(["compare", "worse", "better", "--html", "."]) == 2
    assert ".: is a folder\n  help: name a file in it" in capsys.readouterr().err


def test_the_difference_has_an_interval(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "new", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["difference"] == 0.5
    assert 0.3 < found["low"] < 0.4 < 0.6 < found["high"] < 0.7
    assert main(["compare", "new", "old"]) == 0
    assert "old is worse than new by 50.0 points [3" in capsys.readouterr().out


def test_bundles_are_compared_on_labelled_rows(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tiny_bundle), str(tiny_bundle)]) == 2
    assert "is a bundle, not a run\n  help: bundles are compared on labelled rows" in capsys.readouterr().err
    assert main(["compare", "a", "b", "--encoding", "utf-8"]) == 2
    assert "this goes with --input FILE" in capsys.readouterr().err


def test_runs_of_one_spec_are_called_by_their_folders(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "runs" / "new" / "20260101T000000-new").rename(runs / "runs" / "old" / "20260102T000000-new")
    assert main(["compare", "runs/old/20260101T000000-old", "old"]) == 0
    assert capsys.readouterr().out.startswith("20260102T000000-new is better than 20260101T000000-old by")


@pytest.mark.parametrize(
    ("subjects", "message"),
    [
        (["old", "old"], "error: old: is there twice\n"),
        (["old", "new", "latest", "./runs/old/20260101T000000-old"], "is there twice, as `"),
        (["old", ""], "error: ``: "),
    ],
)
def test_a_run_is_not_compared_with_itself(
    runs: Path, capsys: pytest.CaptureFixture[str], subjects: list[str], message: str
) -> None:
    assert main(["compare", *subjects]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert not printed.out
