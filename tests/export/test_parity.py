import json
import math

import numpy as np
import pytest
from bundles import DECODER

from ftcore_export.parity import Parity, compare
from ftcore_runtime.decoders import make_decoder

decoder = make_decoder(DECODER)


def parity(reference: list[list[float]], candidate: list[list[float]]) -> Parity:
    sides = [{"logits": np.array(rows, np.float32)} for rows in (reference, candidate)]
    return compare(
        *sides, *(decoder.decode(side) for side in sides), ids=[f"r{i}" for i in range(len(reference))]
    )


def test_equal_outputs() -> None:
    result = parity([[1, 2, 3]], [[1, 2, 3]])
    assert result == Parity(1, 0.0, [], 0)
    assert result.flip_share == 0


def test_a_flip_names_its_row_and_both_answers() -> None:
    result = parity([[3, 0, 0], [0, 0, 2]], [[3, 0, 0.5], [0, 2.5, 2]])
    assert result.max_abs_diff == 2.5
    assert result.ties == 0
    assert result.flip_share == 0.5
    (flip,) = result.flips
    assert (flip.row, flip.reference["label"], flip.candidate["label"]) == ("r1", "positive", "neutral")
    assert flip.margin == pytest.approx(math.exp(2) / (math.exp(2) + 2) - 1 / (math.exp(2) + 2))
    assert json.loads(json.dumps(result.to_json()))["flips"][0]["row"] == "r1"
    assert result.summary() == {"rows": 2, "max_abs_diff": 2.5, "flips": 1, "ties": 0}


def test_an_undecided_reference_is_a_tie() -> None:
    result = parity([[1, 1, 0]], [[1, 1.00001, 0]])
    assert (len(result.flips), result.ties) == (0, 1)


def test_a_candidate_that_is_not_finite_is_infinitely_far() -> None:
    result = parity([[1, 2, 0]], [[1, math.nan, 0]])
    assert result.max_abs_diff == math.inf
    assert result.summary()["max_abs_diff"] is None


def test_several_labels() -> None:
    several = make_decoder({**DECODER, "problem": "multi_label", "polarity": None})
    sides = [{"logits": np.array([row])} for row in ([1.0, -1.0, 0.5], [1.0, 1.0, 0.5])]
    result = compare(*sides, *(several.decode(side) for side in sides), ids=[0])
    assert len(result.flips) == 1
    assert result.flips[0].margin == pytest.approx(np.tanh(0.5))


def test_sides_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        parity([[1, 2, 3]], [[1, 2, 3], [1, 2, 3]])
    with pytest.raises(ValueError, match="outputs differ"):
        compare({"a": np.zeros(1)}, {"b": np.zeros(1)}, [], [], [])
