"""Which recipe a classifier gets, by rows, rows a label and what the spec asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import transformers

from ftcore.families.recipe import PLAIN_RECIPE, Recipe, enough_steps
from ftcore.families.sequence_classification.recipe import Shape, choose
from ftcore.families.sequence_classification.spec import SequenceClassificationTraining
from ftcore.families.span_extraction.model import SpanModel
from ftcore.families.token_classification.model import EntityModel
from ftcore.families.token_classification.reader import FittedEntities
from ftcore.spec.training import TrainingSpec


def shape(rows: int, counts: list[int], **rest: Any) -> Shape:
    return Shape(**{"rows": rows, "counts": counts, "validation": 100, "step": 32, **rest})


@pytest.mark.parametrize(
    ("rows", "counts", "name"),
    [
        (616, [8] * 77, "probe"),
        (16, [8, 8], "probe"),
        (2000, [1000, 1000], "fresh_head"),
        (80_000, [533] * 150, "fresh_head"),
        (12_000, [400] * 30, "fresh_head"),
        (300, [], "probe"),
        (5749, [], "probe"),
        (50_000, [], "fresh_head"),
    ],
)
def test_auto_goes_by_rows_and_rows_a_label_and_says_so(rows: int, counts: list[int], name: str) -> None:
    recipe = choose("auto", shape(rows, counts))
    assert recipe.name == name
    assert f"{rows:,} rows" in recipe.why


@pytest.mark.parametrize("name", ["plain", "probe", "fresh_head"])
def test_a_named_recipe_holds_whatever_the_rows(name: str) -> None:
    assert choose(name, shape(16, [8, 8])).name == name
    assert choose(name, shape(80_000, [40_000, 40_000])).name == name


def test_what_the_spec_gives_is_kept_and_the_rest_is_filled() -> None:
    training = SequenceClassificationTraining(epochs=7, head_start="random")
    filled = choose("probe", shape(616, [8] * 77)).fill(training)
    assert (filled.epochs, filled.head_start) == (7, "random")
    assert (filled.learning_rate, filled.head_learning_rate) == (1e-4, 1e-3)
    assert training.learning_rate is None


def test_small_data_gets_steps_enough_and_few_evaluations() -> None:
    chosen = choose("auto", shape(64, [32, 32])).training
    assert chosen["epochs"] == 10
    assert chosen["evaluate_every"] == 5  # of 20 steps


def test_steps_from_the_probe_contrast_rows_where_that_can_be() -> None:
    assert choose("auto", shape(128, [64, 64], contrasted=True)).training["contrast"] > 0
    assert "contrast" not in choose("auto", shape(128, [64, 64])).training
    assert "contrast" not in choose("auto", shape(14, [7, 7], validation=2, contrasted=True)).training
    assert "contrast" not in choose("auto", shape(616, [8] * 77, contrasted=True)).training
    assert "contrast" not in choose("auto", shape(20_000, [10_000] * 2, contrasted=True)).training


def test_too_few_validation_rows_keep_the_probe() -> None:
    recipe = choose("auto", shape(14, [7, 7], validation=2))
    assert recipe.training["epochs"] == 0
    assert "2 validation rows cannot show" in recipe.why


@pytest.mark.parametrize(
    ("rows", "validation", "folds"),
    [(14, 2, 3), (135, 15, 3), (554, 62, 3), (900, 100, 3), (901, 100, 1), (4500, 500, 1)],
)
def test_rows_that_were_held_out_train_in_the_end(rows: int, validation: int, folds: int) -> None:
    recipe = choose(
        "auto",
        shape(rows, [rows // 2] * 2 if rows < 1000 else [58] * 77, validation=validation, held_out=True),
    )
    assert (recipe.training["refit"], recipe.training["folds"]) == (True, folds)
    assert recipe.training["epochs"] >= 4
    assert f"all {rows + validation:,} rows train" in recipe.why
    # Nothing between the probe and the last step is compared.
    assert recipe.training["evaluate_every"] == recipe.training["epochs"] * -(-rows // 32)


def test_thresholds_of_several_labels_are_always_chosen_on_all_rows() -> None:
    recipe = choose("auto", shape(4000, [90] * 77, validation=400, held_out=True, several=True))
    assert recipe.training["folds"] == 3


def test_many_rows_and_validation_rows_of_a_file_are_not_trained_on_in_the_end() -> None:
    for few in (shape(9000, [116] * 77, held_out=True), shape(616, [8] * 77, validation=300)):
        assert "refit" not in choose("auto", few).training


def test_the_heads_rate_follows_a_given_one() -> None:
    few = shape(616, [8] * 77, rate=2e-5)
    assert choose("probe", few).training["head_learning_rate"] == pytest.approx(2e-4)
    assert choose("fresh_head", shape(616, [8] * 77, rate=0.1)).training["head_learning_rate"] == 0.1


@pytest.mark.parametrize(("size", "rate"), [(384, 1e-4), (768, 5e-5), (1024, 2e-5), (4096, 2e-5)])
def test_larger_models_take_smaller_steps(size: int, rate: float) -> None:
    few, many = shape(616, [8] * 77, size=size), shape(20_000, [10_000] * 2, size=size)
    assert choose("auto", few).training["learning_rate"] == rate
    assert choose("auto", few).training["head_learning_rate"] == pytest.approx(10 * rate)
    assert choose("auto", many).training["learning_rate"] == rate
    assert choose("plain", few).training["learning_rate"] == 1e-4


def test_a_head_that_knows_the_labels_is_not_replaced_by_a_probe() -> None:
    recipe = choose("auto", shape(616, [8] * 77, known=77))
    assert "head_start" not in recipe.training
    assert "knows 77 of the labels" in recipe.why
    assert choose("probe", shape(616, [8] * 77, known=77)).training["head_start"] == "probe"


def test_plain_has_one_rate() -> None:
    filled = PLAIN_RECIPE.fill(SequenceClassificationTraining())
    assert (filled.epochs, filled.learning_rate) == (4, 1e-4)
    assert filled.head_learning_rate is filled.head_start is None


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [(10, 8, 20), (100, 8, 20), (300, 8, 11), (1000, 16, 7), (2000, 32, 7), (3200, 32, 4), (100_000, 32, 4)],
)
def test_few_rows_get_smaller_batches_then_more_passes(rows: int, batch: int, epochs: int) -> None:
    recipe = enough_steps(TrainingSpec(), rows, 384, fresh_head=False)
    assert (recipe.training["batch_size"], recipe.training["epochs"]) == (batch, epochs)
    assert f"{rows:,} rows" in recipe.why
    assert "head_learning_rate" not in recipe.training


def test_steps_fit_what_the_spec_gives() -> None:
    given = enough_steps(TrainingSpec(batch_size=32), 300, 384, fresh_head=False).training
    assert (given["batch_size"], given["epochs"]) == (32, 20)
    assert enough_steps(TrainingSpec(epochs=3), 300, 384, fresh_head=False).training["batch_size"] == 32
    assert (
        enough_steps(TrainingSpec(token_budget=512), 300, 384, fresh_head=False).training["batch_size"] == 32
    )
    accumulated = enough_steps(TrainingSpec(gradient_accumulation=4), 300, 384, fresh_head=False).training
    assert (accumulated["batch_size"], accumulated["epochs"]) == (8, 20)


@pytest.mark.parametrize(("size", "rate"), [(128, 1e-4), (384, 1e-4), (768, 5e-5), (1024, 2e-5)])
def test_larger_models_learn_at_lower_rates_and_new_heads_at_ten_times_theirs(size: int, rate: float) -> None:
    training = enough_steps(TrainingSpec(), 300, size, fresh_head=True).training
    assert training["learning_rate"] == rate
    assert training["head_learning_rate"] == pytest.approx(10 * rate)
    given = enough_steps(TrainingSpec(learning_rate=3e-4), 300, size, fresh_head=True)
    assert given.training["head_learning_rate"] == pytest.approx(3e-3)


def test_plain_stays_plain_for_every_family() -> None:
    assert enough_steps(TrainingSpec(recipe="plain"), 300, 384, fresh_head=True) == PLAIN_RECIPE


def chosen(model: Any, **config: Any) -> Recipe:
    """Of 300 rows with the entities `x` and `y`, on a base model of this configuration."""
    fitted = FittedEntities(("x", "y"), (150, 150))
    own = SimpleNamespace(spec=SimpleNamespace(training=TrainingSpec()), fitted=fitted)
    base = SimpleNamespace(config=transformers.BertConfig(**config), hidden_size=384)
    recipe: Recipe = model.choose_recipe(own, base, 300, 30)
    return recipe


@pytest.mark.parametrize(
    ("model", "head"), [(SpanModel, "QuestionAnswering"), (EntityModel, "TokenClassification")]
)
def test_a_head_that_the_base_model_has_already_learns_at_its_rate(model: Any, head: str) -> None:
    for architecture, fresh in (("BertModel", True), (f"BertFor{head}", False)):
        recipe = chosen(model, architectures=[architecture], id2label={0: "O", 1: "B-x", 2: "I-x"})
        assert recipe.name == "steps"
        assert ("head_learning_rate" in recipe.training) == fresh


def test_a_tagger_of_other_labels_alone_gets_a_new_head_at_its_own_rate() -> None:
    tags = {0: "O", 1: "B-z", 2: "I-z"}
    training = chosen(EntityModel, architectures=["BertForTokenClassification"], id2label=tags).training
    assert training["head_learning_rate"] == pytest.approx(10 * training["learning_rate"])
