"""Text files, line by line: encodings, byte order marks, NUL bytes and endless lines, each with its line."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ftcore_runtime.errors import DataError
from ftcore_runtime.files import open_regular

#: Longest line, CSV field or text file, in characters: bounds memory on a file that is not what it says.
MAX_CHARACTERS = 16 * 1024 * 1024
STANDARD_INPUT = "-"
_MARK = "\ufeff"
_CHUNK = 1 << 20


def codec_of(encoding: str, where: str | None = None) -> str:
    """The codec to open a file with: UTF-8 may begin with a byte order mark.

    Raises:
        DataError: Python knows no text encoding of that name; `where` is the field that names it.
    """
    try:
        info = codecs.lookup(encoding)
        "".encode(encoding)  # refuses the codecs that are not of text, such as `hex`
    except (LookupError, ValueError):
        hint = "for example utf-8, utf-16, latin-1 or cp1252"
        raise DataError(f"unknown encoding {encoding!r:.60}", where=where, hint=hint) from None
    return "utf-8-sig" if info.name == "utf-8" else encoding


@contextmanager
def open_text(path: str | Path, encoding: str, newline: str = "") -> Iterator[TextIO]:
    """A regular file, or standard input for `-`, as text.

    Bytes that are not of the encoding become lone surrogates, which mark the line they are in and no other.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    standard = path == STANDARD_INPUT
    raw = io.FileIO(sys.stdin.fileno(), closefd=False) if standard else open_regular(Path(path))
    with (
        raw,
        io.TextIOWrapper(
            io.BufferedReader(raw), encoding=codec_of(encoding), errors="surrogateescape", newline=newline
        ) as file,
    ):
        yield file


class Lines:
    """Iterates over the lines of an open text file, each with its line end.

    Args:
        file: opened with `open_text`.
        name: the file as the user wrote it, for errors.
        encoding: named in errors.

    Raises:
        DataError: while iterating: a line above `MAX_CHARACTERS`, bytes that make the rest unreadable.
    """

    def __init__(self, file: TextIO, name: str, encoding: str) -> None:
        self._file = file
        self._name = name
        self._encoding = encoding
        #: The lines read so far.
        self.number = 0
        #: What is wrong with the first bad line since `take`.
        self._problem = ""
        self._taken: list[str] = []

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        try:
            line = self._file.readline(MAX_CHARACTERS + 1)
        except UnicodeError as error:  # of an encoding whose bad bytes cannot be skipped, such as UTF-16
            what = f"not {self._encoding} from about here on: {error}"
            hint = "set the file's own encoding, for example latin-1, cp1252 or utf-16"
            raise DataError(what, where=f"{self._name}:{self.number + 1}", hint=hint) from None
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=self._name) from None
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = self._without_mark(line)
        if len(line) > MAX_CHARACTERS:
            what = f"a line of more than {MAX_CHARACTERS:,} characters"
            raise DataError(what, where=f"{self._name}:{self.number}")
        if not line.isascii() or "\0" in line:
            self._problem = self._problem or unfit(line, self._encoding)
        self._taken.append(line)
        return line

    def _without_mark(self, line: str) -> str:
        """The first line of a file without the byte order marks that it may begin with.

        Raises:
            DataError: the mark is that of UTF-8, and the file is read as another encoding.
        """
        if line.startswith(_MARK):
            return line.lstrip(_MARK)
        try:
            head = b"" if line.isascii() else line[:4].encode(self._encoding, "surrogateescape")
        except UnicodeError:  # of an encoding that does not give back what it read
            return line
        if head.startswith(codecs.BOM_UTF8):
            what = f"the file begins with the byte order mark of UTF-8, and is read as {self._encoding}"
            raise DataError(what, where=f"{self._name}:1", hint="set its encoding to utf-8")
        return line

    def take(self) -> tuple[list[str], str]:
        """The lines since the last call, and what is wrong with the first bad one of them ("" for nothing)."""
        taken, problem = self._taken, self._problem
        self._taken, self._problem = [], ""
        return taken, problem


def unfit(line: str, encoding: str) -> str:
    """What keeps a line from being text: a byte that is not of the encoding, or a NUL; "" for nothing."""
    if "\0" in line:
        return "a NUL byte, which text does not have (a binary file, or another `encoding`: utf-16?)"
    try:
        line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) - 0xDC00
        at = f"byte 0x{byte:02x} (character {error.start + 1} of the line)"
        return f"{at} is not {encoding} (another `encoding`?)"
    return ""
