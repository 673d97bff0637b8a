"""A tiny random T5 as a bundle that generates, exported once a session: for the tests of server, packaging and CLI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import CREATED, sentences, tiny_tokenizer
from graph_cache import SHARED

LONGEST = 40  # tokens of every answer: none may end earlier


@pytest.fixture(scope="session")
def make_generating_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a bundle called `writer`; `generation` overrides its settings. Not to be changed by a test."""
    from generation_models import tiny_generator
    from tokenizers import decoders

    from ftcore.families.text_generation.graphs import encoder_decoder_graphs
    from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
    from ftcore_export.onnx_graph import export_graph
    from ftcore_runtime.encoding import EncoderConfig
    from ftcore_runtime.generation.settings import GenerationSettings, TextFrame

    folder = tmp_path_factory.mktemp("writer")
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("[SEP]")
    frame = TextFrame((), (end,), (), (end,), pad_id=0, start_id=0)
    graphs = {
        graph.name: export_graph(graph, folder / f"{graph.name}.onnx", SHARED)
        for graph in encoder_decoder_graphs(tiny_generator("t5-gated"))  # traced for other tests too
    }

    def make(**generation: Any) -> Path:
        defaults = {"min_length": LONGEST, "max_length": LONGEST, "no_repeat_ngram_size": 1}
        settings = GenerationSettings(**{**defaults, **generation})
        return write_bundle(
            tmp_path_factory.mktemp("written") / "writer",
            BundleSource(
                name="writer",
                task="translation",
                family="text_generation",
                encoder_config=EncoderConfig(32, 0, "right", ("input_ids", "attention_mask")),
                tokenizer_path=folder / "tokenizer.json",
                decoder={
                    "name": "text_generation",
                    "frame": frame.to_json(),
                    "generation": settings.to_json(),
                },
                variants={"fp32": VariantSource(graphs)},
                default_variant="fp32",
                metrics={},
                provenance={"base_model": "random"},
                golden=sentences(2),
                created=CREATED,
            ),
        )

    return make


@pytest.fixture(scope="session")
def generating_bundle(make_generating_bundle: Callable[..., Path]) -> Path:
    """A bundle that writes greedily; not to be changed by a test."""
    return make_generating_bundle()
