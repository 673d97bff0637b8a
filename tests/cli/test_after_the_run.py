"""What is done with runs afterwards: their errors, their list, and what of them may go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftcore.cli import main


def make_run(name: str, stamp: str, value: float | None, **record: Any) -> Path:
    """A run of two test rows, with a checkpoint, a model and a bundle of 1,000 bytes each."""
    folder = Path("runs") / name / stamp
    for part in ("checkpoints/step-1", "model", "bundle"):
        (folder / part).mkdir(parents=True)
        (folder / part / "weights").write_bytes(b"x" * 1000)
    whole: dict[str, Any] = dict.fromkeys(("name", "family", "created", "base_dir"), "x")
    whole |= {"task": "classification", "status": "finished", "seconds": 3723.4, "seed": 0}
    whole |= {"steps": ["train", "evaluate"], "plugin": {}, "versions": {}}
    (folder / "run.json").write_text(json.dumps({**whole, **record}))
    if value is not None:
        metrics = {"accuracy": {"value": value}}
        splits = {"validation": {"metrics": metrics}, "test": {"metrics": metrics}}
        measured = {"metric": "accuracy", "higher_is_better": True, "splits": splits}
        (folder / "metrics.json").write_text(json.dumps(measured))
    return folder


def write_predictions(folder: Path, lines: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "predictions.test.jsonl").write_text(text)


def row(number: int, reference: str, label: str, confidence: float, **more: Any) -> dict[str, Any]:
    return {
        "row": f"test.csv:{number}",
        "input": f"text {number}",
        "reference": reference,
        "answer": {"label": label},
        "summary": f"{label} {confidence:.3f}",
        "correct": reference == label,
        "confidence": confidence,
        **more,
    }


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run("mail", "20260101T000000-a", 0.9)
    make_run("mail", "20260102T000000-b", 0.7)
    last = make_run("mail", "20260103T000000-c", 0.8)
    write_predictions(
        last,
        [
            row(2, "card", "card", 0.99),
            row(3, "card", "cash", 0.6, slices=["short"]),
            row(4, "cash", "fee", 0.9, slices=["short", "late"]),
            row(5, "fee", "\u202efee", 0.8),
        ],
    )
    return tmp_path


def test_errors_are_listed_the_most_certain_first(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["errors", "mail"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("3 of 4 test rows are wrong\n\ntest.csv:4\n  cash -> fee 0.900\n  text 4\n")
    assert shown.index("test.csv:4") < shown.index("test.csv:5") < shown.index("test.csv:3")
    assert "\u202e" not in shown
    assert main(["errors", "mail", "--limit", "1"]) == 0
    assert "2 more with --limit 0" in capsys.readouterr().out


def test_errors_of_a_label_or_a_slice(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["errors", "mail", "--label", "card"]) == 0
    assert capsys.readouterr().out.startswith("1 of 2 test rows of the label `card` are wrong")
    assert main(["errors", "mail", "--slice", "short", "--label", "cash", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["row"] for line in found] == ["test.csv:4", "test.csv:3"]


def test_errors_of_a_label_of_entities(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entity = {"text": "Ann", "label": "PER", "start": 0, "end": 3}
    found = {"row": "a:2", "input": "Ann", "reference": [entity], "correct": False, "confidence": 0.5}
    answers = [{"entities": [{**entity, "label": "ORG", "score": 0.5}]}, {"entities": []}]
    lines = [{**found, "answer": answer, "summary": ""} for answer in answers]
    write_predictions(next(runs.glob("runs/mail/*-c")), lines)
    for label, shown in (("PER", "2 of 2"), ("ORG", "1 of 1")):
        assert main(["errors", "mail", "--label", label]) == 0
        assert capsys.readouterr().out.startswith(f"{shown} test rows of the label `{label}` are wrong")
    assert main(["errors", "mail", "--label", "LOC"]) == 2
    assert "no row of `LOC`\n  help: there are ORG, PER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "crad"], "--label: no row of `crad`\n  help: did you mean `card`?"),
        (["--slice", "long"], "--slice: no row of `long`\n  help: there are late, short"),
        (["--split", "validation"], "this run was not evaluated yet"),
    ],
)
def test_errors_of_what_is_not_there(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["errors", "mail", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_list_says_what_each_was_worth_and_took(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run("news", "20260104T000000-d", None, status="failed", seconds=59.6)
    assert main(["runs"]) == 0
    header, first, second, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "task", "status", "steps", "done", "test", "took"]
    assert first.split()[-1] == "1:00"
    assert second.split()[-3:] == ["accuracy", "0.8000", "1:02:03"]
    assert main(["runs", "--json"]) == 0
    news, mail, *_ = json.loads(capsys.readouterr().out)
    assert (news["metric"], news["value"], mail["metric"], mail["value"]) == (None, None, "accuracy", 0.8)


def left(part: str) -> list[str]:
    """Runs that have it."""
    return sorted(path.parent.name[-1] for path in Path("runs").glob(f"*/*/{part}"))


def test_nothing_is_deleted_before_it_was_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean"]) == 0
    shown = capsys.readouterr().out
    assert "neither the best nor the last run of its spec" in shown
    assert "0.0 MB would be freed; delete it with: ftcore clean --yes" in shown
    assert left("model") == ["a", "b", "c"]


def test_the_best_and_the_last_keep_their_models(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted = make_run("mail", "20251231T000000-z", None, status="interrupted")
    make_run("news", "20251231T000000-n", 0.5)
    assert main(["clean", "mail", "--yes"]) == 0
    assert "are freed" in capsys.readouterr().out
    assert left("model") == left("bundle") == ["a", "c", "n", "z"]
    assert left("checkpoints") == ["n", "z"], "of the spec that was named, and of finished runs"
    assert left("metrics.json") == ["a", "b", "c", "n"]
    assert (interrupted / "checkpoints" / "step-1" / "weights").exists()
    assert main(["clean", "mail", "--yes"]) == 0
    assert capsys.readouterr().out == "nothing to free\n"


def test_a_run_that_does_not_say_its_worth_is_kept(runs: Path) -> None:
    make_run("mail", "20251230T000000-y", None)
    assert main(["clean", "--yes"]) == 0
    assert left("model") == ["a", "c", "y"]


def test_a_link_is_left_alone(runs: Path) -> None:
    model = Path("runs/mail/20260102T000000-b/model")
    elsewhere = Path("elsewhere")
    model.rename(elsewhere)
    model.symlink_to(elsewhere.resolve())
    assert main(["clean", "--yes"]) == 0
    assert (elsewhere / "weights").exists()


def test_a_name_that_nobody_ran(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "mial"]) == 2
    assert "mial: no run of this name in runs\n  help: runs there are of mail" in capsys.readouterr().err


def test_a_name_where_nobody_ran_anything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "mail"]) == 2
    printed = capsys.readouterr().err
    assert "mail: no run of this name in runs\n  help: there are no runs at all: name the folder" in printed
