"""The report of a run: what it says, that it asks nobody for anything, and that texts of users stay texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_auc_score

from ftcore.cli.summary import print_summary
from ftcore.families.calibration import reliability
from ftcore.report import charts
from ftcore.report.content import Curve
from ftcore.report.ranking import LabelScores, RankingCurve
from ftcore.report.render import write_report
from ftcore.runs.folder import RunFolder

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }} $\\frac{1}{2}$ &amp; ]]>"


class Tags(HTMLParser):
    """The elements of a page, and every attribute's value."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of a classification whose name, labels, texts, locations and warnings are hostile."""
    labels = [HOSTILE, "calm"]
    figure = {"value": 0.75, "low": 0.5, "high": 0.9}
    lines: list[dict[str, Any]] = [
        {
            "row": f"{HOSTILE}:{number}",
            "input": [HOSTILE, "second"] if number % 2 else HOSTILE,
            "reference": labels[number % 2],
            "answer": {"label": labels[0], "score": 0.9, "scores": {labels[0]: 0.9, labels[1]: 0.1}},
            "summary": f"{labels[0]} 0.900",
            "correct": number % 2 == 0,
            "confidence": 0.9,
        }
        for number in range(8)
    ]
    test = {
        "rows": 8,
        "metrics": {"accuracy": figure, "mcc": {"value": 0.1}},
        "baselines": {f"always {HOSTILE}": {"metrics": {"accuracy": figure}, "gain": {}}},
        "labels": labels,
        "confusion": [[4, 0], [4, 0]],
        "classes": [
            {"label": label, "precision": 0.5, "recall": 0.0, "f1": 0.0, "support": 4} for label in labels
        ],
        "samples": [{"source": HOSTILE, "answer": HOSTILE}],
        "warnings": [HOSTILE],
    }
    verdict = {"outcome": "worse", "text": HOSTILE}
    record = {
        "name": HOSTILE,
        "task": "classification",
        "family": "sequence_classification",
        "status": "finished",
        "base_dir": "base",
        "steps": [],
        "plugin": {},
        "created": "2026-01-01T00:00:00+00:00",
        "seed": 1,
        "git_revision": None,
        "versions": {"ftcore": "0.1.0"},
        "data": [{"split": "train", "source": HOSTILE, "kind": "csv", "rows_read": 9, "sha256": "0" * 64}],
        "data_report": {"rows": {"train": 9}},
    }
    events = [
        {"event": "step", "step": 1, "loss": 0.7},
        {"event": "step", "step": 2, "loss": 0.6},
        {"event": "evaluated", "step": 2, "metrics": {"accuracy": 0.75}},
        {"event": "warning", "message": HOSTILE},
    ]
    folder = RunFolder(tmp_path)
    folder.record_file.write_text(json.dumps(record))
    folder.metrics_file.write_text(
        json.dumps({"metric": "accuracy", "confidence": 0.95, "splits": {"test": test}, "verdict": verdict})
    )
    folder.events_file.write_text("".join(json.dumps(event) + "\n" for event in events))
    folder.predictions("test").write_text("".join(json.dumps(line) + "\n" for line in lines))
    similar = {"row": HOSTILE, "text": HOSTILE, "reference": HOSTILE, "similarity": 0.5}
    error = {
        "row": HOSTILE,
        "target": HOSTILE,
        "score": 0.9,
        "texts": {"text": [[HOSTILE, 0.5], [" ", None], [HOSTILE, -0.1]]},
        "conclusion": "faithful",
        "similar": [similar],
    }
    word = {"word": HOSTILE, "count": 3, "weight": 0.1, "low": 0.05, "high": 0.15}
    confused = [{"reference": HOSTILE, "answered": HOSTILE, "rows": 2, "words": [word]}]
    words = {"rows": 8, "labels": {HOSTILE: [word]}, "confused": confused}
    folder.explanations_file.write_text(json.dumps({"errors": [error], "labels": words}))
    (tmp_path / "spec.yaml").write_text(f"task: classification # {HOSTILE}\n")
    return folder


def page(run: RunFolder) -> tuple[str, Tags]:
    write_report(run)
    text = run.report_file.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    return text, tags


def test_hostile_texts_stay_texts(run: RunFolder) -> None:
    text, tags = page(run)
    assert not {"script", "img", "iframe", "link", "object"} & set(tags.names)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert HOSTILE in tags.text
    assert "{{" in text, "what looks like a template in a text is not one"


def test_nothing_is_asked_of_anybody(run: RunFolder) -> None:
    text, tags = page(run)
    assert "default-src 'none'" in text
    outward = [value for name, value in tags.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith("#") for value in outward), outward
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text


def test_it_leads_with_the_metric_and_the_verdict_and_shows_what_went_wrong(run: RunFolder) -> None:
    _, tags = page(run)
    assert "accuracy 0.7500 [0.5000, 0.9000]" in tags.text
    assert tags.text.index("accuracy 0.7500") < tags.text.index("Figures")
    assert ("class", "verdict worse") in tags.attributes
    assert tags.text.count(f"{HOSTILE}:1") >= 1, "a wrong row is shown with its location"
    assert tags.names.count("svg") == 7, (
        "loss, metric, confusion, reliability, risk, ROC, precision and recall"
    )


def test_ids_of_charts_do_not_collide(run: RunFolder) -> None:
    _, tags = page(run)
    ids = [value for name, value in tags.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_a_run_without_scores_labels_or_baselines_has_a_report_too(run: RunFolder) -> None:
    metrics = {
        "metric": "bleu",
        "confidence": 0.9,
        "splits": {"test": {"rows": 1, "metrics": {"bleu": {"value": 31.0}}}},
    }
    run.metrics_file.write_text(json.dumps(metrics))
    line = {"row": "t.csv:2", "input": "a", "reference": "b", "answer": {"text": "b"}, "summary": "b"}
    run.predictions("test").write_text(json.dumps(line) + "\n")
    write_report(run)
    text = run.report_file.read_text()
    assert "bleu 31.0000" in text
    assert "There is no baseline to compare with." in text


def test_a_run_that_was_measured_before_there_was_a_verdict_is_shown(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads(run.metrics_file.read_text())
    del metrics["metric"], metrics["verdict"], metrics["splits"]["test"]["baselines"]
    del metrics["splits"]["test"]["warnings"]
    run.metrics_file.write_text(json.dumps(metrics))
    line = {"input": "a text", "reference": "calm", "answer": {"label": "calm", "score": 0.9}}
    run.predictions("test").write_text(json.dumps(line) + "\n")
    write_report(run)
    assert "accuracy 0.7500" in run.report_file.read_text()
    print_summary(run)
    assert "accuracy 0.7500 [0.5000, 0.9000] on 8 test rows" in capsys.readouterr().out


def test_the_summary_fits_the_screen_and_escapes_what_is_hostile(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    label = "\x1b]0;title\x07" + "long " * 30
    metrics = json.loads(run.metrics_file.read_text())
    test = metrics["splits"]["test"]
    test["classes"][0]["label"] = label
    test["confusions"] = [{"reference": label, "answer": "calm", "rows": 4}]
    test["baselines"], test["samples"], test["warnings"] = {}, [], []
    metrics["verdict"] = {"outcome": "unclear", "text": "not clearly better than TF-IDF"}
    run.metrics_file.write_text(json.dumps(metrics))
    print_summary(run)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "most frequent confusions" in shown
    body = [line for line in shown.splitlines() if not line.startswith(("run ", "report:", "next:"))]
    assert max(map(len, body)) <= 80


def ranking_curves(lines: Iterable[Mapping[str, Any]], labels: Sequence[str]) -> list[RankingCurve]:
    scores = LabelScores(labels)
    for line in lines:
        scores.add(line)
    return scores.curves()


def test_curves_of_labels_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.dirichlet(np.ones(3), 150).round(2), rng.integers(0, 3, 150)
    lines = [
        {"reference": "abc"[right], "answer": {"scores": dict(zip("abc", row, strict=True))}}
        for right, row in zip(truth, scores.tolist(), strict=True)
    ]
    everything, *worst = ranking_curves(lines, "abc")
    hot = np.eye(3, dtype=bool)[truth]
    assert everything.area == pytest.approx(roc_auc_score(hot.ravel(), scores.ravel()))
    areas = {name: roc_auc_score(hot[:, place], scores[:, place]) for place, name in enumerate("abc")}
    assert [curve.name for curve in worst] == sorted(areas, key=areas.__getitem__)[:2]
    place = "abc".index(worst[0].name)
    precision, recall, _ = precision_recall_curve(hot[:, place], scores[:, place])
    own = {*zip(worst[0].recall[1:].round(9), worst[0].precision[1:].round(9), strict=True)}
    assert own <= {*zip(recall.round(9), precision.round(9), strict=True)}
    assert len(own) > 20
    assert ranking_curves([{"reference": "a", "answer": {"scores": {"a": 1.0}}}], "ab") == []
    assert ranking_curves(lines[:1], "abc")[0].area == roc_auc_score(hot[0], scores[0])


def test_a_confusion_matrix_that_nobody_could_read_is_not_drawn() -> None:
    many = [str(number) for number in range(40)]
    assert charts.confusion(many, np.eye(40, dtype=int)) == ""
    assert charts.confusion(["a", "b"], np.eye(2, dtype=int)).startswith("<svg")


def test_a_chart_after_others_is_as_it_is_alone() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.random(60), rng.random(60) < 0.5
    ranked = ranking_curves(
        [
            {"reference": "ab"[int(one)], "answer": {"scores": {"a": 1 - x, "b": x}}}
            for x, one in zip(scores, right, strict=True)
        ],
        "ab",
    )
    drawn = [
        lambda: charts.curves("loss", [Curve("train", [1, 2, 300], [1e-6, 3e-6, 2e-6]), Curve("x", [5], [0.0])]),
        lambda: charts.roc(ranked),
        lambda: charts.risk_coverage_curve(scores, right),
        lambda: charts.curves("accuracy", [Curve("accuracy", [10, 20], [0.5, 0.75])]),
        lambda: charts.confusion(["a", "b"], np.eye(2, dtype=int)),
        lambda: charts.reliability_diagram({"score": reliability(scores, right)}),
        lambda: charts.precision_recall(ranked),
    ]  # fmt: skip
    alone = []
    for draw in drawn:
        charts._line_axes.cache_clear()
        alone.append(draw())
    assert [draw() for draw in drawn] == alone
    assert [draw() for draw in reversed(drawn)] == alone[::-1]
