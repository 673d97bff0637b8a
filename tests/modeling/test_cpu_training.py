"""The CPU's dropout and attention: the same distribution, the same numbers."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch.nn import functional as F

from ftcore.modeling.cpu_training import PLAIN_ATTENTION, FastDropout, fast_dropout, prepare_for_cpu

SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
DISTILBERT = {"vocab_size": 50, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}


def tiny(model_type: str) -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    sizes = DISTILBERT if model_type == "distilbert" else SIZES
    config = transformers.AutoConfig.for_model(model_type, num_labels=3, **sizes)
    return transformers.AutoModelForSequenceClassification.from_config(config)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1000)
    made = fast_dropout(x, 0.1)
    assert (made == 0).float().mean().item() == pytest.approx(0.1, abs=1e-3)
    assert made.mean().item() == pytest.approx(1.0, abs=2e-3)
    assert set(made.unique().tolist()) == {0.0, made.max().item()}


def test_dropped_elements_are_independent_of_their_neighbours() -> None:
    torch.manual_seed(1)
    dropped = (fast_dropout(torch.ones(2000, 500), 0.3) == 0).float()
    for shifted in (
        dropped[:, 1:] * dropped[:, :-1],
        dropped[1:] * dropped[:-1],
        dropped[:, 4:] * dropped[:, :-4],
    ):
        assert shifted.mean().item() == pytest.approx(0.09, abs=2e-3)


def test_dropout_passes_the_gradient_where_it_passed_the_value() -> None:
    x = torch.randn(64, 7, requires_grad=True)
    made = fast_dropout(x, 0.5)
    made.sum().backward()
    assert torch.equal(x.grad == 0, made == 0)
    assert torch.allclose(x.grad[made != 0], torch.tensor(2.0), atol=1e-3)


def test_the_same_random_state_drops_the_same_elements() -> None:
    x = torch.ones(33, 5)
    state = torch.get_rng_state()
    first, second = fast_dropout(x, 0.4), fast_dropout(x, 0.4)
    torch.set_rng_state(state)
    assert torch.equal(fast_dropout(x, 0.4), first)
    assert not torch.equal(first, second)


def test_dropout_is_off_in_evaluation_and_at_zero() -> None:
    x = torch.randn(5, 5)
    assert FastDropout(0.5).eval()(x) is x
    assert FastDropout(0.0).train()(x) is x


@pytest.mark.parametrize("model_type", sorted(PLAIN_ATTENTION))
def test_outputs_and_gradients_stay_the_same(model_type: str) -> None:
    model = tiny(model_type).eval()  # no dropout: what is left is comparable
    ids = torch.randint(5, 50, (3, 9), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0

    def both() -> tuple[torch.Tensor, list[torch.Tensor]]:
        model.zero_grad()
        logits = model(input_ids=ids, attention_mask=mask).logits
        F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
        return logits.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    logits, gradients = both()
    prepare_for_cpu(model)
    assert model.config._attn_implementation == "ftcore_plain"
    assert any(isinstance(module, FastDropout) for module in model.modules())
    swapped_logits, swapped_gradients = both()
    assert torch.allclose(swapped_logits, logits, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(swapped_gradients, gradients, strict=True))


def test_attention_weights_are_dropped_in_training() -> None:
    model = tiny("bert").train()
    prepare_for_cpu(model)
    for name, module in model.named_modules():
        if isinstance(module, FastDropout) and not name.endswith("attention.self.dropout"):
            module.p = 0.0
    ids = torch.randint(5, 50, (3, 9))
    with torch.no_grad():
        first, second = (model(input_ids=ids).logits for _ in range(2))
    assert not torch.allclose(first, second)


def test_other_architectures_keep_their_attention() -> None:
    config = transformers.AutoConfig.for_model("modernbert", pad_token_id=0, **SIZES)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    before = model.config._attn_implementation
    prepare_for_cpu(model)
    assert model.config._attn_implementation == before
