"""Tokenizers of which only Python code joins pieces and ids (Marian, M2M100), rebuilt for the `tokenizers` library.

Their SentencePiece model (Kudo and Richardson 2018) splits a text into pieces, and `vocab.json` says the id of each.
What is rebuilt gives the same ids, with two exceptions. Pieces that the model has and `vocab.json` has not are unknown
to Python, and here their text is split into smaller ones. Several letters in a row that the model does not know are
unknown here, and Python finds their id where together they are a piece of the other language's model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ftcore.errors import ModelError
from ftcore_runtime.patterns import shortest_match

#: A code point that no text has (a noncharacter): before pieces of a vocabulary that the model never splits into.
_UNREACHED = "\ufdd0"
_SPACE = "\u2581"
_UNIGRAM, _BPE = 1, 2  # trainer_spec.model_type
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # types of a piece


def rebuild(tokenizer: Any, where: str) -> str | None:  # noqa: ANN401 (transformers is not typed here)
    """Give a Python tokenizer of Marian or M2M100 the attribute `backend_tokenizer`; Marian's, which splits targets by
    a model of their own, `target_backend` too.

    Returns:
        what users should know of it; None where there is nothing.

    Raises:
        ModelError: it is of another kind, or its files do not go together.
    """
    kind = type(tokenizer).__name__
    if kind == "MarianTokenizer":
        source, target = (Path(file) for file in tokenizer.spm_files)
        # `>>fra<<` before a text says the language that is wanted.
        codes = [AddedToken(code, normalized=False) for code in tokenizer.supported_language_codes]
        tokenizer.backend_tokenizer, unknown = _tokenizer(source, tokenizer.encoder, tokenizer, codes)
        ids = tokenizer.target_encoder if tokenizer.separate_vocabs else tokenizer.encoder
        tokenizer.target_backend, further = _tokenizer(target, ids, tokenizer, codes)
        unknown += further
    elif kind == "M2M100Tokenizer":
        languages = sorted(tokenizer.lang_token_to_id, key=tokenizer.lang_token_to_id.__getitem__)
        added = [AddedToken(token, special=True, normalized=False) for token in languages]
        path = Path(tokenizer.spm_file)
        tokenizer.backend_tokenizer, unknown = _tokenizer(path, tokenizer.encoder, tokenizer, added)
        wrong = [
            one for one in languages if tokenizer.backend_tokenizer.token_to_id(one) != _id(tokenizer, one)
        ]
        if wrong:
            raise ModelError(f"vocab.json gives {wrong[0]} an id of its own", where=where)
    else:
        raise ModelError(
            f"the base model's tokenizer has no tokenizer.json, and none can be made of a {kind}",
            where=where,
            hint="one is made of the sentencepiece models of T5, mBART, NLLB, Pegasus, Marian and M2M100",
        )
    if not unknown:
        return None
    return f"{unknown} pieces of the sentencepiece model are not in vocab.json: texts are split into smaller ones"


def _id(tokenizer: Any, token: str) -> int:  # noqa: ANN401
    found: int = tokenizer.lang_token_to_id[token]
    return found


def _tokenizer(
    path: Path,
    ids: Mapping[str, int],
    tokenizer: Any,  # noqa: ANN401
    added: Sequence[AddedToken],
) -> tuple[Tokenizer, int]:
    """A sentencepiece model with these ids of its pieces, and how many of its pieces have none.

    Args:
        tokenizer: names the special tokens.
        added: languages.
    """
    model = _read(path)
    spec, rules = model.trainer_spec, model.normalizer_spec
    if spec.treat_whitespace_as_suffix or not rules.escape_whitespaces:
        raise ModelError("is a sentencepiece model that marks blanks in a way of its own", where=str(path))
    known = (_NORMAL, _USER_DEFINED, _BYTE)
    pieces = {one.piece: float(one.score) for one in model.pieces if one.type in known}
    made = Tokenizer(_model(spec, pieces, ids, tokenizer.unk_token, str(path)))
    special = [tokenizer.unk_token, tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token]
    named = [AddedToken(one, special=True, normalized=False) for one in dict.fromkeys(special) if one in ids]
    made.add_special_tokens([*named, *(one for one in added if one.special)])
    own = [one.piece for one in model.pieces if one.type == _USER_DEFINED and one.piece in ids]
    own_tokens = [AddedToken(one, normalized=False) for one in own]
    made.add_tokens([*own_tokens, *(one for one in added if not one.special)])
    steps = [*_normalizers(rules)]
    if spec.model_type == _UNIGRAM:
        # A special token is one piece of its vocabulary: what spells it must be unknown before it is looked for.
        steps += [normalizers.Replace(one.content, _UNREACHED) for one in named]
        letters = {piece for piece in pieces if len(piece) == 1}
        if any(len(token) == 1 and token not in letters for token in ids):
            steps += _one_unknown(letters)
    made.normalizer = normalizers.Sequence(steps)
    scheme = "always" if rules.add_dummy_prefix else "never"
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    bytes_too = [decoders.ByteFallback()] if spec.byte_fallback else []
    blanks = decoders.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    made.decoder = decoders.Sequence([decoders.Replace(_UNREACHED, ""), *bytes_too, blanks])
    end = tokenizer.eos_token
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, ids[end])]
    )
    return made, sum(piece not in ids for piece in pieces)


def _model(
    spec: Any,  # noqa: ANN401
    pieces: Mapping[str, float],
    ids: Mapping[str, int],
    unknown: str,
    where: str,
) -> models.Model:
    if spec.model_type == _UNIGRAM:
        return models.Unigram(_unigram(pieces, ids), ids[unknown], spec.byte_fallback)
    if spec.model_type != _BPE:
        raise ModelError("is a sentencepiece model of words or characters", where=where)
    return models.BPE(
        dict(ids),
        list(_merges(pieces, ids)),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=spec.byte_fallback,
    )


def _read(path: Path) -> Any:  # noqa: ANN401 (a generated class)
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is imported
    try:
        model.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ModelError("holds no sentencepiece model", where=str(path)) from error
    return model


def _unigram(pieces: Mapping[str, float], ids: Mapping[str, int]) -> list[tuple[str, float]]:
    """The vocabulary in the order of the ids, with the log probability of each piece."""
    rows = [(f"{_UNREACHED}{place}", 0.0) for place in range(max(ids.values()) + 1)]
    least = min(pieces.values(), default=0.0)
    for token, place in ids.items():
        if token in pieces:
            rows[place] = (token, pieces[token])
        elif (
            len(token) == 1
        ):  # Python looks up what the model does not know, and so finds the other language's letters
            rows[place] = (token, least)
        elif token.startswith(("<", ">>")):  # special tokens and languages, which are looked up by name
            rows[place] = (token, 0.0)
        else:
            rows[place] = (f"{_UNREACHED}{token}", 0.0)
    return rows


def _merges(pieces: Mapping[str, float], ids: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Pairs of pieces to merge, the best first: sentencepiece goes by the score of what they make."""
    known = sorted((piece for piece in pieces if piece in ids), key=lambda piece: -pieces[piece])
    for piece in known:
        splits = [(piece[:place], piece[place:]) for place in range(1, len(piece))]
        yield from ((left, right) for left, right in splits if left in ids and right in ids)


def _one_unknown(letters: set[str]) -> Iterator[normalizers.Normalizer]:
    """Makes one unknown letter of several in a row, as sentencepiece does, so that none of them is looked up alone.

    Nothing of a model that knows thousands of letters: a bundle's expressions are not as long as that takes.
    """
    codes = sorted(map(ord, {*letters, " ", _SPACE}))
    known_codes = set(codes)
    firsts = [code for code in codes if code - 1 not in known_codes]
    lasts = [code for code in codes if code + 1 not in known_codes]
    known = "".join(_in_class(first, last) for first, last in zip(firsts, lasts, strict=True))
    if shortest_match(pattern := f"[^{known}]{{2,}}"):
        yield normalizers.Replace(Regex(pattern), _UNREACHED)


def _in_class(first: int, last: int) -> str:
    """Letters as a class of a regular expression has them."""
    ends = [re.sub(r"([^\w\s])", r"\\\1", chr(code)) if code < 128 else chr(code) for code in (first, last)]
    return ends[0] if first == last else "-".join(ends)


def _normalizers(spec: Any) -> Iterator[normalizers.Normalizer]:  # noqa: ANN401
    if spec.precompiled_charsmap:
        yield normalizers.Precompiled(spec.precompiled_charsmap)
    if spec.remove_extra_whitespaces:
        yield normalizers.Strip(left=False, right=True)
        yield normalizers.Replace(Regex(" {2,}"), _SPACE)
