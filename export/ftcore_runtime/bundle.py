"""Opens a bundle folder: the exact file set, sizes and SHA-256 of its manifest, or a `BundleError`.

Each file is opened once, checked on the open descriptor, and the bytes that were hashed are the bytes handed
on: nothing is read a second time, so nothing can be exchanged in between.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.manifest import MANIFEST, FileEntry, Manifest, parse_json

MAX_MANIFEST_BYTES = 4 * 2**20
MAX_JSON_BYTES = 256 * 2**20  # tokenizer.json of a large multilingual vocabulary: tens of megabytes
MAX_GRAPH_BYTES = 2**31 - 1  # of a protobuf message

_CHUNK = 2**20
# Not following links; not waiting for a writer where a name turns out to be a pipe.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Args:
        folder: where it lies.
        manifest: its `bundle.json`.
        contents: file name -> bytes, of the files that the caller asked to keep.
        digests: file name -> SHA-256 in hex of the bytes that were read, of every file, `MANIFEST` too.
    """

    folder: Path
    manifest: Manifest
    contents: Mapping[str, bytes]
    digests: Mapping[str, str] = field(default_factory=dict)

    def text_encoder(self) -> TextEncoder:
        """What makes graph inputs of texts; the contents of `manifest.tokenizers` were kept.

        Raises:
            BundleError: a file holds no tokenizer, or one without the token that fills batches.
        """
        reads, writes, config = self.manifest.tokenizer, self.manifest.target_tokenizer, self.manifest.encoder
        target = None if writes is None else TextEncoder.from_bytes(self.contents[writes], config, writes)
        encoder = TextEncoder.from_bytes(self.contents[reads], config, reads, target)
        if encoder.tokenizer.id_to_token(config.pad_id) is None:
            what = f"has no token of the id {config.pad_id}, which is to fill batches"
            raise BundleError(what, where=reads)
        return encoder


#: Names of the files whose bytes are kept.
Keep = Callable[[Manifest], Collection[str]]


def read_bundle(path: str | Path, keep: Keep = lambda manifest: ()) -> Bundle:
    """Verify every file of the bundle at `path`, and keep the bytes of those (`MANIFEST` too) that `keep` names.

    Raises:
        BundleError: not a bundle, or one whose files are not those of its manifest.
    """
    with reading_bundle(path, keep) as bundle:
        return bundle


@contextmanager
def reading_bundle(path: str | Path, keep: Keep) -> Iterator[Bundle]:
    """The same for work with the kept files: they are verified when it begins, and all others when it has ended.

    To hash a large variant takes as long as to load a small one; a second thread does it meanwhile.
    """
    folder = Path(path)
    present = _listing(folder)
    if MANIFEST not in present:
        raise BundleError(
            f"has no {MANIFEST}", where=str(folder), hint="give the folder that `ftcore export` wrote"
        )
    written = _read(folder, MANIFEST, None, keep=True)
    try:
        manifest = Manifest.from_json(parse_json(written, MANIFEST))
    except BundleError as error:
        raise BundleError(error.what, where=f"{folder}/{error.where or MANIFEST}", hint=error.hint) from error
    expected = {MANIFEST, *manifest.files}
    if missing := sorted(expected - present):
        raise BundleError(f"{missing[0]!r} is missing", where=str(folder), hint=_DAMAGED)
    if extra := sorted(present - expected):
        what = f"{extra[0]!r:.80} is not in the manifest"
        raise BundleError(what, where=str(folder), hint="move it to another folder")
    wanted = set(keep(manifest))
    contents = {MANIFEST: written} if MANIFEST in wanted else {}
    kept = {name: entry for name, entry in manifest.files.items() if name in wanted}
    others = {name: entry for name, entry in manifest.files.items() if name not in wanted}
    with ThreadPoolExecutor(1, "verify") as pool:
        verified = pool.submit(_verify, folder, others)
        contents |= {name: _read(folder, name, entry, keep=True) for name, entry in kept.items()}
        digests = {name: entry.sha256 for name, entry in manifest.files.items()}
        yield Bundle(folder, manifest, contents, {MANIFEST: hashlib.sha256(written).hexdigest(), **digests})
        verified.result()


def _verify(folder: Path, files: Mapping[str, FileEntry]) -> None:
    for name, entry in files.items():
        _read(folder, name, entry, keep=False)


def _listing(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError as error:
        raise BundleError(
            f"is no bundle folder: {error.strerror}",
            where=str(folder),
            hint="give the folder that holds bundle.json",
        ) from error


def _read(folder: Path, name: str, entry: FileEntry | None, *, keep: bool) -> bytes:
    """Read and check one file (the manifest has no entry); returns its bytes, or b"" if not to be kept."""
    where = str(folder / name)
    try:
        descriptor = os.open(folder / name, _OPEN)
    except OSError as error:
        what = "is a link" if (folder / name).is_symlink() else f"cannot be read: {error.strerror}"
        raise BundleError(what, where=where, hint="a bundle holds plain files only") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleError("is no plain file", where=where)
    with io.FileIO(descriptor) as file:
        if status.st_nlink != 1:
            raise BundleError(
                "is a hard link to another file", where=where, hint="copy the bundle, do not link it"
            )
        size = status.st_size if entry is None else entry.bytes
        if size > file_limit(name):
            raise BundleError(f"has {size} bytes; at most {file_limit(name)} are read", where=where)
        if status.st_size != size:
            raise BundleError(f"has {status.st_size} bytes instead of {size}", where=where, hint=_DAMAGED)
        digest = hashlib.sha256()
        if keep:
            data = file.readall()
            digest.update(data)
        else:
            data = b""
            buffer = bytearray(_CHUNK)
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
    if entry is not None and digest.hexdigest() != entry.sha256:
        raise BundleError("its SHA-256 is not the one in the manifest", where=where, hint=_DAMAGED)
    return data


def file_limit(name: str) -> int:
    """The most bytes that a file of this name may have."""
    if name == MANIFEST:
        return MAX_MANIFEST_BYTES
    return MAX_GRAPH_BYTES if name.endswith(".onnx") else MAX_JSON_BYTES


_DAMAGED = "the bundle was changed or cut after export; copy or export it again"
