"""Pairs of texts, with a label or a number, end to end on a tiny model: two texts are needed wherever one asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from every_door import assert_explained
from models import labelled_rows, tiny_base  # noqa: F401 (fixture)
from serving import serving
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore.plugins import PluginRegistry
from ftcore.spec import load_spec
from ftcore.spec.diagnostics import SpecError
from ftcore_runtime import Pipeline

NEGATIVE, POSITIVE = (row["text"] for row in labelled_rows(44)[-2:])


def pairs(count: int) -> list[dict[str, Any]]:
    """Two texts, whose second decides the label, and whose good words are counted."""
    rows = labelled_rows(count)
    made = []
    for index, row in enumerate(rows):
        other = rows[(7 * index + 3 * (index // 2)) % count]
        score = float((row["label"] == "pos") + (other["label"] == "pos"))
        made.append(
            {"text": row["text"], "text_pair": other["text"], "label": other["label"], "score": score}
        )
    return made


@pytest.fixture(scope="module", params=["pair", "similarity"])
def pair_run(request: Any, tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run that was stopped within training and resumed."""
    folder = tmp_path_factory.mktemp(request.param)
    spec = {
        "task": request.param,
        "data": {"train": pairs(240), "split": {"validation": 40, "test": 40}},
        "model": {"base": str(tiny_base), "max_length": 24},
        "training": {
            "recipe": "plain",
            "epochs": 8,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
            "checkpoint_every": 4,
            **({"loss": "huber"} if request.param == "similarity" else {}),
        },
        "evaluation": {"bootstrap": 50},
        "export": {"variants": ["fp32", "int8"]},
    }
    return stopped_and_resumed(folder, "twice", spec, 10)


def task_of(run: Path) -> str:
    return str(json.loads((run / "run.json").read_text())["task"])


def test_learns_measures_and_exports(pair_run: Path) -> None:
    metrics = json.loads((pair_run / "metrics.json").read_text())
    test = metrics["splits"]["test"]
    monitored = "accuracy" if task_of(pair_run) == "pair" else "spearman"
    assert metrics["metric"] == monitored
    assert test["metrics"][monitored]["value"] >= 0.85
    if monitored == "spearman":
        assert test["metrics"]["pearson"]["value"] >= 0.85
        assert set(test["baselines"]) == {"always answering the mean", "the cosine of TF-IDF"}
    exported = json.loads((pair_run / "export.json").read_text())["variants"]
    assert exported["fp32"]["parity"]["flips"] == []
    assert (pair_run / "report.html").is_file()


def test_a_lone_text_is_refused_and_a_pair_is_answered(
    pair_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(pair_run / "bundle")
    pipeline = Pipeline.load(bundle)
    assert (pipeline.fields, pipeline.required) == (("text", "text_pair"), 2)
    assert main(["predict", bundle, "--text", POSITIVE]) == 2
    assert "--text-pair: answers take text and text_pair: give both" in capsys.readouterr().err
    assert main(["predict", bundle, "--text", POSITIVE, "--text-pair", NEGATIVE]) == 0
    first = capsys.readouterr().out.split("\t")[0]
    lines = [f"{POSITIVE},{POSITIVE}", f"{NEGATIVE},{NEGATIVE}", f"{POSITIVE},"]
    (tmp_path / "rows.csv").write_text("\n".join(["text,text_pair", *lines, ""]))
    assert main(["predict", bundle, "--input", str(tmp_path / "rows.csv")]) == 3
    good, other, bad = map(json.loads, capsys.readouterr().out.splitlines())
    if task_of(pair_run) == "pair":
        assert (first.split()[0], good["label"], other["label"]) == ("neg", "pos", "neg")
    else:
        assert good["value"] > max(float(first), other["value"])
    assert bad["error"] == "text_pair: the text is empty"


def test_ranks_the_rows_of_a_query(
    pair_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(pair_run / "bundle"), "--input", str(tmp_path / "rows.csv"), "--rank"]
    lines = [
        f"{POSITIVE},{NEGATIVE},0",
        f"{NEGATIVE},{NEGATIVE},0",
        f"{POSITIVE},{POSITIVE},1",
        f"{POSITIVE},,1",
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,text_pair,gold", *lines, ""]))
    if task_of(pair_run) == "pair":
        assert main(arguments) == 2
        assert "a bundle of the task 'pair' gives no number for two texts" in capsys.readouterr().err
        return
    assert main([*arguments, "--relevance", "gold"]) == 3
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert [line.get("rank") for line in found] == [2, 1, 1, None], "in the order of the file"
    assert "input" not in found[0]
    assert "3 rows of 2 queries ranked, 1 could not be\nnDCG@10 1.0000, MRR 1.0000\n" in err
    assert main([*arguments, "--relevance", "text"]) == 2
    assert (
        f"rows.csv:4: expected a number of at least 0 in the column 'text', got {POSITIVE!r}"
        in capsys.readouterr().err
    )
    assert main([*arguments, "--output", "ranked.csv"]) == 2
    assert "--rank: writes JSON Lines" in capsys.readouterr().err
    assert main([*arguments[:-1], "--relevance", "gold"]) == 2
    assert "--relevance: goes with --rank" in capsys.readouterr().err


def test_explained(pair_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_explained(pair_run, {"text": POSITIVE, "text_pair": NEGATIVE}, capsys)


def test_served_and_packaged(pair_run: Path, tmp_path: Path) -> None:
    with serving(pair_run / "bundle") as running:
        (model,) = running.client.get("/v1/models").json()["models"]
        assert (model["fields"], model["required"]) == (["text", "text_pair"], 2), "the page has two boxes"
        refused = running.ask(POSITIVE, model="twice")
        assert refused.status_code == 400
        answered = running.ask({"text": POSITIVE, "text_pair": POSITIVE}, model="twice")
        assert answered.status_code == 200
        tensors = [
            {"name": name, "datatype": "BYTES", "shape": [1], "data": [POSITIVE]}
            for name in ("text", "text_pair")
        ]
        assert running.post("/v2/models/twice/infer", {"inputs": tensors[:1]}).status_code == 400
        outputs = running.post("/v2/models/twice/infer", {"inputs": tensors}).json()["outputs"]
        assert {output["name"] for output in outputs} >= {"label" if task_of(pair_run) == "pair" else "value"}
    assert main(["package", "triton", str(pair_run / "bundle"), "--output", str(tmp_path / "triton")]) == 0
    config = (tmp_path / "triton" / "twice" / "config.pbtxt").read_text()
    assert '"text_pair", data_type: TYPE_STRING, dims: [ -1 ] }' in config, "it is not optional"


@pytest.mark.parametrize(
    ("task", "data", "problem"),
    [
        ("pair", {"problem": "regression"}, "single_label"),
        ("similarity", {"problem": "single_label"}, "regression"),
        ("similarity", {"labels": ["a", "b"]}, "a regression has no `labels`"),
        ("pair", {"columns": {"text_pair": None}}, "text_pair"),
    ],
)
def test_specs_that_contradict_the_task(
    task: str,
    data: dict[str, Any],
    problem: str,
    tmp_path: Path,
    shipped: PluginRegistry,
    tiny_base: Path,  # noqa: F811
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        json.dumps({"task": task, "data": {"train": pairs(4), **data}, "model": {"base": str(tiny_base)}})
    )
    with pytest.raises(SpecError) as raised:
        load_spec(path, shipped)
    assert problem in str(raised.value)
