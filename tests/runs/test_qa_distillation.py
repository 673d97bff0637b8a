"""A student that learns start and end from a teacher which reads the same tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from models import save_tiny_bert
from ruamel.yaml import YAML
from test_qa_run import squad

from ftcore.cli import main


def spec(base: Path, **model: Any) -> dict[str, Any]:
    return {
        "task": "qa",
        "data": {"train": "qa.json", "split": {"validation": 30, "test": 30}},
        "model": {"base": str(base), "max_length": 24, "stride": 6, **model},
        "training": {"epochs": 2, "batch_size": 16, "learning_rate": 5e-3, "precision": "fp32"},
        "evaluation": {"bootstrap": 20},
    }


def test_a_student_of_spans_and_a_teacher_of_other_tokens(
    project: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "qa.json").write_text(json.dumps(squad(160, unanswerable=True)))
    YAML().dump(spec(tiny_base), project / "teacher.yaml")
    assert main(["train", "teacher.yaml"]) == 0
    (teacher,) = project.glob("runs/teacher/*")
    student = save_tiny_bert(project / "small")
    YAML().dump(spec(student, distill_from=str(teacher)), project / "student.yaml")
    only_the_teacher = ["--set", "training.distillation.weight=1.0"]
    assert main(["run", "student.yaml", *only_the_teacher]) == 0
    (run,) = project.glob("runs/student/*")
    ladder = json.loads((run / "export.json").read_text())["ladder"]
    f1 = [rung["test"]["metrics"]["f1"]["value"] for rung in ladder]
    assert ladder[0]["model"] == "teacher"
    assert min(f1) > 0.5, "what it knows of answers is what the teacher said"
    capsys.readouterr()

    tokenizer = teacher / "model" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"good"', '"gxxd"'))
    assert main(["train", "student.yaml"]) == 2
    assert "its tokens are not the student's" in capsys.readouterr().err
