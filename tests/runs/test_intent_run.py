"""Intents end to end on a tiny model: a text of none of them is said to be so, wherever one asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundles import WORDS
from every_door import assert_explained
from models import NEGATIVE, POSITIVE, labelled_rows, tiny_base  # noqa: F401 (fixture)
from serving import serving
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore_runtime import Pipeline

FILLERS = [word for word in WORDS if word not in (*POSITIVE, *NEGATIVE)]
KNOWN, UNKNOWN = labelled_rows(42)[41]["text"], "food was the very"


def others(count: int) -> list[dict[str, str]]:
    """Texts without a word that decides."""
    places = [(index, index // 10, index // 3, index // 7) for index in range(count)]
    return [
        {"text": " ".join(FILLERS[one % len(FILLERS)] for one in place), "label": "none"} for place in places
    ]


@pytest.fixture(scope="module")
def intent_run(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run that was stopped within training and resumed."""
    folder = tmp_path_factory.mktemp("intent")
    spec = {
        "task": "intent",
        "data": {
            "train": [*labelled_rows(200), *others(90)],
            "out_of_scope": "none",
            "split": {"validation": 60, "test": 60},
        },
        "model": {"base": str(tiny_base), "max_length": 16},
        "training": {
            "recipe": "plain",
            "epochs": 4,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
            "checkpoint_every": 4,
        },
        "evaluation": {"bootstrap": 50},
        "export": {"variants": ["fp32", "int8"]},
    }
    return stopped_and_resumed(folder, "asks", spec, 10)


def test_learns_intents_and_what_is_none(intent_run: Path) -> None:
    test = json.loads((intent_run / "metrics.json").read_text())["splits"]["test"]
    values = {name: metric["value"] for name, metric in test["metrics"].items()}
    assert values["closed_accuracy"] >= 0.9, "a word decides every intent"
    assert values["oos_auroc"] >= 0.9, "and a text without one is less certain"
    assert values["oos_recall"] > 0.5
    assert {one["label"] for one in test["classes"]} == {"neg", "pos"}
    fitted = json.loads((intent_run / "family.json").read_text())
    assert (
        fitted["threshold"]
        == json.loads((intent_run / "bundle" / "bundle.json").read_text())["decoder"]["threshold"]
    )
    exported = json.loads((intent_run / "export.json").read_text())["variants"]
    assert exported["fp32"]["parity"]["flips"] == []
    assert (intent_run / "report.html").is_file()
    lines = [json.loads(line) for line in (intent_run / "predictions.test.jsonl").read_text().splitlines()]
    pipeline = Pipeline.load(intent_run / "bundle", "fp32")
    for line, answer in zip(lines, pipeline.predict([line["input"] for line in lines]), strict=True):
        assert line["correct"] == ((answer.label or "none") == line["reference"])


def test_predict(intent_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(intent_run / "bundle")
    assert main(["predict", bundle, "--text", KNOWN, "--text", UNKNOWN]) == 0
    known, unknown = capsys.readouterr().out.splitlines()
    assert known.startswith("pos 0.")
    assert unknown.startswith("(out of scope) nearest: ")
    (tmp_path / "rows.csv").write_text(f"text\n{UNKNOWN}\n")
    assert main(["predict", bundle, "--input", str(tmp_path / "rows.csv")]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["label"], line["out_of_scope"]) == (None, True)
    assert set(line["nearest"]) == {"neg", "pos"}
    assert (
        main(["predict", bundle, "--input", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "o.csv")])
        == 0
    )
    header, row = (tmp_path / "o.csv").read_text().splitlines()
    assert header == "row,label,out_of_scope,score,in_scope,nearest,scores.neg,scores.pos,error"
    assert row.startswith("2,,True,")


def test_the_bundle_on_a_labelled_file(intent_run: Path, tmp_path: Path, capsys: Any) -> None:
    rows = [*labelled_rows(20), {"text": UNKNOWN, "label": "none"}]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["evaluate", str(intent_run / "bundle"), "--input", str(tmp_path / "gold.jsonl"), "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["gold"]["metrics"]
    assert found["closed_accuracy"]["value"] >= 0.9
    assert found["oos_recall"]["value"] == 1.0


def test_explained(intent_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_explained(intent_run, {"text": KNOWN}, capsys)


def test_served_and_packaged(intent_run: Path, tmp_path: Path) -> None:
    with serving(intent_run / "bundle") as running:
        known, unknown = running.ask(KNOWN, UNKNOWN, model="asks").json()["predictions"]
        assert (known["label"], unknown["label"], unknown["out_of_scope"]) == ("pos", None, True)
        schemas = running.client.get("/openapi.json").json()["components"]["schemas"]
        answer = schemas["asks.PredictResponse"]["properties"]["predictions"]["items"]["properties"]
        assert answer["label"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2], "data": [KNOWN, UNKNOWN]}
        outputs = running.post("/v2/models/asks/infer", {"inputs": [tensor]}).json()["outputs"]
        found = {output["name"]: output["data"] for output in outputs}
        assert (found["label"], found["out_of_scope"]) == (["pos", ""], [False, True])
        assert 'label="(out of scope)"' in running.client.get("/metrics").text
    assert main(["package", "triton", str(intent_run / "bundle"), "--output", str(tmp_path / "triton")]) == 0
    config = (tmp_path / "triton" / "asks" / "config.pbtxt").read_text()
    assert '{ name: "out_of_scope", data_type: TYPE_BOOL, dims: [ -1 ] }' in config
