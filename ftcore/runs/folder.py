"""The folder of one run: what lies where, and the record `run.json`."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ftcore.errors import UserError
from ftcore.files import DamagedError, read_json, write_atomic, write_json
from ftcore.plugins import LoadedTask, PluginRegistry
from ftcore.spec import ResolvedSpec
from ftcore.spec.sections import Spec
from ftcore.task import Observer
from ftcore_runtime.files import sha256

Status = Literal["waiting", "running", "stopped", "interrupted", "failed", "finished"]
Step = Literal["train", "evaluate", "export"]

#: In the order in which `ftcore run` takes them.
ALL_STEPS: tuple[Step, ...] = ("train", "evaluate", "export")

_PACKAGES = (
    "ftcore",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "numpy",
    "onnx",
    "onnxruntime",
)


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Args:
        path: `runs/<spec name>/<UTC time>-<spec hash>`.
    """

    path: Path

    @property
    def record_file(self) -> Path:
        """run.json: status, versions, plugin, fingerprints."""
        return self.path / "run.json"

    @property
    def spec_file(self) -> Path:
        """spec.resolved.json: every value of the spec, defaults and overrides included."""
        return self.path / "spec.resolved.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that is at work on the run."""
        return self.path / ".lock"

    @property
    def events_file(self) -> Path:
        """events.jsonl."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def pretrained(self) -> Path:
        """The base model after `training.pretrain`, a model folder."""
        return self.path / "pretrained"

    @property
    def selection_file(self) -> Path:
        """selection.json: what was measured before all rows trained, and for how long they did."""
        return self.path / "selection" / "selection.json"

    @property
    def model(self) -> Path:
        """The fine-tuned model, a Hugging Face folder."""
        return self.path / "model"

    @property
    def family_file(self) -> Path:
        """What the family learnt from the training rows, JSON."""
        return self.path / "family.json"

    @property
    def training_was_begun(self) -> bool:
        """Whether a fine-tuning, or the choice of its length, has left anything to go on from."""
        return self.checkpoints.is_dir() or self.selection_file.parent.is_dir()

    @property
    def audit_file(self) -> Path:
        """audit.json: what was found in the rows before anything was learnt from them."""
        return self.path / "audit.json"

    @property
    def explanations_file(self) -> Path:
        """explanations.json: what the worst errors rest on, and the words that drive each label."""
        return self.path / "explanations.json"

    @property
    def metrics_file(self) -> Path:
        """metrics.json: every split's metrics with their intervals."""
        return self.path / "metrics.json"

    @property
    def seeds_file(self) -> Path:
        """seeds.json: every metric's mean and spread over the runs of `training.seeds`."""
        return self.path / "seeds.json"

    @property
    def export_file(self) -> Path:
        """export.json: every variant's size, metrics and parity."""
        return self.path / "export.json"

    @property
    def report_file(self) -> Path:
        """report.html: the run for people, in one file."""
        return self.path / "report.html"

    @property
    def bundle(self) -> Path:
        """What is deployed."""
        return self.path / "bundle"

    def predictions(self, split: str) -> Path:
        """Reference and answer of every row of a split, JSON Lines."""
        return self.path / f"predictions.{split}.jsonl"

    def metrics(self) -> dict[str, Any]:
        """metrics.json. Of a run from before it named the monitored metric, the first metric stands in for that."""
        found: dict[str, Any] = read_json(self.metrics_file, "splits")
        return {"metric": next(iter(found["splits"]["test"]["metrics"])), "verdict": None, **found}

    def exported(self) -> dict[str, Any] | None:
        """export.json; None where nothing was exported."""
        if not self.export_file.exists():
            return None
        found: dict[str, Any] = read_json(self.export_file, "variants", "metric")
        return found

    def record(self) -> dict[str, Any]:
        """run.json as it is now.

        Raises:
            UserError: it cannot be read, is not what a run writes, or a later version of ftcore wrote it.
        """
        try:
            record: dict[str, Any] = read_json(self.record_file)
            what = _wrong_with(record) or ""
        except OSError as error:
            what = error.strerror or type(error).__name__
        except DamagedError as error:
            what = error.what.removeprefix("cannot be read: ")
        if what:
            hint = "bring it back from a copy, or delete the run's folder"
            raise UserError(f"run.json cannot be read: {what}", where=str(self.path), hint=hint)
        if (version := record.get("schema_version", _VERSION)) != _VERSION:
            raise UserError(
                f"run.json has schema_version {version}, and this ftcore knows {_VERSION}",
                where=str(self.path),
                hint="use the version of ftcore that wrote it, or a later one",
            )
        return record

    def update(self, **fields: Any) -> None:  # noqa: ANN401 (anything JSON can hold)
        """Replace fields of run.json, atomically."""
        write_json(self.record_file, {**self.record(), **fields})

    def mark(self, status: Status, **fields: Any) -> None:  # noqa: ANN401
        """Set the status, and when."""
        self.update(status=status, updated=now(), **fields)


_VERSION = 1  # of run.json
#: Fields that every run's record has, and what they are.
_RECORD: Mapping[str, type] = {
    **dict.fromkeys(("name", "task", "family", "status", "created", "base_dir"), str),
    "steps": list,
    "seed": int,
    "plugin": dict,
    "versions": dict,
}
#: Fields that come as a run goes on.
_LATER: Mapping[str, type] = {
    "data": list,
    "data_report": dict,
    "recipe": dict,
    "seconds": float,
    "spec_sha256": str,
    "weights": dict,
}


def _wrong_with(record: object) -> str | None:
    """What of a record is not what a run writes; None for nothing."""
    if not isinstance(record, dict):
        return "expected an object"
    for name, kind in {**_RECORD, **_LATER}.items():
        if name not in record and name in _RECORD:
            return f"`{name}` is missing"
        if name in record and not isinstance(record[name], kind):
            return f"`{name}` is no {_KINDS[kind]}"
    return None


_KINDS = {str: "text", list: "list", int: "whole number", float: "number", dict: "object"}


def create_run(resolved: ResolvedSpec, runs_dir: Path) -> RunFolder:
    """Make the folder of a new run, with its spec as written and as resolved."""
    folder = new_folder(runs_dir, resolved.name, spec_digest(resolved.spec))
    write_atomic(folder.path / "spec.yaml", resolved.text.encode())
    write_atomic(folder.spec_file, (resolved.spec.model_dump_json(indent=2) + "\n").encode())
    write_json(
        folder.record_file,
        {
            "schema_version": _VERSION,
            "name": resolved.name,
            "task": resolved.task.task.id,
            "family": resolved.task.task.family,
            "status": "waiting",
            "steps": [],
            "created": now(),
            "spec": str(resolved.path.resolve()),
            "spec_sha256": sha256(folder.spec_file),
            "base_dir": str(resolved.base_dir.resolve()),
            "seed": resolved.spec.training.seed,
            "plugin": plugin_record(resolved.task),
            "versions": versions(),
            "git_revision": _git_revision(resolved.base_dir),
        },
    )
    return folder


def new_folder(runs_dir: Path, name: str, digest: str) -> RunFolder:
    """An empty folder `<runs_dir>/<name>/<UTC time>-<digest>`."""
    path = runs_dir / name / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}-{digest}"
    number = 1
    while (free := path if number == 1 else path.with_name(f"{path.name}-{number}")).exists():
        number += 1  # two runs of one spec within a second
    free.mkdir(parents=True)
    return RunFolder(free)


def spec_digest(spec: Spec) -> str:
    """Eight hexadecimal digits that tell one resolved spec from another."""
    return hashlib.sha256(spec.model_dump_json(indent=2).encode()).hexdigest()[:8]


def open_run(path: Path) -> RunFolder:
    """The run in a folder.

    Raises:
        UserError: there is none.
    """
    folder = RunFolder(path)
    if not folder.record_file.is_file():
        raise UserError(
            "no run here (no run.json)", where=str(path), hint="`ftcore runs` lists the runs there are"
        )
    return folder


def reload_spec(folder: RunFolder, registry: PluginRegistry) -> tuple[Spec, LoadedTask]:
    """The spec of a run as it was resolved, and its task from the plugin installed now."""
    record = folder.record()
    task = registry.load(record["task"])
    try:
        changed = "spec_sha256" in record and sha256(folder.spec_file) != record["spec_sha256"]
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(folder.spec_file)) from None
    if changed:
        raise UserError(
            "it was changed since the run began, which the run's record does not say",
            where=str(folder.spec_file),
            hint="bring it back as it was; for other values start a new run: ftcore run SPEC --set KEY=VALUE",
        )
    text = folder.spec_file.read_text(encoding="utf-8")
    try:
        return task.task.spec.model_validate_json(text), task
    except ValueError as error:
        raise UserError(
            f"the run's spec does not fit the plugin installed now: {error}",
            where=str(folder.path),
            hint=f"the run was made with {json.dumps(folder.record()['plugin'])}",
        ) from error


def plugin_record(plugin: LoadedTask | Observer) -> dict[str, Any]:
    """Which plugin it is: where it is from, its version, and its file's hash."""
    info = plugin.info
    return {
        "id": info.id,
        "origin": info.origin,
        "dist": info.dist,
        "version": info.version,
        "sha256": sha256(info.path) if info.path and info.path.is_file() else None,
    }


def versions() -> dict[str, str]:
    """What the numbers of a run depend on: Python, the platform, the packages."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_revision(folder: Path) -> str | None:
    try:
        completed = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):  # no git; or it hangs, on a share or a busy machine
        return None
    return completed.stdout.strip() or None if completed.returncode == 0 else None


def now() -> str:
    """The moment, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
