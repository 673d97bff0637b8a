import json
from pathlib import Path

from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore_export import Pipeline


def test_a_run_exports_fewer_pieces_and_the_same_answers(project: Path, tiny_base: Path, capsys) -> None:
    spec = project / "labels.yaml"
    YAML().dump(tiny_spec(tiny_base, export={"variants": ["fp32"]}), spec)
    assert main(["run", str(spec)]) == 0
    (record,) = project.glob("runs/*/*/run.json")
    run = record.parent
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    texts = [line["input"] for line in lines]
    whole = Pipeline.load(run / "bundle").predict(texts)
    size = (run / "bundle" / "model.fp32.onnx").stat().st_size
    resolved = json.loads((run / "spec.resolved.json").read_text())
    resolved["export"]["prune_vocab"] = {"min_count": 1, "scripts": []}
    (run / "spec.resolved.json").write_text(json.dumps(resolved))
    assert main(["export", str(run)]) == 0
    told = json.loads((run / "export.json").read_text())["pruned_vocab"]
    assert told["pieces_after"] < told["pieces_before"]
    assert told["inputs_split_otherwise"] == 0
    assert told["max_abs_diff_of_inputs_split_alike"] < 1e-5
    assert told["answers_that_flip"] == 0
    pipeline = Pipeline.load(run / "bundle")
    assert pipeline.encoder.tokenizer.get_vocab_size() == told["pieces_after"]
    assert (run / "bundle" / "model.fp32.onnx").stat().st_size < size
    assert [answer.label for answer in pipeline.predict(texts)] == [answer.label for answer in whole]
    assert "unknown pieces" in capsys.readouterr().out
