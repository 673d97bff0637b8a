"""A run made again from its own record, and what of it came out otherwise.

The record is the lock: the resolved spec, the fingerprints of data and base model, the versions of Python,
packages and plugin, the precision and the threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.events import read_events
from ftcore.files import read_json, write_atomic, write_json
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import (
    RunFolder,
    new_folder,
    now,
    plugin_record,
    reload_spec,
    spec_digest,
    versions,
)
from ftcore.task import LoadedTask

_NEEDED = ("train", "evaluate")


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was.

    Args:
        kind: version, plugin, data, base model, teacher, device, weights or metric.
        what: which one.
        expected: in the run that is made again.
        found: now.
        bad: it breaks the claim; otherwise it only explains what does.
    """

    kind: str
    what: str
    expected: Any
    found: Any
    bad: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.what}: {self.expected} then, {self.found} now"


def begin(
    original: RunFolder, runs_dir: Path, registry: PluginRegistry
) -> tuple[RunFolder, list[Difference]]:
    """Make the folder of the run that repeats `original`, with its spec, precision and seed.

    Returns:
        the folder, and what is already known to differ: versions and plugin.

    Raises:
        UserError: the original was not trained and evaluated to its end, or what it is compared by is gone.
    """
    record = original.record()
    missing = [step for step in _NEEDED if step not in record["steps"]]
    if missing:
        raise UserError(
            f"the run has nothing to compare with: it lacks {' and '.join(missing)}",
            where=str(original.path),
            hint=f"finish it with `ftcore resume {original.path}`",
        )
    resolved, task = reload_spec(original, registry)
    precision = device_of(original)["precision"]
    dict(_metrics(original))  # or nothing could be compared after the training
    folder = new_folder(runs_dir, record["name"], spec_digest(resolved))
    spec = read_json(original.spec_file)
    # `auto` measures the machine; the same numbers need the same choice.
    spec["training"]["precision"] = precision
    write_json(folder.spec_file, spec)
    write_atomic(folder.path / "spec.yaml", (original.path / "spec.yaml").read_bytes())
    kept = {
        key: record[key]
        for key in ("schema_version", "name", "task", "family", "spec", "base_dir", "seed", "git_revision")
    }
    write_json(
        folder.record_file,
        {
            **kept,
            "status": "waiting",
            "steps": [],
            "created": now(),
            "plugin": plugin_record(task),
            "versions": versions(),
            "reproduces": str(original.path.resolve()),
        },
    )
    return folder, list(_of_software(record, task))


def compare(original: RunFolder, again: RunFolder, tolerance: float) -> list[Difference]:
    """What differs between two finished runs; `bad` where the result is not the same.

    Args:
        tolerance: by how much a metric may differ; 0 asks for equal bits, of the weights too.
    """
    found: list[Difference] = []
    then, today = device_of(original), device_of(again)
    for key in ("device", "precision", "processes", "threads"):
        if then.get(key) != today.get(key):
            found.append(Difference("device", key, then.get(key), today.get(key)))
    before, after = original.record(), again.record()
    for name in sorted({*before.get("weights", {}), *after.get("weights", {})}):
        a, b = (record.get("weights", {}).get(name) for record in (before, after))
        if a != b:
            found.append(Difference("weights", name, _short(a), _short(b), bad=tolerance == 0))
    first, second = (dict(_metrics(run)) for run in (original, again))
    for name in sorted({*first, *second}):
        value, other = first.get(name), second.get(name)
        if value is None or other is None or abs(value - other) > tolerance:
            found.append(Difference("metric", name, value, other, bad=True))
    return found


def of_data(original: RunFolder, again: Mapping[str, Any]) -> list[Difference]:
    """Sources, base model and teacher whose content is not what it was; `again` is the record of the new run."""
    record = original.record()
    found = []
    new = {source["split"]: source for source in again.get("data") or []}
    for source in record["data"]:
        read = new.get(source["split"], {})
        if read.get("sha256") != source["sha256"]:
            what = f"{source['split']} ({source['source']})"
            sums = _short(source["sha256"]), _short(read.get("sha256"))
            found.append(Difference("data", what, sums[0], sums[1], bad=True))
    for key in ("base_model", "teacher"):
        for name, digest in record.get(key, {}).items():
            other = again.get(key, {}).get(name)
            if other != digest:
                sums = _short(digest), _short(other)
                found.append(Difference(key.replace("_", " "), name, *sums, bad=True))
    return found


def write_report(folder: RunFolder, original: RunFolder, differences: list[Difference]) -> None:
    """reproduction.json in the new run."""
    write_json(
        folder.path / "reproduction.json",
        {
            "reproduces": str(original.path.resolve()),
            "equal": not any(difference.bad for difference in differences),
            "differences": [asdict(difference) for difference in differences],
        },
    )


def _of_software(record: Mapping[str, Any], task: LoadedTask) -> Iterator[Difference]:
    installed = versions()
    for name in sorted({*record["versions"], *installed}):
        if record["versions"].get(name) != installed.get(name):
            yield Difference("version", name, record["versions"].get(name), installed.get(name))
    plugin = plugin_record(task)
    for key in ("version", "sha256"):
        if record["plugin"][key] != plugin[key]:
            yield Difference(
                "plugin", f"{plugin['id']} {key}", _short(record["plugin"][key]), _short(plugin[key])
            )


def device_of(run: RunFolder) -> dict[str, Any]:
    """The run's newest event `device`: device, precision, processes and threads.

    Raises:
        UserError: it has none.
    """
    found = [event for event in read_events(run.events_file) if event["event"] == "device"]
    if not found:  # with several seeds each has events of its own
        found = [
            event
            for file in sorted(run.path.glob("seeds/*/events.jsonl"))
            for event in read_events(file)
            if event["event"] == "device"
        ]
    if not found:
        what = "no event says on which device the run was trained"
        raise UserError(what, where=str(run.events_file), hint="bring the file back from a copy")
    return found[-1]


def _metrics(run: RunFolder) -> Iterator[tuple[str, float]]:
    for split, content in run.metrics()["splits"].items():
        for name, metric in content["metrics"].items():
            yield f"{split} {name}", metric["value"]


def _short(digest: str | None) -> str:
    """A version, or enough of a hash to tell it from others."""
    return str(digest)[:12]
