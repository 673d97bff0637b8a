"""The most probable valid path of tags, and the probability of each entity, against all paths counted out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ftcore_runtime.decoders import make_decoder, tagging
from ftcore_runtime.decoders.tagging import segments
from ftcore_runtime.decoders.token_classification import TokenClassificationDecoder
from ftcore_runtime.decoders.windowed import TokenPlaces
from ftcore_runtime.errors import BundleError
from ftcore_runtime.spans import EntitiesAnswer, Entity


def entities_of(path: tuple[int, ...]) -> list[tuple[int, int, int]]:
    found = []
    for place, tag in enumerate(path):
        if tag % 2:
            last = place
            while last + 1 < len(path) and path[last + 1] == tag + 1:
                last += 1
            found.append((place, last, tag // 2))
    return found


def counted_out(scores: np.ndarray) -> list[tuple[int, int, int, float]]:
    """The best path's entities and the share of all valid paths' weight that has each."""
    weights: dict[tuple[int, ...], float] = {}
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        valid = all(
            tag % 2 or not tag or (place and path[place - 1] in (tag - 1, tag))
            for place, tag in enumerate(path)
        )
        if valid:
            weights[path] = float(np.exp(sum(scores[place, tag] for place, tag in enumerate(path))))
    best, total = max(weights, key=weights.__getitem__), sum(weights.values())
    shares = dict.fromkeys(entities_of(best), 0.0)
    for path, weight in weights.items():
        for one in entities_of(path):
            if one in shares:
                shares[one] += weight / total
    return [(*one, share) for one, share in shares.items()]


@pytest.mark.parametrize("cells", [2**19, 40])
def test_texts_of_different_lengths_are_decoded_as_if_each_were_alone(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "_CELLS", cells)
    draw = np.random.default_rng(3)
    lengths = [4, 0, 1, 5, 2, 5, 3, 0, 4]
    logits = [3 * draw.normal(size=(length, 5)) for length in lengths]
    scores = [one - np.log(np.exp(one).sum(1, keepdims=True)) for one in logits]
    found = segments(np.concatenate(scores), lengths)
    assert sum(map(len, found)) > 8
    for own, one in zip(scores, found, strict=True):
        expected = counted_out(own) if len(own) else []
        assert [(x.first, x.last, x.label) for x in one] == [x[:3] for x in expected]
        assert [x.score for x in one] == pytest.approx([x[3] for x in expected])


def test_a_long_text_takes_a_path_through_all_of_it() -> None:
    scores = np.full((5000, 3), -8.0)
    scores[:, 0] = -0.001
    scores[4990:4993] = [[-9, -0.1, -9], [-9, -9, -0.1], [-9, -9, -0.1]]
    ((one,),) = segments(scores, [5000])
    assert (one.first, one.last) == (4990, 4992)
    assert 0.9 < one.score <= 1


def test_the_settings_are_read_strictly() -> None:
    config = {"name": "token_classification", "labels": ["a"], "stride": 4}
    decoder = make_decoder(config)
    assert isinstance(decoder, TokenClassificationDecoder)
    assert (decoder.names, decoder.stride, decoder.most_candidates) == (("a",), 4, 0)
    for change in ({"labels": []}, {"labels": ["a", "a"]}, {"stride": -1}, {"more": 1}):
        with pytest.raises(BundleError):
            make_decoder({**config, **change})
    places = np.zeros((1, 2), np.int32)
    with pytest.raises(BundleError, match=r"logits of shape \(1, 2, 5\) for 1 labels"):
        decoder.answers(
            {"logits": np.zeros((1, 2, 5))}, TokenPlaces(np.zeros(1, np.int64), places, places, ["x"])
        )


def test_what_an_answer_knows_of_itself() -> None:
    answer = EntitiesAnswer([Entity("Bergen", "place", 0, 6, 0.75), Entity("Anna", "person", 9, 13, 0.5)])
    assert answer.summary == "Bergen (place 0.750), Anna (person 0.500)"
    assert EntitiesAnswer([]).summary == "(none)"
    assert answer.observations() == {"entities": 2.0, "confidence": 0.5}
    assert EntitiesAnswer([]).observations() == {"entities": 0.0}
    assert EntitiesAnswer.from_json(answer.to_json()) == answer
    fewer = EntitiesAnswer(answer.entities[:1])
    assert answer.agrees(answer)
    assert not answer.agrees(fewer)
    assert answer.margin(answer) == 0
    assert answer.margin(fewer) == 0, "it was as probable as not"
    assert fewer.margin(EntitiesAnswer([])) == 0.5
    for wrong in ({}, {"entities": 3}, {"entities": [{"text": "x"}]}, {"entities": [], "x": 1}, [], "x"):
        with pytest.raises(TypeError):
            EntitiesAnswer.from_json(wrong)  # type: ignore[arg-type]
