"""Tokenizers of Marian and M2M100 rebuilt as tokenizer.json, against the Python tokenizers, id for id.

    python benchmarks/piece_tokenizers.py --data FOLDER [--sentences 2000] [--pieces 8000]

FOLDER holds train.jsonl and test.jsonl with one text a language (Tatoeba, Multi30k): the first two columns. No package
carries OPUS-MT's own models, so the sentencepiece models are trained here, on the training sentences: two unigram
models and one shuffled vocabulary of both (Marian), and a BPE model of both languages (M2M100). As many sentences of
test and train as are asked for are compared in each language. Of sentences in another language than Marian's tokenizer
is of, the number that differ is printed: letters that it does not know are looked up among the other language's pieces.
Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import warnings
from pathlib import Path

import sentencepiece
import transformers
from few_rows_data import read
from targets import print_target
from tokenizers import Tokenizer

from ftcore.modeling.base_model import BaseModel, open_tokenizer
from ftcore_runtime.encoding import EncoderConfig, TextEncoder

_SPECIAL = 3  # pieces that a model begins with: <unk>, <s>, </s>


def main() -> None:
    """Train, rebuild and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--pieces", type=int, default=8000)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Recommended")
    rows = read(args.data / "train.jsonl")
    columns = [*rows[0]][:2]
    sides = {
        side: [row[name] for row in rows] for side, name in zip(("source", "target"), columns, strict=True)
    }
    tests = read(args.data / "test.jsonl") + rows
    texts = {
        side: [row[name] for row in tests[: args.sentences]]
        for side, name in zip(sides, columns, strict=True)
    }
    config = transformers.MarianConfig(vocab_size=100_000)
    good = True
    with tempfile.TemporaryDirectory() as name:
        marian, m2m = Path(name) / "marian", Path(name) / "m2m"
        marian.mkdir()
        m2m.mkdir()
        names = [
            one
            for side, own in sides.items()
            for one in _trained(own, marian / f"{side}.spm", "unigram", args.pieces)
        ]
        shuffled = list(dict.fromkeys(names))
        random.Random(0).shuffle(shuffled)
        _write(marian, ["</s>", "<unk>", *shuffled, "<pad>"], "MarianTokenizer")
        both = [*sides["source"], *sides["target"]]
        pieces = _trained(both, m2m / "sentencepiece.bpe.model", "bpe", args.pieces)
        _write(m2m, ["<s>", "<pad>", "</s>", "<unk>", *pieces], "M2M100Tokenizer")
        tokenizer = open_tokenizer(BaseModel(marian, config))
        for side, given, backend in (
            ("source", "text", "backend_tokenizer"),
            ("target", "text_target", "target_backend"),
        ):
            for other in sides:
                expected = [tokenizer(**{given: text}).input_ids[:-1] for text in texts[other]]
                wrong = _different(texts[other], expected, getattr(tokenizer, backend))
                if other == side:
                    good &= print_target(f"Marian, {side}: sentences with other ids", wrong, 0, at_most=True)
                else:
                    print(f"Marian, {side} tokenizer, {other} sentences: {wrong} of {len(texts[other])}")
        tokenizer = open_tokenizer(BaseModel(m2m, transformers.M2M100Config(vocab_size=200_000)))
        for side in sides:
            expected = [tokenizer(text).input_ids[1:-1] for text in texts[side]]
            wrong = _different(texts[side], expected, tokenizer.backend_tokenizer)
            good &= print_target(f"M2M100, {side}: sentences with other ids", wrong, 0, at_most=True)
    raise SystemExit(0 if good else 3)


def _trained(lines: list[str], path: Path, kind: str, pieces: int) -> list[str]:
    """The pieces of a model that is written to `path`."""
    text = path.with_suffix(".txt")
    text.write_text("\n".join(lines), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(path.with_suffix("")),
        model_type=kind,
        vocab_size=pieces,
        character_coverage=0.9995,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.with_suffix(".model").rename(path)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(index) for index in range(_SPECIAL, model.get_piece_size())]


def _write(folder: Path, names: list[str], kind: str) -> None:
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))


def _different(texts: list[str], expected: list[list[int]], tokenizer: Tokenizer) -> int:
    """Texts that the runtime reads as other ids; a few of them are shown."""
    encoder = TextEncoder(tokenizer, EncoderConfig(4096, 0, "right", ("input_ids",)))
    found = [one.ids for one in encoder.tokens(texts)]
    others = [text for text, ours, theirs in zip(texts, found, expected, strict=True) if ours != theirs]
    for text in others[:3]:
        print(json.dumps({"differs": text}, ensure_ascii=False))
    return len(others)


if __name__ == "__main__":
    main()
