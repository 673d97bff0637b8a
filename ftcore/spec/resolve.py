"""From a spec file to what a run needs: the validated spec, its task, and the locations that errors point at.

Two steps: `task` says which plugin to load; that plugin's model validates the rest. Files that the spec names
are looked for as well, so that `ftcore validate` finds what a run would trip over. Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from ftcore.errors import PluginError, UserError
from ftcore.locate import PATH_STARTS, is_local, locate
from ftcore.spec.bases import is_hub_id, packaged_models
from ftcore.spec.diagnostics import Diagnostic, Key, SpecError, dotted, short
from ftcore.spec.document import Document
from ftcore.spec.explain import explain, model_at
from ftcore.spec.loader import load_file
from ftcore.spec.overrides import override
from ftcore.spec.sections import Source, Spec
from ftcore.task import LoadedTask, PluginInfo
from ftcore_runtime.object_store import is_address, path_of


class TaskRegistry(Protocol):
    """Where tasks come from: `ftcore.plugins.PluginRegistry`, or a stand-in."""

    def infos(self) -> Sequence[PluginInfo]:
        """Every plugin that was found."""

    def load(self, task_id: str) -> LoadedTask:
        """The task of that id. Raises PluginError."""


@dataclass(frozen=True)
class ResolvedSpec:
    """A valid spec, and where it came from.

    Args:
        spec: an instance of the task's own spec model.
        task: the task with its plugin and its hooks.
        path: the spec file.
        document: the plain values with overrides laid over, and the location of each.
    """

    spec: Spec
    task: LoadedTask
    path: Path
    document: Document

    @property
    def base_dir(self) -> Path:
        """The folder that relative paths in the spec start from."""
        return self.path.parent

    @property
    def name(self) -> str:
        """Names the run folder: `name` of the spec, or the file's stem."""
        return self.spec.name or self.path.stem

    @property
    def text(self) -> str:
        """The spec's text as it was written (overrides are not in it)."""
        return self.document.source.text

    def where(self, *key: str | int) -> str:
        """`file:line:column` of a value: `where("data", "train")`."""
        return str(self.document.span(key))

    def error(self, key: Key, message: str, *, help: str | None = None, code: str = "input") -> SpecError:  # noqa: A002
        """An error that points at a value, to be raised by whatever finds it unusable later on."""
        return self.document.error(key, code, message, help=help)

    def check_metrics(self) -> None:
        """Look for the metrics that the spec names among those of the family.

        Nothing is said where the plugin brings metrics of its own: only measuring tells their names.

        Raises:
            SpecError: there is none of a name.
        """
        known = self.spec.known_metrics
        if known is None or "ftcore_metrics" in self.task.implemented:
            return
        gates = self.spec.export.chosen_by
        wanted: list[Key] = [
            ("export", "gates", "min_metric", name) for name in (gates.min_metric if gates else ())
        ]
        if self.spec.evaluation.metric is not None:
            wanted.insert(0, ("evaluation", "metric"))
        for key in wanted:
            name = self.spec.evaluation.metric if key[0] == "evaluation" else key[-1]
            if name not in known:
                near = get_close_matches(str(name), sorted(known), n=1)
                what = f"{dotted(key[:3] if key[0] == 'export' else key)}: no metric {short(str(name))!r}"
                raise self.error(
                    key,
                    f"{what}; this task has {', '.join(sorted(known))}",
                    help=f"did you mean `{near[0]}`?" if near else None,
                    code="metric",
                )

    def check_bases(self) -> None:
        """Look into the base models that are folders here, so that nobody waits for the data to learn of them.

        Raises:
            SpecError: one cannot be a base model, or has a name that is neither of a folder here nor of the Hub.
        """
        for field in self.spec.model.pretrained:
            self.check_model(field, getattr(self.spec.model, field))

    def check_model(self, field: str, ref: str) -> None:
        """Look into one model, if it is a folder here.

        Args:
            field: the field of the section `model` that says which it is, for errors.
            ref: what it is called, as `model.base` calls one.

        Raises:
            SpecError: see `check_bases`.
        """
        try:
            if is_local(ref, self.base_dir):
                from ftcore.spec.base_folder import check_base

                check_base(locate(ref, self.base_dir), ref)
            elif not (is_hub_id(ref) or (self.base_dir / ref).exists()):
                raise self.error(
                    ("model", field),
                    f"`{short(ref)}` is no folder next to the spec, and no Hub id (`owner/name`)",
                    help=_instead(ref),
                    code="base",
                )
        except SpecError:
            raise
        except OSError as error:  # a name that no file can have
            raise self.error(
                ("model", field), f"cannot be looked up: {error.strerror}", code="base"
            ) from None
        except UserError as error:
            what = error.what if error.where in (None, ref) else f"{error.where}: {error.what}"
            raise self.error(("model", field), what, help=error.hint, code="base") from None


def _instead(ref: str) -> str:
    """What to write for a base model of a name that nothing has: a package's with the name in its own, if there is."""
    near = [one for one in packaged_models() if ref.lower().replace("-", "_") in one.lower()]
    if near:
        return f"write `{near[0]}`, which is installed here"
    return "write ./folder, owner/name, or package:<module>/<path> for weights that a pip package carries"


def load_spec(path: Path, registry: TaskRegistry, overrides: Sequence[str] = ()) -> ResolvedSpec:
    """Load, override and validate a spec file.

    Args:
        path: the spec file.
        registry: the plugins.
        overrides: `key.path=value` arguments, in order; later ones win.

    Raises:
        SpecError: with everything that is wrong, all at once where the document can be read.
    """
    document = load_file(path)
    for argument in overrides:
        override(document, argument)
    return resolve_document(document, path, registry)


def resolve_document(document: Document, path: Path, registry: TaskRegistry) -> ResolvedSpec:
    """Validate a document.

    Args:
        path: where it is from: paths in it are relative to the folder of this file, which need not be there.

    Raises:
        SpecError: with everything that is wrong, all at once.
    """
    task = _load_task(document, registry)
    model = task.task.spec
    errors = []
    spec = None
    try:
        spec = model.model_validate(document.value)
    except ValidationError as error:
        errors = explain(error, document, model)
    errors += _missing_files(document, model, path.parent)
    if spec is None or errors:
        raise SpecError(document.in_order(errors))
    resolved = ResolvedSpec(spec, task, path, document)
    resolved.check_metrics()
    return resolved


def _load_task(document: Document, registry: TaskRegistry) -> LoadedTask:
    name = document.get(("task",))
    if not isinstance(name, str) or not name:
        what = (
            "`task` is missing" if "task" not in document.value else "`task` is the name of a task, as text"
        )
        tasks = ", ".join(f"`{info.id}`" for info in registry.infos())
        raise document.error(("task",), "task", what, help=f"the tasks are {tasks}" if tasks else None)
    try:
        return registry.load(name)
    except PluginError as error:
        what = f"{error.what} ({error.where})" if error.where else error.what
        raise document.error(("task",), "task", what, help=error.hint) from error


def _missing_files(document: Document, model: type[BaseModel], base_dir: Path) -> list[Diagnostic]:
    """Errors for the data files and the base model that are named and not there."""
    errors = []
    for key, ref in _file_refs(document, model):
        if is_address(ref) and key[0] == "data" and key[-1] != "target":
            path_of(ref, dotted(key))  # by its field alone: the line of the file may have a password
            continue
        try:
            locate(ref, base_dir)
        except UserError as error:
            errors.append(Diagnostic("file", error.what, document.span(key), error.hint, key))
    return errors


def _file_refs(document: Document, model: type[BaseModel]) -> Iterator[tuple[Key, str]]:
    data = document.get(("data",))
    for name, value in data.items() if isinstance(data, dict) else ():
        key: Key = ("data", name)
        owner = model_at(model, key)
        if owner is None or not issubclass(owner, Source):
            continue
        named = (
            {(*key, name): value.get(name) for name in ("path", "target")}
            if isinstance(value, dict)
            else {key: value}
        )
        yield from ((at, ref) for at, ref in named.items() if isinstance(ref, str) and ref)
    for name in ("base", "distill_from"):
        ref: Any = document.get(("model", name))
        if isinstance(ref, str) and ref.startswith(PATH_STARTS):
            yield ("model", name), ref
