"""ftcore from Python: a run, its figures, bundle, report and comparison, and errors as the command line gives them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from models import labelled_rows, save_tiny_bert, tiny_spec
from ruamel.yaml import YAML

import ftcore
from ftcore.cli import main
from ftcore.scripting.progress import NotebookBar

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ftcore.Run:
    """A run whose name of a label is hostile."""
    folder = tmp_path_factory.mktemp("python")
    spec = tiny_spec(save_tiny_bert(folder / "base"), export={"variants": ["fp32"]})
    spec["data"]["train"] = [
        {**row, "label": row["label"].replace("neg", HOSTILE)} for row in labelled_rows(160)
    ]
    return ftcore.run(
        ftcore.Spec(**spec, base_dir=folder), runs_dir=folder / "runs", progress=False, training={"epochs": 3}
    )


def test_importing_it_loads_next_to_nothing() -> None:
    code = "import sys, ftcore; print(*(name for name in sys.modules if name.startswith('ftcore')))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["ftcore"]
    heavy = "assert not {'torch', 'transformers', 'pyarrow', 'onnxruntime', 'rich'} & set(sys.modules)"
    names = "ftcore.run, ftcore.load, ftcore.Spec, ftcore.CheckFailed"
    subprocess.run([sys.executable, "-c", f"import sys, ftcore; {names}; {heavy}"], check=True)
    assert set(ftcore.__all__) <= set(dir(ftcore))
    assert all(hasattr(ftcore, name) for name in ftcore.__all__)


def test_a_run_has_the_figures_of_its_files(made: ftcore.Run) -> None:
    assert (made.status, made.name, made.spec["training"]["epochs"]) == ("finished", "python", 3)
    measured = json.loads((made.path / "metrics.json").read_text())["splits"]["test"]["metrics"]
    assert made.metrics["accuracy"]._asdict() == measured["accuracy"]
    assert float(made.metrics["accuracy"]) >= 0.9, "a word decides every label"
    assert made.metric in made.metrics
    assert made.verdict == made.figures["verdict"]["text"]
    lines = made.predictions()
    answers = made.bundle.predict([line["input"] for line in lines])
    assert [answer.label for answer in answers] == [line["answer"]["label"] for line in lines]
    assert ftcore.load(made.path).record == made.record
    assert ftcore.load("python", runs_dir=made.path.parents[1]).path == made.path
    text = (made.path / "spec.yaml").read_text()
    assert text.startswith('task: "classification"\ndata:\n  train:\n'), "kept as a file is"


def test_everything_a_notebook_shows_is_escaped(made: ftcore.Run, tmp_path: Path) -> None:
    copied = shutil.copytree(
        made.path, tmp_path / "copied", ignore=shutil.ignore_patterns("checkpoints", "model")
    )
    same = ftcore.compare(made, copied)
    explained = made.bundle.explain(f"good food {HOSTILE}")
    for shown in (made, made.report, same, explained):
        assert "<script" not in shown._repr_html_(), type(shown)
    assert "&amp;lt;script" in made.report._repr_html_(), "a label, on a page in a frame"
    assert "&lt;" in explained._repr_html_()
    assert "python: accuracy" in made._repr_html_()
    assert "fp32 (answers)" in made._repr_html_()
    assert (same.difference, same.interval, same.p_value, same.rows) == (0.0, (0.0, 0.0), 1.0, 32)
    assert same.sentence.startswith("no clear difference")


def test_errors_are_those_of_the_command_line(
    project: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_spec(tiny_base, training={"learning_rat": 1e-5, "epochs": "many"})
    YAML().dump(values, project / "python")
    with pytest.raises(ftcore.SpecError) as caught:
        ftcore.Spec(**values)
    assert "did you mean `learning_rate`?" in str(caught.value)
    assert len(caught.value.diagnostics) == 2, "all at once"
    assert main(["validate", "python", "--no-data"]) == 2
    printed = capsys.readouterr().err
    wanted = re.findall(r"error\[.*", printed)
    assert re.findall(r"error\[.*", str(caught.value)) == wanted

    with pytest.raises(ftcore.SpecError, match=r"overrides:1:17: error.* got the text 'many'"):
        ftcore.run("spec.yaml", training={"epochs": "many"})
    with pytest.raises(ftcore.UserError, match=r"a spec cannot hold a `object`"):
        ftcore.Spec(**{**tiny_spec(tiny_base), "name": object()})
    with pytest.raises(ftcore.UserError, match=r"no spec file `none\.yaml`"):
        ftcore.run("none.yaml")
    with pytest.raises(ftcore.UserError, match="no run of this name"):
        ftcore.load("nothing")
    assert not (project / "runs").exists()


@pytest.mark.parametrize("value", ["no", "1e5", "null", "a: b", "# x", "☃\x7f\u2028\n\t\"'", "", " x ", "😀"])
def test_texts_stay_what_they_are(tiny_base: Path, value: str) -> None:
    label = value.strip() or "x"  # rows' labels are read without outer space
    rows = [{"text": value or "x", "label": label}, {"text": "b", "label": "c"}]
    spec = ftcore.Spec(**{**tiny_spec(tiny_base), "data": {"train": rows, "labels": [label, "c"]}})
    assert spec.values["data"]["labels"] == [label, "c"]
    assert spec.with_overrides(data={"labels": ["c", label]}).values["data"]["labels"][1] == label


def test_a_spec_with_overrides_is_another_one(tiny_base: Path) -> None:
    spec = ftcore.Spec(**tiny_spec(tiny_base), base_dir=Path())
    other = spec.with_overrides(training={"epochs": 5, "seed": 7}, name="other", model={"base": tiny_base})
    assert (other.values["training"]["epochs"], other.name) == (5, "other")
    assert other.values["training"]["batch_size"] == spec.values["training"]["batch_size"]
    assert (spec.values["training"]["epochs"], spec.name) == (2, "python")
    assert "epochs: 5" in other.text
    spec.check()


def test_in_a_thread_of_a_program_and_with_a_check_unmet(project: Path, tiny_base: Path) -> None:
    values: dict[str, Any] = tiny_spec(
        tiny_base, training={"max_steps": 1}, export={"tolerance": {"logits": 1e-12}}
    )
    caught: list[BaseException] = []

    def work() -> None:
        try:
            ftcore.run(ftcore.Spec(**values), progress=False)
        except BaseException as error:  # noqa: BLE001 (to be looked at in the main thread)
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(caught[0], ftcore.CheckFailed)
    run = ftcore.load("latest")
    assert f"ftcore.load('{run.path}')" in str(caught[0])
    assert run.bundle.predict(["good"])[0].label in ("neg", "pos")


def test_what_is_not_there_yet_says_how_to_make_it(project: Path, tiny_base: Path) -> None:
    spec = YAML()
    spec.dump(tiny_spec(tiny_base, training={"max_steps": 1}), project / "labels.yaml")
    assert main(["train", "labels.yaml"]) == 0
    run = ftcore.load("labels")
    for name in ("metrics", "report", "bundle"):
        with pytest.raises(ftcore.UserError, match=r"this run .* yet"):
            getattr(run, name)
    assert "<strong>labels</strong>" in run._repr_html_()
    assert run.resume(progress=False).status == "finished"
    assert run.metrics


def test_the_bar_of_a_notebook() -> None:
    shown: list[str] = []

    def show(html: str) -> Any:
        shown.append(html)
        return shown.append

    bar = NotebookBar(show, 2, 4)
    bar.move(3, "loss <1>")
    assert len(shown) == 1, "a moment after the first"
    bar.move(4, "loss <1>")
    assert '<progress value="4" max="4"' in shown[1]
    assert "loss &lt;1&gt;" in shown[1]
    bar.close()
