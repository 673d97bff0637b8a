"""The searches over a torch model give what `model.generate` gives, token for token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from generation_models import DECODERS, VOCABULARY, tiny_generator

from ftcore.families.text_generation.torch_sequences import TorchDecoder, TorchEncoderDecoder
from ftcore_runtime.generation.search import generate, stream_greedy
from ftcore_runtime.generation.settings import GenerationSettings, Sampling

ROWS, LONGEST, NEW = 6, 9, 12
END, PAD = 2, 1

SETTINGS = {
    "greedy": {},
    "no repeats": {"no_repeat_ngram_size": 2, "min_length": 5},
    "beams": {"num_beams": 4},
    "short beams": {"num_beams": 3, "length_penalty": -0.5, "early_stopping": True},
    "long beams": {"num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 2, "min_length": 3},
}


def sources(side: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, LONGEST + 1, ROWS)
    lengths[0] = LONGEST
    positions = np.arange(LONGEST)
    real = positions < lengths[:, None] if side == "right" else positions >= LONGEST - lengths[:, None]
    ids = np.where(real, rng.integers(4, VOCABULARY, (ROWS, LONGEST)), PAD)
    return {"input_ids": ids, "attention_mask": real.astype(np.int64)}


def ours(
    kind: str, model: Any, inputs: dict[str, np.ndarray], settings: GenerationSettings
) -> list[list[int]]:
    if kind in DECODERS:
        found = generate(TorchDecoder(model), inputs, inputs["input_ids"], settings, (END,))
    else:
        prompt = np.full((ROWS, 1), model.config.decoder_start_token_id)
        found = generate(TorchEncoderDecoder(model), inputs, prompt, settings, (END,))
    return [row[0].ids.tolist() for row in found]


def theirs(
    kind: str, model: Any, inputs: dict[str, np.ndarray], settings: GenerationSettings
) -> list[list[int]]:
    given = inputs["input_ids"].shape[1] if kind in DECODERS else 1
    model.generation_config = type(model.generation_config)()  # the architecture's own habits play no part
    with torch.inference_mode():
        rows = model.generate(
            **{name: torch.from_numpy(array) for name, array in inputs.items()},
            max_new_tokens=settings.max_length,
            min_new_tokens=settings.min_length or None,
            num_beams=settings.num_beams,
            length_penalty=settings.length_penalty,
            early_stopping=settings.early_stopping,
            no_repeat_ngram_size=settings.no_repeat_ngram_size or None,
            do_sample=False,
            pad_token_id=PAD,
            eos_token_id=END,
            **({} if kind in DECODERS else {"decoder_start_token_id": model.config.decoder_start_token_id}),
        )
    return [until_end(row[given:]) for row in rows.tolist()]


def until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(END) + 1] if END in ids else ids


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("kind", ["bart", "m2m_100", "t5", "gpt2", "llama"])
def test_as_transformers_generates(kind: str, settings: dict[str, Any]) -> None:
    model = tiny_generator(kind)
    chosen = GenerationSettings(max_length=NEW, **settings)
    inputs = sources("left" if kind in DECODERS else "right")
    with torch.inference_mode():
        mine = ours(kind, model, inputs, chosen)
    expected = theirs(kind, model, inputs, chosen)
    assert mine == [row[: len(own)] for row, own in zip(expected, mine, strict=True)]
    assert all(set(row[len(own) :]) <= {PAD} for row, own in zip(expected, mine, strict=True))
    assert len({tuple(row) for row in mine}) > 1


def test_rows_end_for_themselves_and_alone_give_the_same() -> None:
    model = tiny_generator("bart")
    with torch.no_grad():
        model.final_logits_bias[0, END] = 4.0  # some rows end early
    chosen = GenerationSettings(max_length=NEW)
    inputs = sources("right")
    with torch.inference_mode():
        together = ours("bart", model, inputs, chosen)
        alone = []
        for row in range(ROWS):
            one = {name: array[row : row + 1] for name, array in inputs.items()}
            prompt = np.full((1, 1), 2)
            alone.append(generate(TorchEncoderDecoder(model), one, prompt, chosen, (END,))[0][0].ids.tolist())
    assert together == alone
    assert len({len(row) for row in together}) > 1


def test_streamed_tokens_are_those_of_the_whole_answer() -> None:
    model = tiny_generator("gpt2")
    chosen = GenerationSettings(max_length=NEW, no_repeat_ngram_size=2)
    one = {name: array[:1] for name, array in sources("left").items()}
    with torch.inference_mode():
        whole = generate(TorchDecoder(model), one, one["input_ids"], chosen, (END,))[0][0].ids.tolist()
        streamed = list(stream_greedy(TorchDecoder(model), one, one["input_ids"], chosen, (END,)))
    assert streamed == [token for token in whole if token != END]


def test_samples_depend_on_seed_and_source_alone() -> None:
    model = tiny_generator("bart")
    inputs = sources("right")

    def draw(seed: int, **cuts: Any) -> list[list[int]]:
        chosen = GenerationSettings(max_length=NEW, sampling=Sampling(seed=seed, **cuts))
        with torch.inference_mode():
            return ours("bart", model, inputs, chosen)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    greedy = GenerationSettings(max_length=NEW)
    with torch.inference_mode():
        assert draw(1, top_k=1) == draw(2, top_p=1e-6) == ours("bart", model, inputs, greedy)


def test_scores_are_the_log_probabilities_of_the_tokens() -> None:
    model = tiny_generator("t5")
    inputs = sources("right")
    prompt = np.full((ROWS, 1), 1)
    chosen = GenerationSettings(max_length=4)
    with torch.inference_mode():
        greedy = generate(TorchEncoderDecoder(model), inputs, prompt, chosen, (END,), scored=True)
        one = greedy[0][0]
        made = model(
            input_ids=torch.from_numpy(inputs["input_ids"][:1]),
            attention_mask=torch.from_numpy(inputs["attention_mask"][:1]),
            decoder_input_ids=torch.tensor([[1, *one.ids[:-1].tolist()]]),
        ).logits.log_softmax(-1)
    expected = made[0, torch.arange(len(one.ids)), torch.from_numpy(one.ids)].sum().item()
    assert one.score == pytest.approx(expected, abs=1e-4)
