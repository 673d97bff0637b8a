"""Text files, line by line: encodings, byte order marks, NUL bytes, endless lines, each by its place."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from ftcore.errors import DataError

#: Longest line, CSV field or text file, in characters: bounds memory on a file that is not what it says.
MAX_CHARACTERS = 16 * 1024 * 1024
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
        raise DataError(f"unknown encoding {encoding!r}", where=where, hint=hint) from None
    return "utf-8-sig" if info.name == "utf-8" else encoding


def lines(path: Path, name: str, encoding: str, newline: str) -> Iterator[str]:
    """Yield the lines of a text file, each with its line end.

    Args:
        name: the file as the user wrote it, for errors.
        newline: as for `open`: "" where a lone carriage return ends a line too, "\\n" where it does not.

    Raises:
        DataError: an undecodable byte, a NUL byte, a line above `MAX_CHARACTERS`, an unreadable file.
    """
    try:
        with path.open(encoding=codec_of(encoding), newline=newline) as file:
            number = 0
            while line := file.readline(MAX_CHARACTERS + 1):
                number += 1
                if "\0" in line:
                    raise DataError(
                        "a NUL byte, which text does not have",
                        where=f"{name}:{number}",
                        hint="the file is binary, or its `encoding` is another one (utf-16?)",
                    )
                if len(line) > MAX_CHARACTERS:
                    raise DataError(
                        f"a line of more than {MAX_CHARACTERS:,} characters", where=f"{name}:{number}"
                    )
                yield line
    except UnicodeError as error:
        raise _undecodable(path, name, encoding, error) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name) from None


#: The encoding of the files of a folder, and that of those that turn out to be in another one.
Encodings = tuple[str, str | None]


def whole_text(path: Path, name: str, encodings: Encodings) -> str:
    """The text of a whole file, line ends as "\\n".

    Raises:
        DataError: as `lines`.
    """
    first, fallback = encodings
    if fallback is not None and not _is_encoded(path, first):
        first = fallback
    text = "".join(lines(path, name, first, newline="")).replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_CHARACTERS:
        raise DataError(f"a text of more than {MAX_CHARACTERS:,} characters", where=name)
    return text


def _is_encoded(path: Path, encoding: str) -> bool:
    try:
        with path.open(encoding=codec_of(encoding)) as file:
            while file.read(_CHUNK):
                pass
    except UnicodeError:
        return False
    except OSError:
        return True  # the reader will say what is wrong with the file
    return True


def _undecodable(path: Path, name: str, encoding: str, error: UnicodeError) -> DataError:
    """Find the byte again: the file is decoded in blocks, so the first error does not know its place."""
    hint = "set `encoding` of this source to the file's own, for example latin-1, cp1252 or utf-16"
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk, not chunk).count("\n")
            except UnicodeDecodeError as found:
                offset += found.start - pending
                line += found.object[: found.start].decode(encoding, errors="ignore").count("\n")
                what = f"byte {offset} (0x{found.object[found.start]:02x}) is not {encoding}: {found.reason}"
                return DataError(what, where=f"{name}:{line}", hint=hint)
            except UnicodeError:
                break
            if not chunk:
                break
            offset += len(chunk)
    return DataError(f"byte {offset} is not {encoding}: {error}", where=f"{name}:{line}", hint=hint)
