"""`ftcore.Spec`: a task file, or the same as values of Python, validated by the code that validates files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ftcore.catalog import find_spec
from ftcore.plugins import PluginRegistry
from ftcore.spec.diagnostics import dotted
from ftcore.spec.document import Document
from ftcore.spec.emit import as_flow, as_yaml, leaves
from ftcore.spec.loader import load_file, load_text
from ftcore.spec.overrides import override
from ftcore.spec.resolve import ResolvedSpec, resolve_document

StrPath: TypeAlias = str | os.PathLike[str]

#: What errors call values of Python, and what the run is called where `name` does not say.
_NAME = "python"
_OVERRIDES = "overrides"


class Spec:
    """A valid spec. Nothing changes it.

    Args:
        base_dir: what relative paths in it start from.
        plugins_dir: folder of drop-in plugins; `plugins/` of the working directory if not given.
        sections: as in a task file: `ftcore.Spec(task="sentiment", data={...}, model={...})`.

    Raises:
        SpecError: with everything that is wrong, and where.
        UserError: a value is nothing that a spec can hold.
    """

    def __init__(
        self, *, base_dir: StrPath = ".", plugins_dir: StrPath | None = None, **sections: object
    ) -> None:
        self._resolve(load_text(as_yaml(sections), _NAME), Path(base_dir) / _NAME, plugins_dir, ())

    @classmethod
    def read(cls, spec: StrPath, *, plugins_dir: StrPath | None = None, **overrides: object) -> Spec:
        """The spec of a file.

        Args:
            spec: the file, or the bare name of a shipped task file.
            plugins_dir: folder of drop-in plugins.
            overrides: values laid over it, as with `--set`: `training={"epochs": 2}`.

        Raises:
            SpecError, UserError: as for the class; there is no such file.
        """
        path = find_spec(os.fspath(spec))
        made = cls.__new__(cls)
        made._resolve(load_file(path), path, plugins_dir, (overrides,))
        return made

    def with_overrides(self, **overrides: object) -> Spec:
        """This spec with other values, as with `--set`; itself it stays as it is.

        Raises:
            SpecError, UserError: as for the class.
        """
        made = type(self).__new__(type(self))
        source = self.resolved.document.source
        document = load_text(source.text, source.name)
        made._resolve(document, self.resolved.path, self._plugins_dir, (*self._laid_over, overrides))
        return made

    def check(self) -> None:
        """Read all rows, and find what a run would fail with, as `ftcore validate` does; nothing is trained.

        Raises:
            UserError: with what is wrong.
        """
        from ftcore.runs.rows import check_inputs

        check_inputs(self.resolved)

    @property
    def name(self) -> str:
        """What its runs are called."""
        return self.resolved.name

    @property
    def task(self) -> str:
        """The task's id."""
        return self.resolved.spec.task

    @property
    def values(self) -> dict[str, Any]:
        """Every value, defaults included, as JSON has them."""
        return self.resolved.spec.model_dump(mode="json")

    @property
    def text(self) -> str:
        """YAML of what was given, overrides included."""
        return as_yaml(self.resolved.document.value)

    def __repr__(self) -> str:
        return f"Spec(task={self.task!r}, name={self.name!r})"

    def _resolve(
        self,
        document: Document,
        path: Path,
        plugins_dir: StrPath | None,
        laid_over: tuple[Mapping[str, object], ...],
    ) -> None:
        for overrides in laid_over:  # a section's keys one by one, anything else whole
            for key, value in leaves(overrides):
                override(document, f"{dotted(key)}={as_flow(value, key)}", _OVERRIDES)
        self._plugins_dir, self._laid_over = plugins_dir, laid_over
        self.plugins = PluginRegistry.discover(plugins_dir=None if plugins_dir is None else Path(plugins_dir))
        self.resolved: ResolvedSpec = resolve_document(document, path, self.plugins)
        self.resolved.check_bases()
