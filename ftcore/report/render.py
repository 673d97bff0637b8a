"""Writes `report.html`: one file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.families.calibration import Bin, reliability
from ftcore.families.reader import input_text
from ftcore.files import write_atomic
from ftcore.report import charts
from ftcore.report.audit import audit_section
from ftcore.report.content import Content, read_run
from ftcore.report.explanation import error_content
from ftcore.report.templates import template
from ftcore.runs.folder import RunFolder

_MOST_CLASSES = 40
_EXAMPLES = 10  # rows of a finding of the audit
_NO_VERDICT = {"outcome": "unclear", "text": "There is no baseline to compare with."}


def write_report(folder: RunFolder) -> None:
    """Write the report of a run that has been evaluated into its folder."""
    write_atomic(folder.report_file, render(read_run(folder)).encode())


def render(content: Content) -> str:
    """The report as HTML; the monitored metric leads."""
    metric = content.metrics["metric"]
    test = {
        "warnings": [],
        "samples": [],
        "policy": None,
        "slices": [],
        "invariance": [],
        "ranking": None,
        **content.test,
    }
    columns = columns_of(test)
    classes = sorted(test.get("classes", []), key=lambda one: (one["f1"], one["label"]))
    return template("page.html.j2").render(
        title=f"ftcore: {content.record['name']}",
        content=content,
        test=test,
        confidence=f"{content.metrics['confidence']:.0%}",
        headline={"name": metric, "text": figure(test["metrics"].get(metric))},
        verdict=content.metrics["verdict"] or _NO_VERDICT,
        folds=(folds := content.metrics.get("cross_validation")),
        folds_figure=figure(folds["metrics"].get(metric)) if folds else "",
        columns=list(columns),
        figures=[[name, *(figure(its.get(name)) for its in columns.values())] for name in test["metrics"]],
        classes=classes[:_MOST_CLASSES],
        classes_left=max(0, len(classes) - _MOST_CLASSES),
        slices=[(one["slice"], one["rows"], figure(one["metric"]) or "no rows") for one in test["slices"]],
        invariance=list(map(_invariance, test["invariance"])),
        policy=_policy(test["policy"]),
        charts=_charts(content, metric),
        worst=content.worst,
        audit=audit_section(content.audit, _EXAMPLES) if content.audit else None,
        variants=variants_of(content.export, metric),
        errors=[error_content(one) for one in content.explanations.get("errors", [])],
        drivers=content.explanations.get("labels"),
    )


def figure(found: Mapping[str, float] | None) -> str:
    """A value with its interval: `0.8123 [0.7900, 0.8300]`."""
    if found is None:
        return ""
    if found.get("low") is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


def columns_of(test: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Who was measured on the test rows -> metrics: this model, baselines, the base model without training."""
    columns = {"this model": test["metrics"]}
    for name, baseline in test.get("baselines", {}).items():
        columns[name] = baseline["metrics"]
    if zero_shot := test.get("zero_shot"):
        columns["zero-shot"] = zero_shot["metrics"]
    return columns


def _invariance(check: Mapping[str, Any]) -> dict[str, Any]:
    """One check as the page shows it."""
    examples = [{**example, "text": input_text(example["input"])} for example in check["examples"]]
    return {
        **check,
        "same": figure(check["same"]) or "no rows",
        "wanted": f"{check['at_least']:.4f}",
        "fails": check["same"] is None or check["same"]["value"] < check["at_least"],
        "examples": examples,
    }


def _policy(policy: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What the policy is worth on the test rows: what it is -> its figures."""
    if policy is None:
        return []
    rows = [("temperature", f"{policy['temperature']:.3f}")]
    for when in ("before", "after"):
        rows += [
            (f"{name} {when} the temperature", figure(found)) for name, found in policy.get(when, {}).items()
        ]
    rows += [("note", sentence) for sentence in policy.get("notes", [])]
    if chosen := policy.get("thresholds"):
        rows.append(("precision asked of each label", f"{chosen['target_precision']:.4f}"))
        rows.append(("precision of all labels", figure(chosen["precision_micro"])))
        rows.append(("recall of all labels", figure(chosen["recall_micro"])))
    if abstention := policy.get("abstention"):
        rows.append(("least confidence of an answer that is given", f"{policy['min_confidence']:.4f}"))
        if abstention["target_precision"]:
            rows.append(("precision asked", f"{abstention['target_precision']:.4f}"))
        rows.append(("precision of the answers given", figure(abstention["precision"])))
        rows.append(("share of the answers given", figure(abstention["answered"])))
    if sets := policy.get("sets"):
        conformal = policy["conformal"]
        rows.append(
            (f"coverage asked of the sets ({conformal['method'].upper()})", f"{conformal['coverage']:.4f}")
        )
        rows.append(("coverage of the sets", figure(sets["coverage"])))
        rows.append(("labels of a set", f"{sets['mean_size']:.2f}"))
        rows.append(("sets that are empty", f"{sets['empty']:.4f}"))
    return [*rows, *(("not kept to", sentence) for sentence in policy["unmet"])]


def _charts(content: Content, metric: str) -> list[dict[str, str]]:
    made = [
        ("Loss", charts.curves("loss", content.losses)),
        (f"{metric} on validation", charts.curves(metric, content.metric)),
    ]
    if confusion := content.test.get("confusion"):
        counts = np.asarray(confusion)
        made.append(("References down, answers across", charts.confusion(content.test["labels"], counts)))
    if (scored := content.scores()) is not None:
        lines = {
            f"{when} the temperature": [Bin(**one) for one in bins]
            for when, bins in content.test.get("policy", {}).get("reliability", {}).items()
        }
        diagram = charts.reliability_diagram(lines or {"score": reliability(*scored)})
        made.append(("On the diagonal, scores mean what they say", diagram))
        made.append(
            ("What leaving out the least certain rows would gain", charts.risk_coverage_curve(*scored))
        )
    made.append(("Whichever threshold: labels found and labels given wrongly", charts.roc(content.ranking)))
    made.append(("Whichever threshold: what finding more costs", charts.precision_recall(content.ranking)))
    return [{"caption": caption, "svg": svg} for caption, svg in made if svg]


def variants_of(export: Mapping[str, Any] | None, metric: str) -> Sequence[Mapping[str, Any]]:
    """What is shown of each variant in export.json."""
    if export is None:
        return []
    return [
        {
            "name": name,
            "default": name == export["default"],
            "megabytes": f"{one['bytes'] / 1e6:.1f}",
            "metric": figure(one["test"]["metrics"].get(metric)),
            "changed": f"{len(one['parity']['flips'])} of {one['parity']['rows']}",
            "milliseconds": f"{one['speed']['p50_ms']:.2f}",
            "failures": "; ".join(one["failures"]),
        }
        for name, one in export["variants"].items()
    ]
