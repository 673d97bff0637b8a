"""What encoding a text file is in: its byte order mark, where its zero bytes are, UTF-8 if every byte is, else what
charset-normalizer finds."""

from __future__ import annotations

import codecs
from pathlib import Path

from ftcore.data.textfile import is_encoded
from ftcore_runtime.files import open_regular

_BLOCK = 1 << 20
_ENOUGH = 1 << 16  # bytes of lines that are not ASCII
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Without a byte order mark, what has zero bytes is text of these or none.
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_LOOKED_AT = 4096  # bytes that are looked at for it
_LEGIBLE = 0.95  # of its characters that text has at least
#: Encodings that files are in, and few others: the more there are to choose from, the more often a rare one wins.
_CANDIDATES = (
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "cp1252",
    "cp1250",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
)
_FEW = 0.15  # of the bytes in lines that have any such
_SEVERAL_BYTES = ("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")
#: Of these a text of a western language has the same letters, and is in the first one far more often.
_WESTERN = ("cp1252", "cp1250", "cp1254")


def guess_encoding(path: Path) -> str | None:
    """The encoding of a file of text, `utf-8` where nothing says otherwise; None where it is no text.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        head = file.read(_LOOKED_AT)
    if mark := next((name for bom, name in _MARKS.items() if head.startswith(bom)), None):
        return mark
    if 0 in head and (wide := _wide(head)):
        return wide
    sample = _sample(path)
    try:
        sample.decode()
    except UnicodeDecodeError:
        if 0 in head:
            return None
        found = _likeliest(sample)
        return found if found != _WESTERN[0] or is_encoded(path, found) else "latin-1"
    return "utf-8"


def _wide(head: bytes) -> str | None:
    """The encoding of two or four bytes a character that bytes with zeros among them are text of; None for none."""
    decoded = {name: _decoded(head, name) for name in _WIDE}
    plain = {name: sum(map(str.isascii, text)) for name, text in decoded.items() if _is_legible(text)}
    return max(
        plain, key=plain.__getitem__, default=None
    )  # the wrong order of bytes makes ideographs of letters


def _decoded(head: bytes, encoding: str) -> str:
    """Bytes as text, without a character that goes on behind them; "" where they are none."""
    try:
        return head[: len(head) // 4 * 4].decode(encoding)
    except UnicodeDecodeError as error:
        return head[: error.start].decode(encoding) if error.start >= len(head) - 4 else ""


def _is_legible(text: str) -> bool:
    """Whether it has lines, of characters that people read."""
    legible = sum(character.isprintable() or character.isspace() for character in text)
    return "\n" in text and "\0" not in text and legible >= _LEGIBLE * len(text)


def _sample(path: Path) -> bytes:
    """The first lines that are not ASCII, whole."""
    found, size = [], 0
    with open_regular(path) as file:
        rest = file.read(_BLOCK)
        while rest and size < _ENOUGH:
            lines = rest.splitlines(keepends=True)
            block = file.read(_BLOCK)
            rest = lines.pop() + block if block and len(lines) > 1 else block
            kept = [line for line in lines if not line.isascii()]
            found += kept
            size += sum(map(len, kept))
    return b"".join(found)


def _likeliest(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    matches = [match.encoding for match in from_bytes(sample, cp_isolation=[*_CANDIDATES])]
    few = sum(byte > 127 for byte in sample) < _FEW * len(sample)
    if few and not (matches and matches[0] in _SEVERAL_BYTES):
        return _WESTERN[0]  # of another script most letters would be no ASCII
    if matches and matches[0] in _WESTERN:
        return next(name for name in _WESTERN if name in matches)
    for name in (*matches, "shift_jis", "euc_jp"):
        try:
            sample.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"
