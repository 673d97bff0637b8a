"""A spec file in, a bundle out: the commands as a user gives them, on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from models import labelled_rows, rows_file, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.runs import variant_evaluation
from ftcore_runtime import Pipeline

DROP_IN = Path(__file__).parents[1] / "plugins" / "drop_in" / "topics.py"


def write(path: Path, spec: dict[str, Any]) -> Path:
    YAML().dump(spec, path)
    return path


def only_run(project: Path) -> Path:
    (record,) = project.glob("runs/*/*/run.json")
    return record.parent


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_run_trains_evaluates_exports_and_says_what_comes_next(
    project: Path, tiny_base: Path, capsys
) -> None:
    spec = write(project / "labels.yaml", tiny_spec(tiny_base, checks={"audit": "on"}))
    assert main(["run", str(spec), "--set", "training.epochs=3"]) == 0
    run = only_run(project)
    record = read(run / "run.json")
    assert run.parent.name == "labels"
    assert record["status"] == "finished"
    assert record["steps"] == ["train", "evaluate", "export"]
    assert record["data"][0]["rows_read"] == 160
    assert record["plugin"]["id"] == "classification"
    assert read(run / "spec.resolved.json")["training"]["epochs"] == 3
    assert (run / "spec.yaml").read_text() == spec.read_text()

    test = read(run / "metrics.json")["splits"]["test"]
    accuracy = test["metrics"]["accuracy"]
    assert test["rows"] == 32
    assert accuracy["value"] >= 0.9, "a word decides every label"
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert sum(map(sum, test["confusion"])) == 32
    predictions = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    hits = sum(line["answer"]["label"] == line["reference"] for line in predictions)
    assert hits / 32 == pytest.approx(accuracy["value"])

    exported = read(run / "export.json")
    assert set(exported["variants"]) == {"fp32", "int8"}
    assert exported["variants"]["fp32"]["parity"]["flips"] == []
    pipeline = Pipeline.load(run / "bundle")
    assert pipeline.variant == "fp32"
    texts = [line["input"] for line in predictions]
    assert [answer.label for answer in pipeline.predict(texts)] == [
        line["answer"]["label"] for line in predictions
    ]

    audit = read(run / "audit.json")
    assert audit["rows"] == {"train": 96, "validation": 32, "test": 32}
    near = [finding["what"] for finding in audit["findings"] if finding["check"] == "leakage"]
    out = capsys.readouterr().out
    assert near
    assert all(f"warning: leakage: {what}" in out for what in near)
    assert near[0] in (run / "report.html").read_text()
    assert "on 32 test rows (95% interval)" in out
    assert "warning: 32 rows are few" in out
    assert "no better than TF-IDF: the same accuracy on these rows" in out, "a word decides every label"
    assert f"report: {run.relative_to(project)}/report.html" in out
    assert "no better than TF-IDF" in (run / "report.html").read_text()
    assert predictions[0]["row"].startswith(str(rows_file(160)))
    assert [line["correct"] for line in predictions] == [
        line["answer"]["label"] == line["reference"] for line in predictions
    ]
    assert f"ftcore predict {run.relative_to(project)}/bundle" in out
    assert main(["predict", str(run / "bundle"), "--text", "good food"]) == 0
    assert capsys.readouterr().out.startswith("pos")
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "finished"


def test_the_steps_can_be_taken_one_at_a_time(project: Path, tiny_base: Path, capsys) -> None:
    (
        project / "tasks"
    ).mkdir()  # elsewhere than the runs: their paths have nothing to do with the spec's folder
    spec = write(project / "tasks" / "labels.yaml", tiny_spec(tiny_base, training={"max_steps": 2}))
    assert main(["train", str(spec), "--no-audit"]) == 0
    run = only_run(project)
    assert read(run / "run.json")["steps"] == ["train"]
    assert read(run / "spec.resolved.json")["checks"]["audit"] == "off"
    assert not (run / "audit.json").exists()
    assert f"ftcore evaluate {run.relative_to(project)}" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    assert not (run / "bundle").exists()
    assert main(["export", str(run)]) == 0
    assert read(run / "run.json")["steps"] == ["train", "evaluate", "export"]
    assert Pipeline.load(run / "bundle").selftest() == 8


def test_torch_is_not_asked_again_what_graphs_are_compared_with(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run has the answers to its validation rows already; an export alone, or of other rows, asks."""
    ask = Mock(wraps=variant_evaluation.predict)
    monkeypatch.setattr(variant_evaluation, "predict", ask)
    export = {"variants": ["fp32"], "parity_rows": 32}  # as many as there are
    spec = write(project / "labels.yaml", tiny_spec(tiny_base, training={"max_steps": 2}, export=export))
    assert main(["run", str(spec)]) == 0
    run = only_run(project)
    whole = read(run / "export.json")["variants"]["fp32"]["parity"]
    assert whole["rows"] == 32
    assert ask.call_count == 0
    assert main(["export", str(run)]) == 0
    assert ask.call_count == 1
    again = read(run / "export.json")["variants"]["fp32"]["parity"]
    # On a CPU whose products depend on how rows share a batch, torch's own answers differ by a rounding.
    assert again.pop("max_abs_diff") == pytest.approx(whole.pop("max_abs_diff"), abs=1e-6)
    assert again == whole
    assert main(["run", str(spec), "--set", "export.parity_rows=8"]) == 0
    assert ask.call_count == 2


def test_a_run_does_not_go_on_with_other_data(project: Path, tiny_base: Path, capsys) -> None:
    (project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(160)))
    spec = tiny_spec(tiny_base, data={"train": "rows.jsonl"}, training={"max_steps": 1})
    assert main(["train", str(write(project / "labels.yaml", spec))]) == 0
    (project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(120)))
    assert main(["evaluate", str(only_run(project))]) == 2
    assert "the data has changed since" in capsys.readouterr().err


def test_a_metric_that_is_not_there_is_an_error_before_training(
    project: Path, tiny_base: Path, capsys
) -> None:
    spec = write(project / "labels.yaml", tiny_spec(tiny_base, evaluation={"metric": "acuracy"}))
    assert main(["run", str(spec)]) == 2
    assert "no metric 'acuracy'" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_a_variant_over_its_tolerance_ends_with_exit_code_3_and_keeps_everything(
    project: Path, tiny_base: Path, capsys
) -> None:
    spec = tiny_spec(tiny_base, training={"max_steps": 2}, export={"tolerance": {"logits": 1e-12}})
    assert main(["run", str(write(project / "labels.yaml", spec))]) == 3
    assert "outputs differ from torch" in capsys.readouterr().err
    assert (only_run(project) / "bundle" / "bundle.json").exists()
    assert read(only_run(project) / "export.json")["problems"]


def test_several_labels(project: Path, tiny_base: Path) -> None:
    rows = [
        {
            "text": row["text"],
            "label": "|".join([row["label"], "eats"] if "eat" in row["text"] else [row["label"]]),
        }
        for row in labelled_rows(160)
    ]
    spec = tiny_spec(tiny_base, data={"train": rows, "problem": "multi_label"}, evaluation={"threshold": 0.4})
    assert main(["run", str(write(project / "tags.yaml", spec))]) == 0
    metrics = read(only_run(project) / "metrics.json")["splits"]["test"]["metrics"]
    assert {"f1_micro", "hamming_loss", "accuracy"} <= set(metrics)
    answer = Pipeline.load(only_run(project) / "bundle").predict(["good food"])[0]
    assert set(answer.scores) == {"neg", "pos", "eats"}
    assert answer.labels == [label for label, score in answer.scores.items() if score >= 0.4]


def test_class_weights_move_the_answers_to_the_rare_label(project: Path, tiny_base: Path) -> None:
    rows = [row for i, row in enumerate(labelled_rows(200)) if row["label"] == "neg" or i % 10 == 1]

    def rare(weights: str, name: str) -> float:
        spec = tiny_spec(tiny_base, data={"train": rows}, training={"class_weights": weights, "max_steps": 4})
        assert main(["train", str(write(project / f"{name}.yaml", spec))]) == 0
        (run,) = project.glob(f"runs/{name}/*")
        assert main(["evaluate", str(run)]) == 0
        answers = [
            json.loads(line)["answer"] for line in (run / "predictions.test.jsonl").read_text().splitlines()
        ]
        return sum(answer["scores"]["pos"] for answer in answers) / len(answers)

    assert rare("balanced", "balanced") > rare("none", "plain") + 0.05


def test_a_dropped_in_plugin_trains_exports_and_predicts_beside_a_broken_one(
    project: Path, tiny_base: Path, capsys
) -> None:
    (project / "plugins").mkdir()
    shutil.copy(DROP_IN, project / "plugins")
    assert len(DROP_IN.read_text().splitlines()) <= 40
    (project / "plugins" / "broken.py").write_text("raise RuntimeError('not today')\n")
    spec = tiny_spec(tiny_base, task="topics", data={"min_characters": 3}, training={"max_steps": 2})
    path = str(write(project / "news.yaml", spec))
    assert main(["tasks"]) == 0
    assert "News topics" in capsys.readouterr().out
    assert main(["validate", path]) == 0
    assert main(["run", path]) == 0
    run = only_run(project)
    metrics = read(run / "metrics.json")["splits"]["test"]["metrics"]
    assert metrics["distinct_references"]["value"] == 2, "the plugin's own metric"
    assert read(run / "run.json")["plugin"]["origin"] == "drop-in"
    assert main(["predict", str(run / "bundle"), "--text", "good food"]) == 0
    assert main(["run", path, "--set", "data.min_characters=200"]) == 2
    assert "a text of fewer than 200 characters" in capsys.readouterr().err


NUMBERS = '''"""A number for a text."""
from typing import Literal

from ftcore.api import SequenceClassificationData, SequenceClassificationSpec, Task, hookimpl


class Numbers(SequenceClassificationData):
    """Texts and numbers."""

    problem: Literal["regression"] = "regression"


class NumbersSpec(SequenceClassificationSpec):
    """A regression."""

    data: Numbers


@hookimpl
def ftcore_task() -> Task:
    return Task(id="numbers", summary="A number for a text", spec=NumbersSpec)
'''


def test_a_regression_task_is_a_plugin_away(project: Path, tiny_base: Path) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "numbers.py").write_text(NUMBERS)
    rows = [{"text": r["text"], "label": 1.5 if r["label"] == "pos" else -1.5} for r in labelled_rows(160)]
    spec = tiny_spec(tiny_base, task="numbers", data={"train": rows}, training={"epochs": 4})
    assert main(["run", str(write(project / "numbers.yaml", spec))]) == 0
    metrics = read(only_run(project) / "metrics.json")["splits"]["test"]["metrics"]
    assert metrics["mse"]["value"] < 1.0, "the variance of the labels is 2.25"
    (answer,) = Pipeline.load(only_run(project) / "bundle").predict(["good food was a"])
    assert answer.value > 0


def test_a_model_that_beats_no_baseline_says_so_and_fails_where_the_check_asks_for_it(
    project: Path, tiny_base: Path, capsys
) -> None:
    spec = write(project / "labels.yaml", tiny_spec(tiny_base))
    overrides = ["--set", "training.max_steps=1", "--set", "checks.beats_baseline=fail"]
    assert main(["train", str(spec), *overrides]) == 0
    assert main(["evaluate", "labels"]) == 3
    shown = capsys.readouterr()
    assert "checks.beats_baseline: " in shown.err
    assert "TF-IDF" in shown.err
    verdict = read(only_run(project) / "metrics.json")["verdict"]
    assert verdict["outcome"] == "worse"
    assert verdict["text"] in shown.out
    assert main(["evaluate", "latest"]) == 3, "measured again, and found again"
