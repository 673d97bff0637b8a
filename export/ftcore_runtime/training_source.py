"""The file that a bundle's model learnt from: how it was written and what its columns are called.

They are the defaults for the files that are answered or measured later, which are mostly written alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ftcore_runtime.fields import Fields
from ftcore_runtime.records import is_delimiter
from ftcore_runtime.tables import FORMATS, Quoting, TableOptions
from ftcore_runtime.textfile import codec_of


@dataclass(frozen=True)
class TrainingSource:
    """How the training rows were written.

    Args:
        form: csv, tsv, jsonl, txt or parquet; None where they were no table.
        options: of that format.
        columns: field of an input -> the column it was read from.
    """

    form: str | None = None
    options: TableOptions = field(default_factory=TableOptions)
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object, where: str) -> TrainingSource:
        """Read what `to_json` gives.

        Raises:
            BundleError: it is not that.
            DataError: no encoding has this name.
        """
        fields = Fields(value, where)
        form = (
            None if fields.is_null("format") else fields.choice("format", (*dict.fromkeys(FORMATS.values()),))
        )
        encoding = fields.text("encoding")
        codec_of(encoding, f"{where}.encoding")
        delimiter = None if fields.is_null("delimiter") else fields.text("delimiter")
        if delimiter is not None and not is_delimiter(delimiter):
            raise fields.error("delimiter", "expected one character, no quote and no line end")
        quoting = None if fields.is_null("quoting") else fields.choice("quoting", ("rfc4180", "none"))
        columns = fields.mapping("columns")
        if not all(type(name) is str and name for name in columns.values()):
            raise fields.error("columns", "expected the names of columns")
        fields.end()
        return cls(form, TableOptions(encoding, delimiter, cast("Quoting | None", quoting)), columns)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "format": self.form,
            "encoding": self.options.encoding,
            "delimiter": self.options.delimiter,
            "quoting": self.options.quoting,
            "columns": dict(self.columns),
        }

    def options_of(self, form: str) -> TableOptions:
        """How a file of this format is written unless somebody says otherwise: as training rows in the same format."""
        return self.options if form == self.form else TableOptions()
