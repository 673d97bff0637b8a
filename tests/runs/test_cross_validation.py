"""`data.cross_validation`: every row answered by a model that had not seen it, each fold resumable, figures of all."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.training import engine

FOLDS, ROWS = 3, 90


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_spec(folder: Path, base: Path, **data: Any) -> None:
    data = {"cross_validation": FOLDS, "split": {"validation": 12, "test": 12}, **data}
    spec = tiny_spec(base, rows=ROWS, data=data, training={"epochs": 3}, export={"variants": ["fp32"]})
    YAML().dump(spec, folder / "folds.yaml")


def test_every_row_is_answered_once_by_a_model_that_had_not_seen_it(
    project: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_spec(project, tiny_base)
    steps: list[str] = []
    whole = engine._Loop._step

    def stopped(self: Any, micro_batches: Any) -> None:
        steps.append(self.job.checkpoints.folder.parent.name)
        if len(steps) == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        whole(self, micro_batches)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Loop, "_step", stopped)
        assert main(["train", "folds.yaml"]) == 143
    (run,) = (project / "runs" / "folds").iterdir()
    assert steps == ["1"] * 9 + ["2"] * 7
    before = (run / "folds" / "1" / "metrics.json").stat().st_mtime_ns

    steps.clear()

    def counted(self: Any, micro_batches: Any) -> None:
        steps.append(self.job.checkpoints.folder.parent.name)
        whole(self, micro_batches)

    monkeypatch.setattr(engine._Loop, "_step", counted)
    assert main(["resume", str(run)]) == 0
    assert (run / "folds" / "1" / "metrics.json").stat().st_mtime_ns == before, "it was done"
    resumed = 9 - 7 if steps.count("2") == 2 else 3  # from the end of an epoch, or the very step
    assert steps[:resumed] == ["2"] * resumed
    assert steps.count("3") == 9
    assert steps.count(run.name) > 0, "then the model that is kept"

    answered = [
        line for k in range(1, FOLDS + 1) for line in lines_of(run / f"folds/{k}/predictions.test.jsonl")
    ]
    assert len(answered) == ROWS
    texts = sorted(row["text"] for row in labelled_rows(ROWS))
    assert sorted(line["input"] for line in answered) == texts
    for number in range(1, FOLDS + 1):
        seen = lines_of(run / f"folds/{number}/predictions.validation.jsonl")
        own = {line["input"] for line in lines_of(run / f"folds/{number}/predictions.test.jsonl")}
        assert own.isdisjoint(line["input"] for line in seen)
        assert read(run / f"folds/{number}/run.json")["data_report"]["rows"] == {
            "train": 48,
            "validation": 12,
            "test": 30,
        }
    found = read(run / "metrics.json")["cross_validation"]
    assert (found["folds"], found["rows"]) == (FOLDS, ROWS)
    assert found["metrics"]["accuracy"]["value"] == sum(line["correct"] for line in answered) / ROWS
    assert {"TF-IDF"} < {*found["baselines"]}
    assert found["verdict"]["text"]
    shown = capsys.readouterr().out
    assert "-- fold 3 of 3" in shown
    assert f"out of fold (3 folds): accuracy {found['metrics']['accuracy']['value']:.4f}" in shown
    assert "Out of fold, by 3 models" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"cross_validation": 1}, "expected a number of at least 2"),
        (
            {"cross_validation": 20, "train": labelled_rows(16), "split": {"validation": 2, "test": 2}},
            "16 different",
        ),
        (
            {
                "train": [*labelled_rows(30), {"text": "only one", "label": "rare"}],
                "split": {"validation": 4, "test": 4},
            },
            "data.cross_validation: fold",
        ),
    ],
)
def test_rows_that_cannot_be_cut_are_refused_before_any_training(
    project: Path,
    tiny_base: Path,
    capsys: pytest.CaptureFixture[str],
    data: dict[str, Any],
    message: str,
) -> None:
    write_spec(project, tiny_base, **data)
    assert main(["train", "folds.yaml"]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "training:" not in shown.out


def test_seeds_and_folds_contradict(
    project: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_spec(project, tiny_base)
    assert main(["validate", "folds.yaml", "--set", "training.seeds=[1, 2]"]) == 2
    assert "each train many times: give one" in capsys.readouterr().err
