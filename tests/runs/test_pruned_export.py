import json
from pathlib import Path

import models
import numpy as np
from bundles import tiny_tokenizer
from ruamel.yaml import YAML
from tokenizers import Tokenizer

from ftcore.cli import main
from ftcore.runs.pruning import ModelAnswers, _split_alike
from ftcore_runtime import Pipeline


def wide_tokenizer() -> Tokenizer:
    """The tiny one with 60 words that no row has, in front of all others."""
    tokenizer = json.loads(tiny_tokenizer().to_str())
    pieces = list(tokenizer["model"]["vocab"])
    pieces[4:4] = [f"unused{index}" for index in range(60)]
    tokenizer["model"]["vocab"] = {piece: index for index, piece in enumerate(pieces)}
    return Tokenizer.from_str(json.dumps(tokenizer))


def test_a_run_exports_fewer_pieces_and_the_same_answers(project: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(models, "tiny_tokenizer", wide_tokenizer)
    base = models.save_tiny_bert(project / "wide")
    spec = project / "labels.yaml"
    YAML().dump(models.tiny_spec(base, export={"variants": ["fp32"]}), spec)
    assert main(["run", str(spec)]) == 0
    (record,) = project.glob("runs/*/*/run.json")
    run = record.parent
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    texts = [line["input"] for line in lines]
    whole = Pipeline.load(run / "bundle").predict(texts)
    size = (run / "bundle" / "model.fp32.onnx").stat().st_size
    resolved = json.loads((run / "spec.resolved.json").read_text())
    resolved["export"]["prune_vocab"] = {"min_count": 1, "scripts": []}
    models.write_spec(run, resolved)
    assert main(["export", str(run)]) == 0
    pruned = json.loads((run / "export.json").read_text())["pruned_vocab"]
    assert pruned["pieces_after"] == pruned["pieces_before"] - 60
    assert pruned["inputs_split_otherwise"] == 0
    assert pruned["max_abs_diff_of_inputs_split_alike"] < 1e-5
    assert pruned["answers_that_flip"] == 0
    pipeline = Pipeline.load(run / "bundle")
    assert pipeline.encoder.tokenizer.get_vocab_size() == pruned["pieces_after"]
    assert (run / "bundle" / "model.fp32.onnx").stat().st_size < size
    assert [answer.label for answer in pipeline.predict(texts)] == [answer.label for answer in whole]
    assert "unknown pieces" in capsys.readouterr().out


def test_windows_are_compared_row_by_row() -> None:
    """A row that fewer pieces cut into more windows is split otherwise; those behind it still meet their own."""

    def answers(ids: list[list[int]], row: list[int]) -> ModelAnswers:
        return ModelAnswers([np.array(one) for one in ids], np.array(row), {}, [])

    whole = answers([[1, 5], [1, 6], [1, 7], [1, 9]], [0, 1, 1, 2])
    cut = answers([[1, 2], [1, 3], [3, 3], [3, 4], [1, 5]], [0, 1, 1, 1, 2])
    kept = np.array([0, 1, 5, 6, 7, 9])
    assert _split_alike(whole, cut, kept) == [[(0, 0)], [], [(3, 4)]]
