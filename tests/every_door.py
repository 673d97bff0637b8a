"""What a run of any task can be asked for, in one place: validate, predict, explain, serve, page, package, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from graph_cache import working_in
from serving import serving

from ftcore.cli import main
from ftcore_runtime import Pipeline


def assert_explained(run: Path, item: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Explain the answer to an input by the bundle and, unless it writes texts, by gradients of the run."""
    bundle = str(run / "bundle")
    generates = json.loads((run / "bundle" / "bundle.json").read_text())["family"] == "text_generation"
    for way in [[bundle]] if generates else [[bundle], [str(run), "--method", "gradients"]]:
        with working_in(run.parents[2]):
            assert main(["explain", *way, *options_of(item), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["targets"]
        assert all(len(one["weights"]) == len(found["parts"]) for one in found["targets"])


def options_of(item: Mapping[str, str]) -> list[str]:
    """An input as commands take it."""
    return [part for pair in zip(("--text", "--text-pair"), item.values(), strict=False) for part in pair]


def assert_every_door(
    run: Path, item: Mapping[str, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ask a run that ended, with fp32 and int8, for everything.

    Args:
        item: an input, of two or more words, that has an answer.
        folder: where the package is written.
    """
    name, bundle = run.parent.name, str(run / "bundle")
    variants = json.loads((run / "export.json").read_text())["variants"]
    assert {"fp32", "int8"} <= {*variants}
    assert variants["fp32"]["parity"]["flips"] == []
    (answer,) = Pipeline.load(bundle, threads=1).predict([item])

    with working_in(run.parents[2]):
        capsys.readouterr()
        assert main(["validate", f"{name}.yaml"]) == 0
        assert f"{name}.yaml: valid" in capsys.readouterr().out
        assert main(["predict", bundle, *options_of(item)]) == 0
        assert capsys.readouterr().out.startswith(answer.summary), answer.summary
    assert_explained(run, item, capsys)

    with serving(bundle) as running:
        (served,) = running.ask(dict(item), model=name).json()["predictions"]
        assert json.dumps(served)[:20] == json.dumps(answer.to_json())[:20]
        explained = running.post(f"/v1/models/{name}:explain", {"input": dict(item), "faithfulness": False})
        assert explained.status_code == 200
        assert explained.json()["targets"]
        about = running.client.get(f"/v1/models/{name}").json()
        assert (about["fields"][: len(item)], about["explains"]) == ([*item], True)
        assert 'id="why"' in running.client.get("/").text

    assert main(["package", "triton", bundle, "--output", str(folder / "triton")]) == 0
    assert (folder / "triton" / name / "config.pbtxt").is_file()
    report = (run / "report.html").read_text()
    assert name in report
    assert "<script src" not in report
    assert (run / "bundle" / "README.md").is_file()
