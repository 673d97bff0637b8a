"""A smaller vocabulary: the pieces that some texts and scripts use, with their ids counted anew.

Texts whose pieces are all kept are split as before. WordPiece takes the longest match, which stays the longest when
others go; Unigram's best path stays the best among fewer; of BPE every merge on the way to a kept piece is kept, and
a merge that never fired in a text is not missed in it.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from ftcore_runtime.errors import UserError
from ftcore_runtime.unicode_scripts import first_word, script_of


@dataclass(frozen=True)
class Pruned:
    """A tokenizer with fewer pieces.

    Args:
        tokenizer: the new one.
        kept: the old id of each new one, ascending.
    """

    tokenizer: Tokenizer
    kept: list[int]


def prune(tokenizer: Tokenizer, used: Iterable[int], scripts: Collection[str], pad_id: int) -> Pruned:
    """Keep the pieces `used`, those of `scripts`, ASCII characters, bytes, special tokens and ids up to `pad_id`.

    Args:
        scripts: Latin, Cyrillic, Han...: the first word of a character's Unicode name.

    Raises:
        UserError: no character is of such a script, or the tokenizer is of another kind than WordPiece, BPE, Unigram.
    """
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    kind = parts["model"].get("type")
    if kind not in _REWRITE:
        raise UserError(f"vocabularies of the kind {kind} cannot be pruned", where="export.prune_vocab")
    wanted = {*map(first_word, scripts)}
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    keep = {*used, *range(pad_id + 1), *(token["id"] for token in parts["added_tokens"])}
    keep |= {*_put_in(parts.get("post_processor")), *_unknown(parts["model"])}
    met: set[str] = set()
    for piece, index in vocabulary.items():
        text = tokenizer.decode([index], skip_special_tokens=False).strip().removeprefix("##")
        written = {script_of(character) for character in text if character.isalpha()}
        if (written and written <= wanted) or (len(text) < 2 and text.isascii()) or _is_byte(piece):
            keep.add(index)
            met |= written
    if missing := sorted(wanted - met):
        raise UserError(
            f"the vocabulary has no piece in the script {missing[0].title()}",
            where="export.prune_vocab.scripts",
        )
    names = {index: piece for piece, index in vocabulary.items()}
    if kind == "BPE":
        keep |= _on_the_way(parts["model"], {names[index] for index in keep if index in names})
    kept = sorted(index for index in keep if index in names)
    new = {old: index for index, old in enumerate(kept)}
    made = copy.deepcopy(parts)
    _REWRITE[kind](made["model"], new)
    for token in made["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber(made.get("post_processor"), new)
    made["padding"] = made["truncation"] = None
    return Pruned(Tokenizer.from_str(json.dumps(made)), kept)


def _is_byte(piece: str) -> bool:
    """Whether it stands for one byte: of byte-level BPE, or the fallback `<0x0A>`."""
    return (len(piece) == 1 and ord(piece) < 0x144) or (len(piece) == 6 and piece.startswith("<0x"))


def _pairs(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Merges, which older files have as text."""
    pairs = []
    for merge in model["merges"]:
        one, other = merge.split(" ") if isinstance(merge, str) else merge
        pairs.append((str(one), str(other)))
    return pairs


def _on_the_way(model: Mapping[str, Any], pieces: Collection[str]) -> set[int]:
    """Ids of every piece that merging goes through to make `pieces`."""
    ranks = {pair: rank for rank, pair in enumerate(_pairs(model))}
    vocabulary: dict[str, int] = model["vocab"]
    found: set[int] = set()
    for piece in pieces:
        parts = list(piece)
        while True:
            found.update(vocabulary[part] for part in parts if part in vocabulary)
            rank, at = min(
                ((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(itertools.pairwise(parts))),
                default=(len(ranks), 0),
            )
            if rank == len(ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return found


def _word_pieces(model: dict[str, Any], new: Mapping[int, int]) -> None:
    model["vocab"] = {piece: new[index] for piece, index in model["vocab"].items() if index in new}


def _byte_pairs(model: dict[str, Any], new: Mapping[int, int]) -> None:
    _word_pieces(model, new)
    vocabulary = model["vocab"]
    model["merges"] = [
        [one, other]
        for one, other in _pairs(model)
        if one in vocabulary and other in vocabulary and one + other in vocabulary
    ]


def _unigrams(model: dict[str, Any], new: Mapping[int, int]) -> None:
    model["vocab"] = [model["vocab"][old] for old in new if old < len(model["vocab"])]
    if model.get("unk_id") is not None:
        model["unk_id"] = new[model["unk_id"]]


_REWRITE: Mapping[str, Callable[[dict[str, Any], Mapping[int, int]], None]] = {
    "WordPiece": _word_pieces,
    "BPE": _byte_pairs,
    "Unigram": _unigrams,
}


def _unknown(model: Mapping[str, Any]) -> list[int]:
    """The id of the piece that stands for what cannot be spelled, where there is one."""
    if (index := model.get("unk_id")) is not None:
        return [index]
    piece = model.get("unk_token")
    return [model["vocab"][piece]] if piece in model["vocab"] else []


def _put_in(processor: Mapping[str, Any] | None) -> list[int]:
    """Ids of the special tokens that a post-processor puts in."""
    if processor is None:
        return []
    found = [index for inner in processor.get("processors", []) for index in _put_in(inner)]
    found += [i for special in (processor.get("special_tokens") or {}).values() for i in special["ids"]]
    return found + [processor[name][1] for name in ("sep", "cls") if name in processor]


def _renumber(processor: dict[str, Any] | None, new: Mapping[int, int]) -> None:
    """The ids of special tokens that a post-processor puts in."""
    if processor is None:
        return
    for inner in processor.get("processors", []):
        _renumber(inner, new)
    for special in (processor.get("special_tokens") or {}).values():
        special["ids"] = [new[index] for index in special["ids"]]
    for name in ("sep", "cls"):
        if name in processor:
            piece, index = processor[name]
            processor[name] = [piece, new[index]]
