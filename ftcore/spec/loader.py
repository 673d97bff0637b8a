"""Reads a spec file that may be hostile: not there, not text, huge, or YAML that is not a spec at all."""

from __future__ import annotations

from pathlib import Path

from ftcore.spec.compose import parse
from ftcore.spec.diagnostics import Diagnostic, Source, Span, SpecError
from ftcore.spec.document import Document
from ftcore_runtime.files import open_regular

MAX_BYTES = 1024 * 1024


def load_file(path: Path) -> Document:
    """Read a spec file: one document, a mapping.

    Raises:
        SpecError: the file cannot be read, is not text, breaks a limit, or is not such YAML.
    """
    name = str(path)
    try:
        if path.is_dir():
            raise SpecError([Diagnostic("file", "is a folder, not a file", name)])
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError([Diagnostic("file", "no such file", name)]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError([Diagnostic("file", f"cannot be read: {reason}", name)]) from error
    if len(data) > MAX_BYTES:
        message = f"larger than the {MAX_BYTES // 1024} KiB that a spec may have"
        raise SpecError(
            [Diagnostic("too-large", message, name, "keep rows in a data file and name it in `data`")]
        )
    return load_text(_decode(data, name), name)


def load_text(text: str, name: str) -> Document:
    """Read the text of a spec, whose top level is a mapping. `name` stands for it in errors.

    Raises:
        SpecError: as for `load_file`.
    """
    document = parse(Source(name, _plain_breaks(text)))
    if not isinstance(document.value, dict):
        what = "the spec is empty" if document.value is None else "a spec is a mapping at its top level"
        raise SpecError([Diagnostic("not-a-mapping", what, document.values[()], "begin with `task: …`")])
    return document


def _decode(data: bytes, name: str) -> str:
    if b"\0" in data:
        raise SpecError([Diagnostic("not-text", "not a text file", name, "a spec is YAML in UTF-8")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        source = Source(name, _plain_breaks(data.decode("utf-8", errors="replace")))
        span = Span(source, len(_plain_breaks(data[: error.start].decode("utf-8"))))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise SpecError([Diagnostic("not-text", message, span, "save the file as UTF-8")]) from error


def _plain_breaks(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
