"""Mutated ONNX graphs, read by our checker and by onnxruntime: what the one accepts, the other must read alike.

`python tests/runtime/graph_fuzz.py --mutants 5000` needs numpy, onnxruntime and `export/` on PYTHONPATH; run it with
the oldest onnxruntime that pyproject.toml allows and with the newest. Linux only: it watches a file through inotify.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnxruntime as ort
from graph_items import (
    GROUP,
    Item,
    base,
    encode,
    integer,
    node,
    tensor,
    text,
    value,
    varint,
)

from ftcore_runtime.errors import BundleError
from ftcore_runtime.graph_check import CONTROL_FLOW, DOMAINS, check_graph, read_graph
from ftcore_runtime.session import session_options


def evil(draw: random.Random, canary: Path) -> list[tuple[int, Item]]:
    """Fields that a bundle may not have, each with the message (by its path) that they belong to."""
    data = [text(1, "location"), text(2, draw.choice((str(canary), canary.name, f"../{canary.name}")))]
    body = Item(6, [node("Identity", ["d"], ["e"]), text(2, "b"), value(12, "e", [2, 2])])
    branches = [
        Item(5, [text(1, name), replace(body), integer(20, 5)]) for name in ("then_branch", "else_branch")
    ]
    return [
        (9, Item(13, data)),  # 9: a tensor
        (9, integer(14, draw.choice((1, 2**32 + 1, 2**63 + 1, 2)))),
        (7, node("Relu", ["t"], ["z"], domain="evil")),  # 7: the graph
        (7, node("If", ["q"], ["z"], *branches)),
        (7, node("QAttention", ["t"], ["z"], domain="com.microsoft")),
        (7, text(1, "q")),
        (7, Item(5, [*tensor("w", [2, 2], [0, 0, 0, 0]), Item(13, data), integer(14, 1)])),
        (0, Item(7, [node("Relu", ["t"], ["z"], domain="evil")])),  # 0: the model
        (0, Item(25, [text(1, "Relu"), text(10, "evil")])),
        (0, Item(20, [Item(1, [node("Loop", [], ["z"])])])),
        (0, Item(8, [text(1, "evil"), integer(2, 1)])),
    ]


def messages(items: list[Item], kind: int = 0) -> Iterator[tuple[int, list[Item]]]:
    """Every message within, and what it is: 0 the model, 7 the graph, 9 a tensor, -1 another."""
    yield kind, items
    for item in items:
        if isinstance(item.value, list):
            inner = 7 if kind == 0 and item.number == 7 else -1
            if any(part.number == 9 for part in item.value):
                inner = 9
            yield from messages(item.value, inner)


def mutate(draw: random.Random, canary: Path) -> bytes:
    """One mutant."""
    model = base()
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        draw.choice(MUTATIONS)(model, draw, canary)
    data = encode(model)
    if draw.random() < 0.1:
        changed = bytearray(data)
        for _ in range(draw.choice((1, 2, 8))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        data = bytes(changed[: draw.choice((len(changed), len(changed), draw.randrange(len(changed)) + 1))])
    return data


def plant(model: list[Item], draw: random.Random, canary: Path) -> None:
    """Something forbidden, hidden in one of the ways that parsers disagree on, or not hidden at all."""
    chosen = [draw.choice(evil(draw, canary))]
    if chosen[0][0] == 9:  # where the weights lie, and that they do
        chosen = [one for one in evil(draw, canary) if one[0] == 9]
    hidden = draw.choice((openly, above, above, longer, group))
    for kind, item in chosen:
        candidates = [items for found, items in messages(model) if found == kind]
        if not candidates:
            return
        items = draw.choice(candidates)
        items.insert(draw.randrange(len(items) + 1), replace(item, **hidden(draw)))


def openly(draw: random.Random) -> dict[str, int]:
    return {}


def above(draw: random.Random) -> dict[str, int]:
    return {"above": draw.randrange(1, 8)}


def longer(draw: random.Random) -> dict[str, tuple[int, int]]:
    return {"longer": (draw.choice((0, 1, 3, 4, 5)), draw.choice((0, 1, 5, 9)))}


def group(draw: random.Random) -> dict[str, int]:
    return {"wire": GROUP}


def any_item(model: list[Item], draw: random.Random) -> tuple[list[Item], int]:
    items = draw.choice([items for _, items in messages(model) if items])
    return items, draw.randrange(len(items))


def recode(model: list[Item], draw: random.Random, canary: Path) -> None:
    """The same field, written in another way."""
    items, index = any_item(model, draw)
    items[index] = replace(items[index], **draw.choice((above, longer, group))(draw))


def repeat(model: list[Item], draw: random.Random, canary: Path) -> None:
    """A field once more; a message in two halves, which most parsers merge."""
    items, index = any_item(model, draw)
    whole = items[index]
    if isinstance(whole.value, list) and draw.random() < 0.7:
        cut = draw.randrange(len(whole.value) + 1)
        items[index : index + 1] = [
            replace(whole, value=whole.value[:cut]),
            replace(whole, value=whole.value[cut:]),
        ]
    else:
        items.insert(draw.randrange(len(items) + 1), replace(whole))


def retype(model: list[Item], draw: random.Random, canary: Path) -> None:
    """Another wire type, number or value; packed numbers."""
    items, index = any_item(model, draw)
    item = items[index]
    match draw.randrange(5):
        case 0:
            items[index] = replace(item, wire=draw.choice((0, 1, 2, 3, 5, 6, 7)))
        case 1:
            items[index] = replace(
                item, number=draw.choice((0, 1, 3, 12, 19, 99, 2**29 - 1, item.number + 1))
            )
        case 2 if isinstance(item.value, int):
            items[index] = replace(item, value=draw.choice((-1, 0, 1, 2**31, 2**32 + item.value, 2**63)))
        case 3 if isinstance(item.value, int):
            items[index] = Item(item.number, varint(item.value) * draw.choice((1, 2)))
        case _ if isinstance(item.value, bytes):
            items[index] = replace(item, value=draw.choice((b"", b"\xff", b"Loop", b"evil", item.value * 2)))


def reorder(model: list[Item], draw: random.Random, canary: Path) -> None:
    """Fields in another order, or one less."""
    items, index = any_item(model, draw)
    if draw.random() < 0.5:
        draw.shuffle(items)
    else:
        del items[index]


def two_formats(model: list[Item], draw: random.Random, canary: Path) -> None:
    """The mark of onnxruntime's own format where it is looked for."""
    model.insert(0, Item(2, b"\x01\x00ORTM" + bytes(draw.randrange(20))))
    del model[2]


MUTATIONS: tuple[Callable[[list[Item], random.Random, Path], None], ...] = (
    *(plant,) * 4,
    recode,
    recode,
    repeat,
    repeat,
    retype,
    reorder,
    two_formats,
)


class Watch:
    """Says whether a file was opened since it was asked last, by whomever."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._descriptor, bytes(path), 0x20) >= 0  # IN_OPEN

    def opened(self) -> bool:
        try:
            return bool(os.read(self._descriptor, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Counts:
    """What became of the mutants; `wrong` names those on which checker and runtime disagree."""

    refused: int = 0
    accepted: int = 0
    loaded: int = 0
    refused_but_loaded: int = 0
    refused_but_read_a_file: int = 0
    wrong: list[str] = field(default_factory=list)


def load(data: bytes, dump: Path) -> bytes | None:
    """What onnxruntime makes of a graph, as it writes it itself; None where it does not load.

    The options are those of `GraphSession`, with the graph left as it is.
    """
    options = session_options(threads=1)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(dump)
    dump.unlink(missing_ok=True)
    try:
        ort.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception:  # noqa: BLE001 (onnxruntime's own classes share no narrower base)
        return None
    return dump.read_bytes()


def campaign(seeds: range, folder: Path, check: Callable[[bytes, str], None] = check_graph) -> Counts:
    """Compare the checker `check` with the runtime, one mutant a seed. Changes the working directory."""
    canary = folder / "weights.bin"
    canary.write_bytes(struct.pack("<4f", 7, 7, 7, 7))
    os.chdir(folder)
    watch, counts, dump = Watch(canary), Counts(), folder / "dump.onnx"
    for seed in seeds:
        data = mutate(random.Random(seed), canary)
        try:
            check(data, "m")
            accepted = True
        except BundleError:
            accepted = False
        watch.opened()
        read = load(data, dump)
        opened = watch.opened()
        if not accepted:
            counts.refused += 1
            counts.refused_but_loaded += read is not None
            counts.refused_but_read_a_file += opened
            continue
        counts.accepted += 1
        if opened:
            counts.wrong.append(f"{seed}: a file outside was opened")
        if read is not None:
            counts.loaded += 1
            if problem := difference(data, read):
                counts.wrong.append(f"{seed}: {problem}")
    watch.close()
    return counts


def difference(checked: bytes, loaded: bytes) -> str | None:
    """What is not the same in the graph that onnxruntime holds; it turns constants into initializers itself."""
    try:
        one, other = (
            Counter(operator for operator in read_graph(data, "m")[1] if operator != ("", "Constant"))
            for data in (checked, loaded)
        )
    except BundleError as error:
        return str(error)
    if one != other:
        return f"{one} were checked, {other} were loaded"
    if any(domain not in DOMAINS or name in CONTROL_FLOW for domain, name in other):
        return "a forbidden operator was loaded"
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = campaign(range(arguments.seed, arguments.seed + arguments.mutants), Path(scratch))
        os.chdir("/")
    print(f"onnxruntime {ort.__version__}: {found}")
    raise SystemExit(bool(found.wrong))
