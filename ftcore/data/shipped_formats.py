"""The formats that ftcore ships, named by its entry points in the group `ftcore.sources`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ftcore.data.cloze import read_cloze
from ftcore.data.conll import SUFFIXES as CONLL_SUFFIXES
from ftcore.data.conll import read_conll
from ftcore.data.formats import Format
from ftcore.data.gettext import catalogs, read_gettext
from ftcore.data.label_studio import read_label_studio
from ftcore.data.news import read_news
from ftcore.data.parallel import read_parallel
from ftcore.data.parquet_folder import read_parquet
from ftcore.data.records import Record, read_folders
from ftcore.data.spreadsheet import read_xlsx
from ftcore.data.squad import read_squad
from ftcore.data.textfile import Encodings
from ftcore.spec.sections import Source
from ftcore_runtime.parquet import parquet_files
from ftcore_runtime.tables import TableOptions, read_table


def _table(name: str, suffixes: tuple[str, ...], *options: str) -> Format:
    def read(path: Path, shown: str, source: Source) -> Iterator[Record]:
        header = None if source.header is None else tuple(source.header)
        options = TableOptions(source.encoding, source.delimiter, source.quoting, header=header)
        return read_table(path, shown, name, options)

    return Format(name=name, read=read, suffixes=suffixes, options=frozenset(options))


def _folder(
    name: str, read: Callable[[Path, str, Encodings], Iterator[Record]], pattern: str, layout: str
) -> Format:
    def read_source(path: Path, shown: str, source: Source) -> Iterator[Record]:
        return read(path, shown, (source.encoding, source.fallback_encoding))

    return Format(
        name=name,
        read=read_source,
        options=frozenset({"encoding", "fallback_encoding"}),
        files=lambda path: sorted(path.glob(pattern)),
        single=False,
        recognised=name == "folders",
        layout=layout,
    )


CSV = _table("csv", (".csv",), "delimiter", "encoding", "header", "quoting")
TSV = _table("tsv", (".tsv", ".tab"), "encoding", "header", "quoting")
JSONL = _table("jsonl", (".jsonl", ".ndjson"), "encoding")
PARQUET = Format(
    name="parquet",
    read=lambda path, name, source: read_parquet(path, name),
    suffixes=(".parquet",),
    files=parquet_files,
    recognised=True,
    layout="a .parquet file, or a folder of them",
)
SQUAD = Format(
    name="squad",
    read=lambda path, name, source: read_squad(path, name, source.encoding),
    suffixes=(".json",),
    options=frozenset({"encoding"}),
)
CONLL = Format(
    name="conll",
    read=lambda path, name, source: read_conll(path, name, source.encoding),
    suffixes=CONLL_SUFFIXES,
    options=frozenset({"encoding"}),
)
LABEL_STUDIO = Format(
    name="label_studio",
    read=lambda path, name, source: read_label_studio(path, name, source.encoding),
    options=frozenset({"encoding"}),
)
XLSX = Format(
    name="xlsx",
    read=lambda path, name, source: read_xlsx(path, name, source.sheet),
    suffixes=(".xlsx",),
    options=frozenset({"sheet"}),
)
PARALLEL = Format(
    name="parallel",
    read=lambda path, name, source: read_parallel(
        path, Path(source.target or ""), name, Path(source.target or "").name, source.encoding
    ),
    options=frozenset({"encoding", "target"}),
)
GETTEXT = Format(
    name="gettext",
    read=lambda path, name, source: read_gettext(path, name),
    suffixes=(".po", ".mo"),
    files=catalogs,
    recognised=True,
    layout="a .po or .mo file, or a folder of them",
)
FOLDERS = _folder("folders", read_folders, "*/*.txt", "one folder a label, one .txt file a row")
CLOZE = _folder("cloze", read_cloze, "**/*.txt", "one .txt file an article")
NEWS = _folder("news", read_news, "**/*.txt", "one .txt file an article")
