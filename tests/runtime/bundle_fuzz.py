"""Mutations of a bundle: bytes flipped, files swapped, manifest fields changed, paths planted, members forged; graphs
that hide something, tokenizers that never end, texts that speak to terminals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph_fuzz import above as hidden
from graph_fuzz import evil, longer, openly
from graph_items import encode

Draw = random.Random
Mutation = Callable[[Path, Draw], None]

ODD: list[Any] = [
    None, True, -1, 0, 2**63, 2**70, 1.5, 1e308, "", "x", "\ud800", "\x1b]0;owned\x07", "\x9b\u202e", "a" * 10_000,
    "../outside.txt", "/etc/passwd", "..\\x", "model.onnx\0", [], [[]], {}, {"": {}}, ["x"] * 50,
]  # fmt: skip
PATHS = (
    "../planted",
    "../../planted",
    "/tmp/planted",
    "sub/planted",
    "..",
    ".",
    "C:\\planted",
    "~/planted",
    "a\nb",
)


def files(folder: Path) -> list[Path]:
    """Its files, in order."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def flip_bytes(folder: Path, draw: Draw) -> None:
    """Change some bytes of one file."""
    path = draw.choice(files(folder))
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 4, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def resize(folder: Path, draw: Draw) -> None:
    """Cut a file, or let it grow."""
    path = draw.choice(files(folder))
    os.truncate(path, draw.randrange(2 * path.stat().st_size + 1))


def swap(folder: Path, draw: Draw) -> None:
    """Exchange two files."""
    one, other = draw.sample(files(folder), 2)
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)


def remove_or_add(folder: Path, draw: Draw) -> None:
    """A file less, or something more."""
    path = draw.choice(files(folder))
    match draw.randrange(5):
        case 0:
            path.unlink()
        case 1:
            shutil.copy(path, folder / f"{path.name}{draw.choice(('~', '2', '.bak'))}")
        case 2:
            (folder / "sub").mkdir()
        case 3:
            path.rename(folder / path.name.upper())
        case 4:
            os.mkfifo(folder / "pipe")


def link(folder: Path, draw: Draw) -> None:
    """A file becomes a link to a copy outside, or to nothing."""
    path = draw.choice(files(folder))
    outside = folder.parent / "outside.txt"
    target = draw.choice((outside, Path("../outside.txt"), Path("/etc/hostname"), Path("nowhere"), path))
    path.unlink()
    if draw.random() < 0.2 and outside.is_file():
        os.link(outside, path)
    else:
        path.symlink_to(target)


def change_manifest(folder: Path, draw: Draw) -> None:
    """Other values, keys gone, keys new, keys doubled, anywhere in the manifest."""
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    for _ in range(draw.choice((1, 1, 2, 5))):
        _change(manifest, draw)
    path.write_text(json.dumps(manifest))


def plant_path(folder: Path, draw: Draw) -> None:
    """A file of the manifest gets a name that leads elsewhere, everywhere that it is named."""
    path = folder / "bundle.json"
    text = path.read_text()
    old = draw.choice(sorted(json.loads(text)["files"]))
    new = draw.choice(PATHS)
    path.write_text(text.replace(json.dumps(old), json.dumps(new)))


def consistent(folder: Path, draw: Draw) -> None:
    """Change a file's bytes and make the manifest agree: what reads the file has to refuse it."""
    path = draw.choice([path for path in files(folder) if path.name != "bundle.json"])
    if path.suffix == ".json" and draw.random() < 0.7:
        value = json.loads(path.read_text())
        for _ in range(draw.choice((1, 1, 3))):
            _change(value, draw)
        path.write_text(json.dumps(value))
    else:
        data = bytearray(path.read_bytes())
        for _ in range(draw.choice((1, 8, 100))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
    agree(folder, path)


def agree(folder: Path, path: Path) -> None:
    """Make the manifest agree with a file."""
    manifest = json.loads((folder / "bundle.json").read_text())
    data = path.read_bytes()
    manifest["files"][path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    for variant in manifest["variants"].values():
        variant["bytes"] = sum(manifest["files"][name]["bytes"] for name in variant["graphs"].values())
    (folder / "bundle.json").write_text(json.dumps(manifest))


def hide_in_graph(folder: Path, draw: Draw) -> None:
    """Something forbidden at the end of a graph, hidden in a way that parsers disagree on; or at its beginning."""
    path = draw.choice([path for path in files(folder) if path.suffix == ".onnx"])
    data = path.read_bytes()
    if draw.random() < 0.1:
        data = b"\x12\x06\x01\x00ORTM" + data
    else:
        _, item = draw.choice(evil(draw, folder.parent / "outside.txt"))
        data += encode([dataclasses.replace(item, **draw.choice((openly, hidden, longer))(draw))])
    path.write_bytes(data)
    agree(folder, path)


PATTERNS = (r"(a+)+$", r"\s+$", r"(\w|\w\w)+!", r"a*", r"(?=(x+)+y)", r"\s+", r" {2,}", r"\p{L}+|\p{N}{1,3}")


def rewrite_tokenizer(folder: Path, draw: Draw) -> None:
    """Parts that may take or make without end, next to such that may not."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    pattern = draw.choice(({"Regex": draw.choice(PATTERNS)}, {"String": draw.choice(("a", "e", " ", ""))}))
    replace = {"type": "Replace", "pattern": pattern, "content": draw.choice(("", "a", "aa", "e " * 50))}
    match draw.randrange(5):
        case 0:
            tokenizer["normalizer"] = replace
        case 1:
            many = [replace] * draw.choice((1, 2, 30, 40))
            tokenizer["normalizer"] = {"type": "Sequence", "normalizers": many}
        case 2:
            split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
            inner = [split, {"type": "BertPreTokenizer"}]
            tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": inner}
        case 3:
            tokenizer["model"]["max_input_chars_per_word"] = draw.choice((0, 100, 200, 10**6, 2**63))
        case 4:
            for _ in range(draw.choice((3, 5, 200))):
                tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [tokenizer["normalizer"]]}
    path.write_text(json.dumps(tokenizer))
    agree(folder, path)


def lower_version(folder: Path, draw: Draw) -> None:
    """Another schema version, and what it had not is gone."""
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    manifest["schema_version"] = draw.choice((1, 1, 2, 3))
    for variant in manifest["variants"].values():
        for key in ("speed", "batch_invariant", "failures"):
            if draw.random() < 0.8:
                variant.pop(key, None)
    if draw.random() < 0.8:
        manifest["decoder"].pop("distribution", None)
        manifest["decoder"].pop("version", None)
        manifest["decoder"]["family"] = manifest["decoder"].pop("name", "x")
    path.write_text(json.dumps(manifest))


def speak(folder: Path, draw: Draw) -> None:
    """Texts of the manifest that a terminal would obey."""
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    hostile = draw.choice(("\x1b]0;owned\x07", "\x9b31m", "\u202eevil", "[red]x[/red]", "\ud800", "a\nb"))
    labels = manifest["decoder"]["labels"]
    manifest["decoder"]["labels"] = [label + hostile for label in labels]
    manifest[draw.choice(("name", "task"))] += hostile
    manifest["provenance"][hostile] = hostile
    path.write_text(json.dumps(manifest))


def _change(value: Any, draw: Draw) -> None:
    """Change something within a JSON object or list, in place."""
    if isinstance(value, dict) and value:
        key = draw.choice(sorted(value))
    elif isinstance(value, list) and value:
        key = draw.randrange(len(value))
    else:
        return
    if isinstance(value[key], (dict, list)) and value[key] and draw.random() < 0.8:
        _change(value[key], draw)
        return
    match draw.randrange(4):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[draw.choice(("x", "", "sha256", "graphs", "../x"))] = value[key]
        case 2 if isinstance(value[key], str):
            value[key] = value[key][: draw.randrange(len(value[key]) + 1)] + draw.choice(
                ("", "x", "/..", "\0")
            )
        case _:
            value[key] = draw.choice(ODD)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bytes,
    resize,
    swap,
    remove_or_add,
    link,
    change_manifest,
    change_manifest,
    plant_path,
    consistent,
    consistent,
    hide_in_graph,
    rewrite_tokenizer,
    rewrite_tokenizer,
    lower_version,
    speak,
)


def mutate_archive(data: bytes, draw: Draw) -> bytes:
    """An archive with bytes changed, cut, or with members forged."""
    changed = bytearray(data)
    match draw.randrange(4):
        case 0:
            for _ in range(draw.choice((1, 4, 32))):
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        case 1:
            del changed[draw.randrange(len(changed)) :]
        case 2:  # in the headers, with their checksums made right
            member = tarfile.TarInfo.frombuf(bytes(changed[:512]), "utf-8", "strict")
            member.name = draw.choice((*PATHS, member.name, "README.md"))
            member.type = draw.choice((b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"L", b"x", b"g", b"S"))
            member.linkname = draw.choice(("", *PATHS))
            member.size = draw.choice((member.size, 0, 2**30, 7))
            changed[:512] = member.tobuf(tarfile.USTAR_FORMAT)[:512]
        case 3:
            extra = tarfile.TarInfo(draw.choice((*PATHS, "README.md", "extra")))
            extra.type = draw.choice((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE))
            extra.linkname = draw.choice(PATHS)
            changed = bytearray(extra.tobuf(tarfile.USTAR_FORMAT)) + changed
    return bytes(changed)
