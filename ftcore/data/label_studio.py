"""What Label Studio exports of texts with labelled spans, in its JSON and in its JSON-MIN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftcore.data.json_file import read_json_file
from ftcore.data.records import Record
from ftcore.errors import DataError

_SHOWN = 60


def read_label_studio(path: Path, name: str, encoding: str) -> Iterator[Record]:
    """One record a task: `text`, `entities` (`{start, end, label, text}`) and `id`; the location is its number.

    Raises:
        DataError: the file cannot be read, or is no array of tasks.
    """
    tasks = read_json_file(path, name, encoding)
    if not isinstance(tasks, list) or not tasks:
        hint = "export the project as JSON or JSON-MIN: an array of tasks"
        raise DataError("not what Label Studio exports", where=name, hint=hint)
    for number, task in enumerate(tasks, 1):
        location = f"{name}:{number}"
        try:
            if not isinstance(task, Mapping):
                raise ValueError(f"expected a task, got {type(task).__name__}")
            yield Record(location, {"id": task.get("id"), **_values(task)}, "", number)
        except ValueError as error:
            yield Record(location, None, str(error), number)


def _values(task: Mapping[str, Any]) -> dict[str, Any]:
    """Text and entities of a task.

    Raises:
        ValueError: why it has none.
    """
    if isinstance(data := task.get("data"), Mapping):
        return {"text": _text(data), "entities": [_entity(one) for one in _results(task)]}
    labelled = [
        value for value in task.values() if isinstance(value, list) and all(map(_is_region, value)) and value
    ]
    if len(labelled) > 1:
        raise ValueError("several fields with labelled spans; export the project as JSON")
    regions = labelled[0] if labelled else []
    return {"text": _text(task), "entities": [_region(one) for one in regions]}


def _text(data: Mapping[str, Any]) -> str:
    """`text`, or the only text that there is."""
    if isinstance(data.get("text"), str):
        return str(data["text"])
    texts = [value for value in data.values() if isinstance(value, str)]
    if len(texts) != 1:
        raise ValueError(f"no `text` among the task's data ({', '.join(map(str, data))[:_SHOWN]})")
    return texts[0]


def _results(task: Mapping[str, Any]) -> list[Any]:
    """The regions of the one annotation that counts: the ground truth, or the only one that was not cancelled."""
    found = [
        one
        for one in task.get("annotations") or task.get("completions") or ()
        if isinstance(one, Mapping) and not one.get("was_cancelled")
    ]
    found = [one for one in found if one.get("ground_truth")] or found
    if len(found) != 1:
        what = "nobody has annotated it" if not found else f"it has {len(found)} annotations"
        raise ValueError(f"{what}; one is needed (mark it as the ground truth)")
    results = found[0].get("result")
    if not isinstance(results, list):
        raise ValueError("its annotation has no `result`")
    return [
        one
        for one in results
        if isinstance(one, Mapping) and one.get("type") in ("labels", "hypertextlabels")
    ]


def _entity(result: Mapping[str, Any]) -> dict[str, Any]:
    value = result.get("value")
    if not isinstance(value, Mapping) or not _is_region(value):
        raise ValueError(f"a region without start, end and labels: {value!r:.{_SHOWN}}")
    return _region(value)


def _is_region(value: object) -> bool:
    return isinstance(value, Mapping) and {"start", "end"} <= value.keys() and bool(_labels(value))


def _labels(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 (any JSON)
    return value.get("labels") or value.get("hypertextlabels")


def _region(value: Mapping[str, Any]) -> dict[str, Any]:
    labels = _labels(value)
    if not isinstance(labels, list) or len(labels) != 1:
        raise ValueError(f"a span with {labels!r:.{_SHOWN}}; one label each is learnt")
    found = {"start": value["start"], "end": value["end"], "label": labels[0]}
    return {**found, "text": value["text"]} if isinstance(value.get("text"), str) else found
