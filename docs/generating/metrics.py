"""Every metric: those that the tasks are measured by, and those that a server shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from ftcore.families.bound import BoundFamily
from ftcore.plugins import LoadedTask
from ftcore.spec.metrics import MetricInfo
from ftcore_server.metrics import Metrics
from generating import cell, head, shipped_plugins, table

#: What of a spec decides on the metrics of its task, where anything does.
_KINDS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "classification": {
        "one label": {},
        "several labels": {"problem": "multi_label"},
    },
    "sentiment": {"": {"labels": ["negative", "positive"]}},
}


def page() -> str:
    """The page."""
    registry = shipped_plugins()
    text = (
        "Intervals are as\n[evaluation says](evaluation.md#intervals). The *monitored* metric picks the best"
        " checkpoint and decides the verdict, unless\n`evaluation.metric` names another. A plugin adds its own:"
        " [`ftcore_metrics`](hooks.md)."
    )
    parts = [head("Metrics", text)]
    same: dict[str, list[str]] = {}
    for info in registry.infos():
        if info.origin == "shipped":
            task = registry.load(info.id)
            for kind, data in _KINDS.get(info.id, {"": {}}).items():
                name = f"`{info.id}`" + (f", {kind}" if kind else "")
                same.setdefault(_of_task(task, data), []).append(name)
    for body, names in same.items():
        parts += [f"## {'; '.join(names)}\n", body]
    return "\n".join([*parts, "## Of a server\n", *_of_server()])


def _of_task(task: LoadedTask, data: Mapping[str, Any]) -> str:
    """The table of a task's metrics, with a sentence on the monitored one."""
    sections = {"task": task.task.id, "data": {"train": "rows.csv", **data}, "model": {"base": "./base"}}
    spec = task.task.spec.model_validate(sections)
    # Which metric is monitored follows from the spec alone; labels are learnt from rows.
    scoring = BoundFamily(task.family, spec, SimpleNamespace(labels=("a", "b"))).scoring
    monitored = task.task.metric or scoring.default_metric
    known: Mapping[str, MetricInfo] = spec.known_metrics or {}
    rows = [(f"`{name}`", "less" if info.lower else "more", cell(info.text)) for name, info in known.items()]
    return f"Monitored: `{monitored}`.\n\n{table(('metric', 'better', 'what it is'), rows)}"


def _of_server() -> Iterator[str]:
    """The series of `/metrics`."""
    yield (
        "`GET /metrics` of [`ftcore serve`](serving.md), in Prometheus' format. Labels hold names of ours, never text"
        " of a client's.\n"
    )
    rows = []
    for series in vars(Metrics()).values():
        if not isinstance(series, MetricWrapperBase):
            continue  # the registry itself
        (metric,) = series.describe()
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        labels = ", ".join(f"`{label}`" for label in series._labelnames)
        rows.append((f"`{name}`", metric.type, labels, cell(metric.documentation)))
    yield table(("name", "type", "labels", "what it counts"), rows)
