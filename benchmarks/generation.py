"""Writing speed of models of some runs: transformers, every variant of our bundle, and CTranslate2, in one run.

    python benchmarks/generation.py --run runs/translation/... [RUN ...] [--rows 64] [--rounds 5] [--threads 2]

RUN is a finished run of the family `text_generation`: its model/ is what transformers and CTranslate2 (where its
converter reads it) load, its bundle/ (with fp32, int8 and what else it holds) is ours; all write the same test sources,
as ids, in the same batches, with the same longest answer. CTranslate2 takes part where `pip install ctranslate2` was
done. Greedy and 4 beams, batches of 1 and 16; the contenders take turns within a round, and what counts is the median
over rounds of the ratio of their seconds a token, since answers may differ in length. An answer's end counts as one, as
the step that it takes, whoever leaves it out of what it returns. Tokenizing is left out for all.

A peer may share out its threads in two ways: all of them for every operator, or one for each part of a batch (of
transformers: one in all). It takes part in both, and the faster of them in a round is what ours is compared with.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from targets import print_target

from ftcore_runtime import Pipeline
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.decoders.text_generation import TextGenerationDecoder
from ftcore_runtime.encoding import Encoded
from ftcore_runtime.generation.packing import unpack
from ftcore_runtime.generation.settings import GenerationSettings

#: (peer, beams, batch) -> how many times as fast our int8 is to be: of a small model, and of others.
TARGETS = {
    ("transformers", 1, 1): (5.0, 5.0),
    ("transformers", 1, 16): (4.0, 4.0),
    ("ctranslate2 int8", 1, 1): (1.0, 1.5),
    ("ctranslate2 int8", 1, 16): (1.0, 1.2),
    ("ctranslate2 int8", 4, 1): (0.9, 1.0),
    ("ctranslate2 int8", 4, 16): (0.9, 1.0),
}
SMALL = 10e6  # weights
APART = ", apart"  # a thread for each part of a batch
#: Writes a batch of framed sources (lists of ids) and returns the answers' ids.
Contender = Callable[[list[list[int]]], list[list[int]]]


class Bench:
    """The sources of one run, and every contender for one number of beams."""

    def __init__(self, run: Path, args: argparse.Namespace, scratch: Path) -> None:
        self.run, self.args, self.scratch = run, args, scratch
        bundle = run / "bundle"
        variants = json.loads((bundle / "bundle.json").read_text())["variants"]
        self.pipelines = {name: Pipeline.load(bundle, name, threads=args.threads) for name in variants}
        decoder = self.pipelines["fp32"].decoder
        assert isinstance(decoder, TextGenerationDecoder), "give a run of the family text_generation"
        self.frame, self.settings = decoder.frame, decoder.settings
        lines = (run / "predictions.test.jsonl").read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)["input"] for line in lines[: args.rows]]
        self.sources = decoder.prepare(texts, self.pipelines["fp32"].encoder).encoded.input_ids
        self.sources.sort(key=len)
        self.vocabulary = self.pipelines["fp32"].encoder.tokenizer.get_vocab()
        auto = (
            transformers.AutoModelForCausalLM
            if self.frame.start_id is None
            else transformers.AutoModelForSeq2SeqLM
        )
        self.model = auto.from_pretrained(run / "model", dtype=torch.float32).eval()
        self.model.set_attn_implementation("eager")
        self.translators = self._ctranslate2()

    def _ctranslate2(self) -> dict[str, Any]:
        """CTranslate2's model in fp32 and int8; none where it is missing or its converter does not read the model."""
        found: dict[str, Any] = {}
        try:
            import ctranslate2

            _read_marian_of_any_vocabulary(ctranslate2.converters.transformers)
            for kind in ("float32", "int8"):
                folder = self.scratch / kind
                converter = ctranslate2.converters.TransformersConverter(str(self.run / "model"))
                converter.convert(str(folder), quantization=kind)
                kind_of = ctranslate2.Generator if self.frame.start_id is None else ctranslate2.Translator
                name = f"ctranslate2 {'fp32' if kind == 'float32' else kind}"
                for intra, suffix in ((self.args.threads, ""), (1, APART)):
                    workers = self.args.threads // intra
                    options = {"compute_type": kind, "intra_threads": intra, "inter_threads": workers}
                    found[name + suffix] = (kind_of(str(folder), **options), workers)
        except (
            ImportError,
            ValueError,
            RuntimeError,
            KeyError,
            TypeError,
            OSError,
        ) as error:  # whatever it says is printed: the peer's converter is not ours to fix
            print(f"CTranslate2 takes no part: {type(error).__name__}: {str(error)[:200]}")
        return found

    def contenders(self, beams: int) -> dict[str, Contender]:
        """By name."""
        settings = dataclasses.replace(self.settings, num_beams=beams, sampling=None)
        made: dict[str, Contender] = {
            "transformers": lambda rows: self._transformers(rows, settings, self.args.threads),
            f"transformers{APART}": lambda rows: self._transformers(rows, settings, 1),
        }
        for name, (translator, workers) in self.translators.items():
            made[name] = lambda rows, peer=translator, workers=workers: self._peer(
                peer, workers, rows, settings
            )  # type: ignore[misc]
        for name, pipeline in self.pipelines.items():
            made[f"ours {name}"] = lambda rows, own=pipeline: self._ours(own, rows, settings)  # type: ignore[misc]
        return made

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        width = max(map(len, rows))
        left = self.frame.start_id is None
        ids, mask = np.full((len(rows), width), self.frame.pad_id), np.zeros((len(rows), width), np.int64)
        for place, row in enumerate(rows):
            where = slice(width - len(row), width) if left else slice(0, len(row))
            ids[place, where], mask[place, where] = row, 1
        return {"input_ids": ids, "attention_mask": mask}

    def _ours(
        self, pipeline: Pipeline, rows: list[list[int]], settings: GenerationSettings
    ) -> list[list[int]]:
        lengths = np.array([len(row) for row in rows])
        encoded = Encoded(rows, None, lengths, np.zeros(len(rows), bool))
        pipeline.generator.settings = settings
        outputs = pipeline.generator.run(Prepared(encoded, np.arange(len(rows))), len(rows))
        return [answers[0].ids.tolist() for answers in unpack(outputs)]

    def _transformers(
        self, rows: list[list[int]], settings: GenerationSettings, threads: int
    ) -> list[list[int]]:
        torch.set_num_threads(threads)
        inputs = {name: torch.from_numpy(array) for name, array in self._padded(rows).items()}
        options: dict[str, Any] = {}
        given = inputs["input_ids"].shape[1]
        if self.frame.start_id is not None:
            options["decoder_input_ids"] = torch.tensor([self.frame.prompt] * len(rows))
            given = len(self.frame.prompt)
        with torch.inference_mode():
            found = self.model.generate(
                **inputs,
                **options,
                max_new_tokens=settings.max_length,
                num_beams=settings.num_beams,
                length_penalty=settings.length_penalty,
                early_stopping=settings.early_stopping,
                do_sample=False,
                eos_token_id=list(self.frame.eos_ids),
                pad_token_id=self.frame.pad_id,
            )
        return [self._until_end(row[given:]) for row in found.tolist()]

    def _until_end(self, ids: list[int]) -> list[int]:
        ends = [place for place, one in enumerate(ids) if one in self.frame.eos_ids]
        return ids[: ends[0] + 1] if ends else ids

    def _peer(
        self, peer: Any, workers: int, rows: list[list[int]], settings: GenerationSettings
    ) -> list[list[int]]:
        tokenizer = self.pipelines["fp32"].encoder.tokenizer
        tokens = [[tokenizer.id_to_token(one) for one in row] for row in rows]
        options = {"beam_size": settings.num_beams, "max_batch_size": -(-len(rows) // workers)}
        if self.frame.start_id is None:
            found = peer.generate_batch(
                tokens, max_length=settings.max_length, include_prompt_in_result=False, **options
            )
            return [result.sequences_ids[0] for result in found]
        found = peer.translate_batch(
            tokens,
            max_decoding_length=settings.max_length,
            min_decoding_length=settings.min_length,
            length_penalty=settings.length_penalty,
            **options,
        )
        return [[self.vocabulary[token] for token in result.hypotheses[0]] for result in found]

    def rounds(self, beams: int, batch: int) -> dict[str, list[float]]:
        """Seconds a token of each contender in each round; the first round warms up and does not count."""
        contenders = self.contenders(beams)
        batches = [self.sources[start : start + batch] for start in range(0, len(self.sources), batch)]
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        written: dict[str, list[list[int]]] = {}
        for number in range(self.args.rounds + 1):
            for name, contender in contenders.items():
                start = time.perf_counter()
                written[name] = [ids for rows in batches for ids in contender(rows)]
                took = time.perf_counter() - start
                if number:
                    seconds[name].append(took / sum(map(self._steps, written[name])))
        expected = written["transformers"]
        for name, answers in written.items():
            alike = sum(self._same(a, b) for a, b in zip(answers, expected, strict=True))
            middle = statistics.median(seconds[name])
            tokens = sum(map(self._steps, answers))
            print(
                f"beams {beams}, batch {batch:2}: {name:24} {tokens:6} tokens, {1 / middle:8.0f} a second,"
                f" {alike} of {len(expected)} answers as transformers'",
                flush=True,
            )
        return seconds

    def _same(self, one: list[int], other: list[int]) -> bool:
        return self._without_end(one) == self._without_end(other)

    def _steps(self, answer: list[int]) -> int:
        """Tokens that were computed for it."""
        return min(len(self._without_end(answer)) + 1, self.settings.max_length)

    def _without_end(self, answer: list[int]) -> list[int]:
        return [one for one in answer if one not in self.frame.eos_ids]


def _read_marian_of_any_vocabulary(loaders: Any) -> None:
    """Let CTranslate2 read the Marian shape as it reads BART.

    Its own reader is for the published Marian models alone: it takes the last token for padding, drops it, and starts
    from a vector of zeros in place of the start token.
    """

    class Loader(loaders.BartLoader):  # type: ignore[misc]  # a base without types
        architecture_name = "MarianMTModel"

        def get_model_spec(self, model: Any) -> Any:
            model.config.normalize_before = model.config.normalize_embedding = False
            return super().get_model_spec(model)

    loaders._MODEL_LOADERS["MarianConfig"] = Loader()


def compare(bench: Bench) -> list[tuple[str, float, float]]:
    """Every load of one run's model; name, median ratio and bar of its targets."""
    found = []
    title, weights = bench.run.parent.name, sum(one.numel() for one in bench.model.parameters())
    print(f"{title}: {weights / 1e6:.1f} million weights")
    for beams in (1, 4):
        for batch in (1, 16):
            seconds = bench.rounds(beams, batch)
            for (peer, of, size), targets in TARGETS.items():
                if (of, size) == (beams, batch) and peer in seconds:
                    best = map(min, seconds[peer], seconds[peer + APART])
                    ratios = [a / b for a, b in zip(best, seconds["ours int8"], strict=True)]
                    name = f"{title}: int8 against {peer}, beams {beams}, batch {batch}"
                    found.append((name, statistics.median(ratios), targets[weights > SMALL]))
    return found


def main() -> None:
    """Measure, and print the targets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, nargs="+")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    results: list[tuple[str, float, float]] = []
    for run in args.run:
        with tempfile.TemporaryDirectory() as scratch:
            results += compare(Bench(run.resolve(), args, Path(scratch)))
    for target, value, bar in results:
        print_target(target, value, bar)


if __name__ == "__main__":
    main()
