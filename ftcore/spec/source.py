"""Where rows come from: a file, a folder, a data set on the Hub, or rows in the spec itself."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from ftcore.spec.base import Section
from ftcore.spec.conditions import given
from ftcore_runtime.installed import installed
from ftcore_runtime.records import is_delimiter

#: A folder that the library `datasets` saved; every other format is an entry point of the group `ftcore.sources`.
DATASET = "dataset"


def format_names() -> list[str]:
    """What `format` of a source may say here."""
    return sorted({DATASET, *(entry.name for entry in installed("ftcore.sources"))})


def _list_formats(schema: JsonDict) -> None:
    """Let editors offer the formats that are installed."""
    schema["anyOf"] = [{"enum": [*format_names()], "type": "string"}, {"type": "null"}]


class Source(Section):
    """Where rows come from. Give exactly one of `path`, `hub` and `rows`; a bare string is a `path`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("path"), given("hub"), given("rows")]})

    path: str | None = Field(
        None,
        min_length=1,
        description="A file or folder, relative to the spec's own folder; `package:<module>/<path>` for"
        " one inside an installed package; `s3://bucket/key.parquet` or `s3://bucket/folder/` for Parquet in a store.",
    )
    hub: str | None = Field(
        None, min_length=1, description="A data set on the Hub: `owner/name` (when online)."
    )
    rows: list[dict[str, Any]] | None = Field(None, min_length=1, description="The rows themselves.")
    format: str | None = Field(
        None,
        json_schema_extra=_list_formats,
        description="Said by the suffix unless given. `folders`: one folder of .txt files a label. `cloze`: a folder"
        " of .txt articles, out of which questions are made. `news`: likewise, headlines and articles. `gettext`: a"
        " .po or .mo file, or a folder of them. `conll`: words with their tags. `label_studio`: its JSON export."
        " `xlsx`: a sheet of a workbook. `parquet`: a .parquet file, or a folder of them. `parallel`: a text a line,"
        " with `target`.",
    )
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="CSV only; a comma unless given."
    )
    quoting: Literal["rfc4180", "none"] | None = Field(
        None,
        description="CSV and TSV only. `rfc4180`: a field in quotes may hold delimiters, line ends and doubled quotes;"
        " `none`: a quote is a character like any other. The former for CSV, the latter for TSV unless given.",
    )
    header: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None,
        min_length=1,
        description="CSV and TSV only: names of the columns, where the first line of the file is a row.",
        json_schema_extra={"uniqueItems": True},
    )
    target: str | None = Field(
        None,
        min_length=1,
        description="`parallel` only: the file with the target of each line of `path`, which is its source.",
    )
    sheet: str | None = Field(
        None, min_length=1, description="`xlsx` only: the sheet's name, where several have values."
    )
    encoding: str = Field(
        "utf-8", description="Of text files; an undecodable byte is an error that names its row."
    )
    fallback_encoding: str | None = Field(
        None, description="Folders of text files only: of those files that are not in `encoding`."
    )
    config: str | None = Field(None, description="Hub only: the configuration's name.")
    split: str | None = Field(None, description="Hub and `dataset` folders: the split's name.")

    @field_validator("delimiter")
    @classmethod
    def _parts_fields(cls, value: str | None) -> str | None:
        if value is not None and not is_delimiter(value):
            raise ValueError("a quote, a line end or a NUL byte parts no fields; of tabs say `format: tsv`")
        return value

    @field_validator("format")
    @classmethod
    def _is_installed(cls, value: str | None) -> str | None:
        if value is not None and value not in (names := format_names()):
            near = get_close_matches(value, names, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"unknown format; the formats are {', '.join(names)}{hint}")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        if sum(x is not None for x in (self.path, self.hub, self.rows)) != 1:
            raise ValueError("give exactly one of `path`, `hub` and `rows`")
        return self


def _expand_source(value: Any) -> Any:  # noqa: ANN401 (anything that YAML can hold)
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, list):
        return {"rows": value}
    return value


_ShortSource = Annotated[str, Field(min_length=1)] | Annotated[list[dict[str, Any]], Field(min_length=1)]
SourceField = Annotated[
    Source,
    BeforeValidator(_expand_source, json_schema_input_type=_ShortSource | Source),
]
