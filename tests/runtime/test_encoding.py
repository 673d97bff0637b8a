import numpy as np
import pytest
from bundles import INPUTS, Tiny, tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from ftcore_runtime.encoding import EncoderConfig, Side, TextEncoder, pad_ragged
from ftcore_runtime.errors import BundleError, InputError

ragged = st.lists(st.lists(st.integers(0, 2**40), max_size=9), max_size=9)


@given(rows=ragged, value=st.integers(-100, 100), side=st.sampled_from(["right", "left"]))
def test_padding_is_what_a_loop_would_make(rows: list[list[int]], value: int, side: Side) -> None:
    width = max([1, *map(len, rows)])
    fill = [[value] * (width - len(row)) for row in rows]
    expected = [row + pad if side == "right" else pad + row for row, pad in zip(rows, fill, strict=True)]
    padded = pad_ragged(rows, value, side)
    assert padded.dtype == np.int64
    assert padded.shape == (len(rows), width)
    assert padded.tolist() == expected


def encoder(max_length: int = 8, side: Side = "right", inputs: tuple[str, ...] = INPUTS) -> TextEncoder:
    return TextEncoder(tiny_tokenizer(), EncoderConfig(max_length, 0, side, inputs))


def tokens(made: TextEncoder, ids: list[int]) -> str:
    return " ".join(made.tokenizer.id_to_token(number) for number in ids)


def test_equals_the_tokenizer_of_transformers(tiny: Tiny) -> None:
    from transformers import PreTrainedTokenizerFast

    texts, pairs = ["good food", "a very slow place to eat again", "x"], ["bad", "nice", "not a place"]
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tiny.tokenizer), pad_token="[PAD]")
    for second in (None, pairs):
        expected = theirs(
            texts,
            second,
            padding=True,
            truncation=True,
            max_length=8,
            return_tensors="np",
            return_token_type_ids=True,
        )
        ours = encoder()
        made = ours.collate(ours.encode(texts, second))
        for name in INPUTS:
            np.testing.assert_array_equal(made[name], expected[name])


def test_the_longer_text_of_a_pair_is_cut() -> None:
    made = encoder(max_length=9)
    encoded = made.encode(["good", "good food"], ["a very nice place to eat again", "bad"])
    assert tokens(made, encoded.input_ids[0]) == "[CLS] good [SEP] a very nice place to [SEP]"
    assert encoded.truncated.tolist() == [True, False]
    assert encoded.lengths.tolist() == [9, 6]


def test_a_text_of_exactly_max_length_is_not_truncated() -> None:
    encoded = encoder(max_length=4).encode(["good food", "good food bad"])
    assert encoded.lengths.tolist() == [4, 4]
    assert encoded.truncated.tolist() == [False, True]


def test_collate_takes_rows_in_the_order_asked_for() -> None:
    made = encoder(side="left", inputs=("attention_mask", "input_ids"))
    encoded = made.encode(["good", "good food was bad"])
    assert encoded.token_type_ids is None
    batch = made.collate(encoded, np.array([1, 0]))
    assert list(batch) == ["attention_mask", "input_ids"]
    assert batch["attention_mask"].tolist() == [[1] * 6, [0, 0, 0, 1, 1, 1]]
    assert batch["input_ids"][1, :3].tolist() == [0, 0, 0]
    assert all(array.dtype == np.int64 for array in batch.values())


def test_nothing_to_encode() -> None:
    made = encoder()
    assert len(made.encode([])) == 0


def test_the_file_of_a_tokenizer_that_pads_and_cuts_is_made_to_do_neither(tmp_path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.enable_padding(length=50)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    made = TextEncoder.load(tmp_path / "tokenizer.json", encoder().config)
    assert made.encode(["good food was bad"]).lengths.tolist() == [6]


@pytest.mark.parametrize("bad", ["\ud800", 3, None])
def test_what_cannot_be_encoded_is_named_by_its_index(bad: object) -> None:
    with pytest.raises(InputError) as caught:
        encoder().encode(["good", bad])  # type: ignore[list-item]
    assert caught.value.where == "input 1"


def test_the_fingerprint_says_tokenizer_and_config() -> None:
    assert encoder().fingerprint == encoder().fingerprint
    assert encoder().fingerprint != encoder(max_length=9).fingerprint
    other = tiny_tokenizer()
    other.add_tokens(["terrific"])
    another = TextEncoder(other, encoder().config)
    assert encoder().fingerprint != another.fingerprint
    assert encoder().fingerprint != TextEncoder(tiny_tokenizer(), encoder().config, another).fingerprint


def test_config_survives_json() -> None:
    config = EncoderConfig(64, 1, "left", ("input_ids", "attention_mask"))
    assert EncoderConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 3},
        {"max_length": 12.0},
        {"max_length": True},
        {"pad_id": -1},
        {"pad_id": 2**31},
        {"pad_id": 2**63},
        {"max_length": 2**63},
        {"pad_side": "middle"},
        {"inputs": ["attention_mask"]},
        {"inputs": ["input_ids", "pixel_values"]},
        {"inputs": ["input_ids", "input_ids"]},
        {"inputs": "input_ids"},
        {"surprise": 1},
    ],
)
def test_a_bad_config_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BundleError):
        EncoderConfig.from_json({**encoder().config.to_json(), **change})


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b'{"model": {"type": "WordPiece"}}'])
def test_a_file_that_is_no_tokenizer_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="tokenizer"):
        TextEncoder.from_bytes(data, encoder().config)
    with pytest.raises(BundleError):
        TextEncoder.load("nowhere/tokenizer.json", encoder().config)
