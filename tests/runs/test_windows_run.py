"""Labels of texts longer than the model reads, end to end on a tiny model: nothing is cut, wherever one asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import WORDS
from models import NEGATIVE, POSITIVE, labelled_rows, tiny_base  # noqa: F401 (fixture)
from serving import serving
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore.plugins import PluginRegistry
from ftcore.spec import load_spec
from ftcore.spec.diagnostics import SpecError
from ftcore_runtime import Pipeline

FILLERS = [word for word in WORDS if word not in (*POSITIVE, *NEGATIVE)]


def long_rows(count: int) -> list[dict[str, str]]:
    """Texts whose last window alone has the word that decides, and some that fit into one."""
    made = []
    for index, row in enumerate(labelled_rows(count)):
        before = [FILLERS[(index // 2 + step * (1 + index // 20)) % 10] for step in range(index // 2 % 12)]
        made.append({**row, "text": " ".join([*before, row["text"]])})
    return made


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run that was stopped within training and resumed."""
    spec = {
        "task": "classification",
        "data": {"train": long_rows(240), "split": {"validation": 40, "test": 40}},
        "model": {"base": str(tiny_base), "max_length": 8, "windows": {"stride": 2}},
        "training": {
            "recipe": "plain",
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
            "checkpoint_every": 4,
        },
        "evaluation": {"bootstrap": 50},
        "export": {"variants": ["fp32", "int8"]},
    }
    return stopped_and_resumed(tmp_path_factory.mktemp("long"), "whole", spec, 10)


def test_learns_from_every_window_and_cuts_nothing(long_run: Path) -> None:
    lines = [json.loads(line) for line in (long_run / "events.jsonl").read_text().splitlines()]
    plan = next(line["plan"] for line in lines if line["event"] == "planned" and line["split"] == "train")
    assert plan["cut at 8"] == 0
    assert plan["windows"] > plan["rows"] == 160
    assert plan["most windows of a text"] == 4, "15 words, 6 a window, 2 of them shared"
    metrics = json.loads((long_run / "metrics.json").read_text())["splits"]["test"]["metrics"]
    assert metrics["accuracy"]["value"] >= 0.9
    assert json.loads((long_run / "export.json").read_text())["variants"]["fp32"]["parity"]["flips"] == []
    predictions = [
        json.loads(line) for line in (long_run / "predictions.test.jsonl").read_text().splitlines()
    ]
    pipeline = Pipeline.load(long_run / "bundle", "fp32")
    for line, answer in zip(
        predictions, pipeline.predict([line["input"] for line in predictions]), strict=True
    ):
        assert answer.score == pytest.approx(line["answer"]["score"], abs=1e-4)
        assert answer.label == line["answer"]["label"]


def test_the_bundle_pools_the_windows_of_a_text(long_run: Path) -> None:
    pipeline = Pipeline.load(long_run / "bundle", "fp32")
    texts = [long_rows(48)[index]["text"] for index in (23, 0, 47)]
    prepared = pipeline.decoder.prepare(texts, pipeline.encoder)
    assert prepared.row.tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]
    assert prepared.cut == 0
    logits = pipeline.outputs(texts)["logits"].astype(np.float64)
    assert len(logits) == 9, "a row of outputs for each window"
    mean = logits[:4].mean(axis=0)
    first, short, _ = pipeline.predict(texts)
    assert first.score == pytest.approx(float(np.exp(mean - np.logaddexp(*mean)).max()), abs=1e-6)
    assert short == pipeline.predict(texts[1:2])[0], "batch-mates and their windows change nothing"


def test_predict_evaluate_and_explain(long_run: Path, tmp_path: Path, capsys: Any) -> None:
    bundle, row = str(long_run / "bundle"), long_rows(24)[23]
    assert main(["predict", bundle, "--text", row["text"]]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("pos 0.")
    assert "cut" not in printed.err
    assert main(["bundle", "inspect", bundle]) == 0
    assert "reads 8 tokens at a time; longer inputs are read in windows" in capsys.readouterr().out
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(one) + "\n" for one in long_rows(40)))
    assert main(["evaluate", bundle, "--input", str(tmp_path / "gold.jsonl"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["gold"]["metrics"]
    assert found["accuracy"]["value"] >= 0.9
    assert main(["explain", bundle, "--text", row["text"], "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    weights = explained["targets"][0]["weights"]
    assert len(weights) == 15
    assert weights[11] == max(weights), "the word that decides, in the last window"
    assert main(["explain", str(long_run), "--text", row["text"], "--method", "gradients"]) == 2
    assert "the input is 4 windows, and this method reads one" in capsys.readouterr().err


def test_served_and_counted_for_drift(long_run: Path, tmp_path: Path) -> None:
    row = long_rows(24)[23]
    with serving(long_run / "bundle") as running:
        (answer,) = running.ask(row["text"], model="whole").json()["predictions"]
        assert answer["label"] == "pos"
        (model,) = running.client.get("/v1/models").json()["models"]
        assert (model["tokens"], model["cuts"]) == (8, False)
        assert 'ftcore_cut_inputs_total{model="whole"' in running.client.get("/metrics").text
    reference = json.loads((long_run / "bundle" / "bundle.json").read_text())["reference"]
    assert max(reference["measures"]["length"]["edges"]) > 8, "tokens of all windows"
    assert main(["package", "triton", str(long_run / "bundle"), "--output", str(tmp_path / "triton")]) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"model": {"windows": {"stride": 9}}},
            "`model.windows.stride` is more than half of `model.max_length`",
        ),
        (
            {"data": {"columns": {"text_pair": "other"}}, "model": {"windows": {"stride": 2}}},
            "`model.windows` are of one text: leave it out with `data.columns.text_pair`",
        ),
        (
            {"model": {"windows": {"stride": 2}}, "training": {"augment": {"swap": 0.1}}},
            "`training.augment` changes words of whole texts, and `model.windows` reads parts",
        ),
        ({"model": {"windows": {"pool": "median"}}}, "mean"),
    ],
)
def test_what_does_not_go_together(
    changed: dict[str, Any], message: str, tmp_path: Path, shipped: PluginRegistry
) -> None:
    spec = {"task": "classification", "data": {"train": "x.csv"}, "model": {"base": "./b", "max_length": 16}}
    for name, section in changed.items():
        spec[name] = {**spec.get(name, {}), **section}
    (tmp_path / "s.yaml").write_text(json.dumps(spec))
    with pytest.raises(SpecError) as refused:
        load_spec(tmp_path / "s.yaml", shipped)
    assert message in str(refused.value)
