import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import DECODER, Tiny, sentences
from test_bundle import replace_file

from ftcore_runtime import Pipeline
from ftcore_runtime.decoders import Decoder
from ftcore_runtime.decoders.base import OpenGraph, Runner
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.pipeline import STREAM_BATCHES
from ftcore_runtime.session import GraphSession


@pytest.fixture(scope="module")
def pipeline(tiny_bundle: Path) -> Pipeline:
    return Pipeline.load(tiny_bundle)


def test_says_what_it_is(pipeline: Pipeline) -> None:
    assert (pipeline.task, pipeline.variant) == ("sentiment", "fp32")
    assert list(pipeline.labels) == DECODER["labels"]


def test_logits_are_those_of_torch_in_the_order_of_the_inputs(pipeline: Pipeline, tiny: Tiny) -> None:
    texts = sentences(50, longest=90)
    encoder = tiny.encoder()
    expected = np.concatenate([tiny.logits(encoder.collate(encoder.encode([text]))) for text in texts])
    for batch_size in (1, 7, 32, 1000):
        got = pipeline.outputs(texts, batch_size)["logits"]
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_answers_follow_the_logits(pipeline: Pipeline) -> None:
    texts = sentences(20)
    logits = pipeline.outputs(texts)["logits"]
    answers = pipeline.predict(texts)
    assert [answer.label for answer in answers] == [DECODER["labels"][best] for best in logits.argmax(axis=1)]
    assert len({answer.label for answer in answers}) == 3


def test_pairs_in_every_form(pipeline: Pipeline, tiny: Tiny) -> None:
    encoder = tiny.encoder()
    expected = tiny.logits(encoder.collate(encoder.encode(["good food"], ["bad place"])))
    for form in (
        ("good food", "bad place"),
        ["good food", "bad place"],
        {"text": "good food", "text_pair": "bad place"},
    ):
        np.testing.assert_allclose(pipeline.outputs([form])["logits"], expected, atol=1e-5)
    single = pipeline.outputs([{"text": "good food"}])["logits"]
    np.testing.assert_array_equal(single, pipeline.outputs(["good food"])["logits"])


def test_no_inputs(pipeline: Pipeline) -> None:
    assert pipeline.predict([]) == []
    with pytest.raises(InputError, match="no inputs"):
        pipeline.outputs([])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("good food", "wrap it in a list"),
        ("", "wrap it in a list"),
        ({"text": "good"}, "wrap it in a list"),
        (["good", 3], "input 1: expected a text, got int"),
        (["good", None], "input 1: expected a text, got NoneType"),
        (["good", "  \n"], "input 1: the text is empty"),
        ([("good", "")], "input 0: the text is empty"),
        ([("good", 3)], "input 0: expected a text, got int"),
        ([("a", "b", "c")], "input 0: expected a text, got 3 texts"),
        (["good", ("good", "bad")], "input 1: texts and pairs are mixed"),
        ([{"txt": "good"}], "input 0: expected the keys"),
        ([{"text": "good", "label": "x"}], "input 0: expected the keys"),
        (["good", "\ud800"], "input 1: the text is not valid Unicode"),
    ],
)
def test_bad_inputs_are_named(pipeline: Pipeline, inputs: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        pipeline.predict(inputs)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_bad_options_are_refused(pipeline: Pipeline, tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match="batch_size"):
        pipeline.predict(["good"], batch_size=0)
    for threads, run_threads in ((0, 1), (2, 0), (2, 3)):
        with pytest.raises(InputError, match="threads"):
            Pipeline.load(tiny_bundle, threads=threads, run_threads=run_threads)
    with pytest.raises(BundleError, match="it has fp32, int8"):
        Pipeline.load(tiny_bundle, "int4")


def test_variants_answer_differently_but_alike(pipeline: Pipeline, tiny_bundle: Path) -> None:
    int8 = Pipeline.load(tiny_bundle, "int8", threads=1)
    texts = sentences(50)
    first, second = pipeline.outputs(texts)["logits"], int8.outputs(texts)["logits"]
    assert 0 < np.abs(first - second).mean() < 0.2 * first.std()


def test_a_stream_is_answered_in_order_without_reading_far_ahead(pipeline: Pipeline) -> None:
    texts = sentences(3 * STREAM_BATCHES)
    read = 0

    def source() -> Iterator[str]:
        nonlocal read
        for text in texts:
            read += 1
            yield text

    answers = pipeline.stream(source(), batch_size=1)
    assert read == 0
    first = next(answers)
    assert read == STREAM_BATCHES
    assert [first, *answers] == pipeline.predict(texts, batch_size=1)


def test_selftest_replays_every_golden_example(tiny_bundle: Path) -> None:
    for variant in ("fp32", "int8"):
        assert Pipeline.load(tiny_bundle, variant).selftest() == 4


def spoil_golden(folder: Path, change: Callable[[dict], object]) -> Pipeline:
    golden = json.loads((folder / "golden.json").read_text())
    change(golden)
    replace_file(folder, "golden.json", json.dumps(golden).encode())
    return Pipeline.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g["answers"]["fp32"][2]["scores"].update(neutral=0.5),
        lambda g: g["answers"]["fp32"][2].update(polarity=None),
        lambda g: g["answers"]["fp32"][2].update(label="rather good"),
        lambda g: g["answers"]["fp32"][2].update(surprise=1),
        lambda g: g["answers"]["fp32"][2].update(scores=True),
        lambda g: g["answers"]["fp32"][2].update(score=10**400),
        lambda g: g["answers"]["fp32"][2].update(scores={"pos": "1"}),
        lambda g: g["answers"]["fp32"].pop(),
        lambda g: g["answers"].pop("fp32"),
        lambda g: g.update(inputs=g["inputs"][::-1]),
        lambda g: g.update(inputs="text"),
        lambda g: g["answers"].update(fp32=[1, 2, 3, 4]),
    ],
)
def test_selftest_finds_another_answer(
    copy_bundle: Callable[[], Path], change: Callable[[dict], object]
) -> None:
    with pytest.raises(BundleError):
        spoil_golden(copy_bundle(), change).selftest()


def test_selftest_allows_for_rounding(copy_bundle: Callable[[], Path]) -> None:
    def change(golden: dict) -> None:
        golden["answers"]["fp32"][0]["score"] += 1e-5

    assert spoil_golden(copy_bundle(), change).selftest() == 4


def test_a_graph_that_a_decoder_opens_twice_has_two_sessions(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[GraphSession] = []
    runner = Decoder.runner

    def opening(self: Decoder, open_graph: OpenGraph, encoder: TextEncoder, parallelism: int) -> Runner:
        opened.extend(open_graph("model", outputs=outputs) for outputs in (["logits"], []))
        return runner(self, open_graph, encoder, parallelism)

    monkeypatch.setattr(Decoder, "runner", opening)
    pipeline = Pipeline.load(tiny_bundle)
    assert [session.outputs for session in opened] == [["logits"], []]
    pipeline.selftest()


def test_a_token_outside_the_vocabulary_is_an_error_of_the_bundle(copy_bundle: Callable[[], Path]) -> None:
    folder = copy_bundle()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["again"] = 10_000
    replace_file(folder, "tokenizer.json", json.dumps(tokenizer).encode())
    with pytest.raises(BundleError, match="the graph failed"):
        Pipeline.load(folder).predict(["again"])


def test_a_model_that_gives_nan_gives_no_answer(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline.load(tiny_bundle, threads=1)  # all inputs in one batch
    run = pipeline.session.run

    def spoiled(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        logits = run(feeds)["logits"].copy()
        logits[feeds["input_ids"].shape[1] - feeds["attention_mask"].sum(axis=1) > 0] = np.nan
        return {"logits": logits}

    monkeypatch.setattr(pipeline.session, "run", spoiled)
    with pytest.raises(InputError, match="input 2: the model gives no finite number"):
        pipeline.predict(["good food", "nice place", "bad"])
