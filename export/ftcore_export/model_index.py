"""The head of a model card in the Hub's form: licence, base model, and `model-index` with every measured metric.

The form is that of huggingface.co/docs/hub/model-cards; JSON is YAML, so each value is written as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ftcore_runtime.answers import Answer
from ftcore_runtime.manifest import Manifest

_SPDX = re.compile(r"[\w.+-]+")


def front_matter(manifest: Manifest) -> Iterator[str]:
    """Lines of YAML between two `---`."""
    yield "---"
    for key, value in _fields(manifest).items():
        yield f"{key}: {json.dumps(value, ensure_ascii=False)}"
    yield "---"


def pipeline_tag(answer: type[Answer], task: str) -> str | None:
    """What the Hub calls a task with such answers; None where it has no name for them."""
    return task if task in answer.hub_tasks else next(iter(answer.hub_tasks), None)


def _fields(manifest: Manifest) -> dict[str, Any]:
    provenance, tag = manifest.provenance, pipeline_tag(manifest.make_decoder().answer, manifest.task)
    fields: dict[str, Any] = {"library_name": "ftcore", "tags": ["ftcore", "onnx", manifest.task]}
    licence = (provenance.get("licenses") or {}).get("base_model")
    if licence:
        fields |= (
            {"license": licence.lower()}
            if _SPDX.fullmatch(licence)
            else {"license": "other", "license_name": licence}
        )
    if base := provenance.get("base_model_id"):
        fields["base_model"] = base
    if tag:
        fields["pipeline_tag"] = tag
    results = [
        {
            "task": {"type": tag or "other", "name": manifest.task},
            "dataset": _dataset(provenance, split),
            "metrics": [
                {"type": name, "name": name, "value": metric["value"]}
                for name, metric in measured["metrics"].items()
            ],
        }
        for split, measured in manifest.metrics.get("splits", {}).items()
    ]
    if results:
        fields["model-index"] = [{"name": manifest.name, "results": results}]
    return fields


def _dataset(provenance: Mapping[str, Any], split: str) -> dict[str, str]:
    """The source that a split came from: its own, or the one that it was held out of."""
    sources = {entry["split"]: entry["source"] for entry in provenance.get("data") or []}
    source = sources.get(split) or sources.get("train") or "unknown"
    return {"name": source, "type": source, "split": split}
