"""Whole text files, for the formats that are folders of them."""

from __future__ import annotations

import io
from pathlib import Path

from ftcore.errors import DataError
from ftcore_runtime.files import open_regular
from ftcore_runtime.textfile import MAX_CHARACTERS, Lines, codec_of, open_text

_CHUNK = 1 << 20

#: The encoding of the files of a folder, and that of those that turn out to be in another one.
Encodings = tuple[str, str | None]


def whole_text(path: Path, name: str, encodings: Encodings) -> str:
    """The text of a whole file, line ends as "\\n".

    Raises:
        DataError: a byte that is not of the encoding, a NUL byte, a file that is too large or cannot be read.
    """
    first, fallback = encodings
    if fallback is not None and not is_encoded(path, first):
        first = fallback
    pieces: list[str] = []
    characters = 0
    try:
        with open_text(path, first) as file:
            lines = Lines(file, name, first)
            for line in lines:
                if problem := lines.take()[1]:
                    hint = "set `encoding` of this source to the file's own, for example latin-1 or cp1252"
                    raise DataError(problem, where=f"{name}:{lines.number}", hint=hint)
                characters += len(line)
                if characters > MAX_CHARACTERS:
                    raise DataError(f"a text of more than {MAX_CHARACTERS:,} characters", where=name)
                pieces.append(line)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=name) from None
    return "".join(pieces).replace("\r\n", "\n").replace("\r", "\n")


def is_encoded(path: Path, encoding: str) -> bool:
    """Whether every byte of a file is of the encoding, and no character a NUL.

    Also where it cannot be read, which its reader will say.
    """
    try:
        with (
            open_regular(path) as raw,
            io.TextIOWrapper(io.BufferedReader(raw), encoding=codec_of(encoding)) as file,
        ):
            while text := file.read(_CHUNK):
                if "\0" in text:
                    return False
    except UnicodeError:
        return False
    except OSError:
        return True
    return True
